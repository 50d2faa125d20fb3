"""`kube-runbooks init` on a real API server: a profile that is good when it is filled in."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tasks.core.profiles import read_profile
from tests.servers.kubernetes import ControlPlane

pytestmark = pytest.mark.timeout(600)  # each call starts a Python of its own

FILLED = ("--ssh-user=ops", "--ssh-key=file:/keys/id", "--known-hosts=/keys/known_hosts", "--bucket=backups")
SYSTEM = "/api/v1/namespaces/kube-system"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Two nodes, as kubeadm registers them, with kubeadm-config and the mirror of a static pod."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as cluster:
        for name, address, role in (("cp1", "10.0.0.1", "control-plane"), ("w1", "10.0.0.2", "worker")):
            cluster.api.create(
                "/api/v1/nodes", {"metadata": {"name": name, "labels": {f"node-role.kubernetes.io/{role}": ""}}}
            )
            status = {"addresses": [{"type": "InternalIP", "address": address}]}
            cluster.api.patch(f"/api/v1/nodes/{name}/status", {"status": status})
        external = {"endpoints": ["https://10.0.0.7:2379"], "caFile": "/a", "certFile": "/b", "keyFile": "/c"}
        config = {
            "kind": "ClusterConfiguration",
            "controlPlaneEndpoint": "lb.example.org:6443",
            "etcd": {"external": external},
        }
        body = {"metadata": {"name": "kubeadm-config"}, "data": {"ClusterConfiguration": yaml.safe_dump(config)}}
        cluster.api.create(f"{SYSTEM}/configmaps", body)
        container = {
            "name": "kube-apiserver",
            "image": "x",
            "command": ["kube-apiserver", "--etcd-servers=https://10.0.0.7:2379"],
        }
        labels = {"tier": "control-plane", "component": "kube-apiserver"}
        pod = {
            "metadata": {"name": "kube-apiserver-cp1", "labels": labels},
            "spec": {"nodeName": "cp1", "containers": [container]},
        }
        cluster.api.create(f"{SYSTEM}/pods", pod)
        yield cluster


@pytest.fixture
def kubeconfig(cluster: ControlPlane, tmp_path: Path) -> Path:
    """An administrator's."""
    path = tmp_path / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(cluster.kubeconfig())
    return path


def call(*words: object) -> subprocess.CompletedProcess[str]:
    """The command, as a user calls it."""
    command = [sys.executable, "-m", "kube_runbooks", "init", *map(str, words)]
    return subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)


def test_files_are_written_with_their_whole_path(kubeconfig: Path) -> None:
    """As a shell completes them: a deployed run starts in another folder."""
    told = call("prod", "--kubeconfig", kubeconfig, "--ssh-key=keys/id", "--known-hosts=~/.ssh/known_hosts")
    ssh = yaml.safe_load(told.stdout)["ssh"]
    assert ssh["key"] == f"file:{Path.cwd()}/keys/id"
    assert ssh["known_hosts"] == f"{Path.home()}/.ssh/known_hosts"


def test_a_profile_is_written_and_what_is_left_is_said(cluster: ControlPlane, kubeconfig: Path, tmp_path: Path) -> None:
    """To standard output; what is left goes to the other stream. Filled in it is good."""
    blank = call("prod", "--kubeconfig", kubeconfig)
    assert blank.returncode == 0, blank.stderr
    assert blank.stdout.startswith(f"# Written by `kube-runbooks init` from the cluster at {cluster.url}.")
    for left in ("ssh.user", "ssh.key", "ssh.known_hosts", "store.bucket", "etcd is external (https://10.0.0.7:2379)"):
        assert f"- {left}" in blank.stderr
    for field in ("endpoint", "region", "access_key", "secret_key"):
        assert f"  # {field}: " in blank.stdout
    assert "Next: kube-runbooks check prod, once you have filled in what is left" in blank.stderr
    done = call("prod", "--kubeconfig", kubeconfig, "--output", tmp_path / "prod.yaml", *FILLED)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Next: kube-runbooks check prod" in done.stderr
    profile = read_profile(tmp_path, "prod")
    assert [(node.name, node.address) for node in profile.nodes] == [("cp1", "10.0.0.1"), ("w1", "10.0.0.2")]
    key = json.loads(cluster.kubeconfig())["users"][0]["user"]["client-key-data"]
    assert key not in blank.stdout + blank.stderr


@pytest.mark.full
def test_a_file_that_is_there_stays_and_what_is_wrong_is_said(
    cluster: ControlPlane, kubeconfig: Path, tmp_path: Path
) -> None:
    """Unless somebody says --force; nothing is written where the cluster cannot be asked."""
    there = tmp_path / "prod.yaml"
    there.write_text("mine")
    kept = call("prod", "--kubeconfig", kubeconfig, "--output", there)
    assert (kept.returncode, "add --force" in kept.stderr, there.read_text()) == (2, True, "mine")
    assert call("prod", "--kubeconfig", kubeconfig, "--output", there, "--force").returncode == 0
    assert there.read_text().startswith("# Written by")
    wrong = call("Prod!", "--kubeconfig", kubeconfig)
    assert (wrong.returncode, "is no name of a cluster" in wrong.stderr) == (2, True)
    missing = call("prod", "--kubeconfig", tmp_path / "nosuch", "--output", tmp_path / "new.yaml")
    assert (missing.returncode, "does not exist" in missing.stderr) == (2, True)
    nobody = tmp_path / "nobody"
    nobody.write_text(cluster.kubeconfig(cluster.user("nobody")))
    denied = call("prod", "--kubeconfig", nobody, "--output", tmp_path / "new.yaml")
    assert (denied.returncode, "403" in denied.stderr, "Traceback" in denied.stderr) == (2, True, False)
    assert not (tmp_path / "new.yaml").exists()
