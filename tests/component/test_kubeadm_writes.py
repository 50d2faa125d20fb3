"""What the real kubeadm would take away in a real API: of kube-proxy, of CoreDNS; and Secrets that a server has no key for."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.core.models.profile import UpgradeRules
from tasks.upgrade.kubeadm_writes import CONFIGURATION, look_at_addons
from tasks.upgrade.policy.manifests import losses_of
from tasks.upgrade.secret import read_a_secret
from tests.facts.shapes import shape_of
from tests.servers.binaries import kubernetes_binaries
from tests.servers.kubernetes import SERVICES, ControlPlane
from tests.servers.processes import free_port

OLD, NEW = "1.36.3", "1.37.2"
SYSTEM, APPS = "/api/v1/namespaces/kube-system", "/apis/apps/v1/namespaces/kube-system"
PROXY, DNS = f"{APPS}/daemonsets/kube-proxy", f"{APPS}/deployments/coredns"
CLUSTER = {
    "apiVersion": "kubeadm.k8s.io/v1beta4",
    "kind": "ClusterConfiguration",
    "kubernetesVersion": f"v{OLD}",
    "networking": {"podSubnet": "10.244.0.0/16", "serviceSubnet": SERVICES},
}
FIRST = {
    "apiVersion": "kubeadm.k8s.io/v1beta4",
    "kind": "InitConfiguration",
    "localAPIEndpoint": {"advertiseAddress": "192.0.2.11", "bindPort": 6443},
    "nodeRegistration": {"name": "cp1", "criSocket": "unix:///run/containerd/containerd.sock"},
}
API_SERVER = "kind: Pod\nmetadata:\n  annotations:\n    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 192.0.2.11:6443\n"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With the addons that kubeadm 1.36.3 installs."""
    folder = tmp_path_factory.mktemp("kubernetes")
    with ControlPlane(folder, apiserver_flags=["--allow-privileged"]) as control_plane:
        config, access = folder / "kubeadm.yaml", folder / "admin.conf"
        config.write_text(yaml.safe_dump_all([FIRST, CLUSTER]))
        access.write_text(control_plane.kubeconfig())
        words = [str(kubernetes_binaries(OLD) / "kubeadm"), "init", "phase", "addon", "all"]
        given = ["--config", str(config), "--kubeconfig", str(access)]
        subprocess.run([*words, *given], check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
        data = {"ClusterConfiguration": yaml.safe_dump(CLUSTER)}
        control_plane.api.create(f"{SYSTEM}/configmaps", {"metadata": {"name": "kubeadm-config"}, "data": data})
        yield control_plane


class Handle:
    """A cluster of one node, on which kubeadm of the target is installed."""

    control_planes = ("cp1",)

    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.kube = self.kube_on("cp1", timedelta(seconds=20))
        self.profile: Any = SimpleNamespace(upgrade=UpgradeRules())
        (folder / "kube-apiserver.yaml").write_text(API_SERVER)

    def kube_on(self, name: str, limit: timedelta) -> KubeClient:
        """Of the only API server."""
        admin = self.cluster.admin
        user = KubeUser(self.cluster.ca.read_bytes(), admin.certificate.read_bytes(), admin.key.read_bytes())
        return KubeClient([KubeServer(name, lambda: nullcontext(self.cluster.url))], lambda: user, limit)

    def shape(self, name: str) -> Any:  # noqa: ANN401 - a node's shape
        """As kubeadm lays it down."""
        return shape_of(name)

    def shell(self, name: str) -> "Handle":
        """Root's, on the only node."""
        del name
        return self

    def ask(self, script: str, *, stdin: bytes = b"", limit: timedelta) -> bytes:
        """By a shell of this machine, with manifests of the test."""
        del limit
        path = f"{kubernetes_binaries(NEW)}:{os.environ['PATH']}"
        text = script.replace("/etc/kubernetes/manifests", str(self.folder))
        done = subprocess.run(["sh", "-c", text], input=stdin, capture_output=True, check=True, env={"PATH": path})
        return done.stdout

    def gone(self) -> dict[str, list[str]]:
        """Object to what kubeadm removes of it; an object alone where kubeadm makes it."""
        seen = look_at_addons(self, "cp1", NEW)  # type: ignore[arg-type]
        assert seen.problem == ""
        assert [one.problem for one in seen.objects] == [""] * len(seen.objects)
        made = {one.component: ["made"] for one in seen.objects if one.found is None and one.rendered}
        return made | {one.component: [loss.words for loss in gone] for one in seen.objects if (gone := losses_of(one))}


@pytest.fixture
def handle(cluster: ControlPlane, tmp_path: Path) -> Iterator[Handle]:
    """Addons are afterwards as they were."""
    api = cluster.api
    paths = (PROXY, DNS, f"{SYSTEM}/configmaps/kube-proxy", f"{SYSTEM}/services/kube-dns")
    before = {path: api.get(path) for path in paths}
    yield Handle(cluster, tmp_path)
    for path, body in before.items():
        body["metadata"].pop("resourceVersion")
        body["metadata"].pop("uid")
        if path.rpartition("/")[2] in {"kube-proxy", "coredns"}:
            cluster.kubectl("delete", "--ignore-not-found", "--raw", path) if _is_there(cluster, path) else None
            api.create(path.rpartition("/")[0], body)


def _is_there(cluster: ControlPlane, path: str) -> bool:
    return cluster.api.is_fine(path)


def test_addons_as_kubeadm_made_them_lose_nothing(handle: Handle) -> None:
    """Another image, another default of kube-proxy's and the API's own defaults are no loss."""
    assert handle.gone() == {}


def test_what_was_written_into_the_addons_would_go(handle: Handle, cluster: ControlPlane) -> None:
    """Object by object. kubeadm keeps the replicas, and a Corefile of one's own."""
    container = {"name": "coredns", "args": ["-conf", "/etc/coredns/Corefile", "-quiet"]}
    pods = {"metadata": {"annotations": {"scrape": "yes"}}, "spec": {"containers": [container]}}
    cluster.api.patch(DNS, {"spec": {"replicas": 3, "template": pods}}, "strategic")
    limits = {"name": "kube-proxy", "resources": {"limits": {"memory": "1Gi"}}}
    tolerations = [{"key": "mine", "operator": "Exists"}]
    spec = {"template": {"spec": {"containers": [limits], "tolerations": tolerations}}}
    cluster.api.patch(PROXY, {"metadata": {"labels": {"mine": "1"}}, "spec": spec}, "strategic")
    data = {"data": {"extra": "x"}}
    cluster.api.patch(f"{SYSTEM}/configmaps/kube-proxy", data)
    cluster.api.patch(f"{SYSTEM}/configmaps/coredns", {"data": {"Corefile": ". {\n  whoami\n}\n"}})
    assert handle.gone() == {
        "ConfigMap kube-proxy": ["data.extra"],
        "DaemonSet kube-proxy": ["metadata.labels.mine", "its own resources", "its own spec.tolerations"],
        "Deployment coredns": ["--quiet=true", "annotation scrape"],
    }


def test_what_kubeadm_would_make_is_said(handle: Handle, cluster: ControlPlane) -> None:
    """A network that replaces kube-proxy deletes its DaemonSet: kubeadm makes it anew as long as the ConfigMap is there."""
    cluster.api.delete(PROXY)
    assert handle.gone() == {"DaemonSet kube-proxy": ["made"]}
    config = f"{SYSTEM}/configmaps/kube-proxy"
    cluster.api.delete(config)
    assert handle.gone() == {}


def test_what_the_cluster_says_of_kube_proxy_is_kept(handle: Handle, cluster: ControlPlane) -> None:
    """kubeadm reads it from there."""
    path = f"{SYSTEM}/configmaps/kube-proxy"
    told = cluster.api.get(path)["data"]["config.conf"]
    mode = yaml.safe_dump(yaml.safe_load(told) | {"mode": "nftables"})
    cluster.api.patch(path, {"data": {"config.conf": mode}})
    assert handle.gone() == {}


def test_what_cannot_be_rendered_is_said(handle: Handle, cluster: ControlPlane) -> None:
    """With the reason."""
    (handle.folder / "kube-apiserver.yaml").write_text("kind: Pod\n")
    assert "has no annotation" in look_at_addons(handle, "cp1", NEW).problem  # type: ignore[arg-type]
    (handle.folder / "kube-apiserver.yaml").write_text(API_SERVER)
    broken = {"data": {"ClusterConfiguration": yaml.safe_dump(CLUSTER | {"apiVersion": "kubeadm.k8s.io/v0"})}}
    cluster.api.patch(CONFIGURATION, broken)
    try:
        assert "kubeadm.k8s.io/v0" in look_at_addons(handle, "cp1", NEW).problem  # type: ignore[arg-type]
    finally:
        cluster.api.patch(CONFIGURATION, {"data": {"ClusterConfiguration": yaml.safe_dump(CLUSTER)}})


def test_a_secret_is_read_by_the_nodes_own_api_server(cluster: ControlPlane, tmp_path: Path) -> None:
    """What was deleted meanwhile is no failure; a server that does not answer is one, with the reason."""
    handle: Any = Handle(cluster, tmp_path)
    none = read_a_secret(handle, "cp1")
    assert (none.secret, none.problem) == ("", "the cluster has no Secret")
    secret = {"metadata": {"name": "mine"}, "stringData": {"a": "hush"}}
    cluster.api.create("/api/v1/namespaces/default/secrets", secret)
    read = read_a_secret(handle, "cp1")
    assert (read.secret, read.problem) == ("default/mine", "")
    assert read_a_secret(handle, "cp1", "default/gone").secret == "default/mine"
    handle.cluster = SimpleNamespace(url=f"https://127.0.0.1:{free_port()}", ca=cluster.ca, admin=cluster.admin)
    lost = read_a_secret(handle, "cp1")
    assert lost.secret == ""
    assert "no API server answers" in lost.problem
