"""A profile from what a cluster says: good once it is filled in, and it says what is left."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from tasks.core.errors import Refused
from tasks.core.profiles import read_profile
from tasks.draft.models import Given, Seen, SeenNode
from tasks.draft.policy.profile import draft_profile
from tasks.draft.probes.cluster import parse_cluster

SERVER = "https://lb.example.org:6443"
ALL = Given(
    ssh_user="ops",
    ssh_key="file:/keys/id",
    known_hosts="/keys/known_hosts",
    bucket="backups",
    region="eu-central-1",
    endpoint="https://s3.example.org",
)


def node(name: str, *addresses: tuple[str, str], control_plane: bool = False) -> dict[str, Any]:
    """As the API has it."""
    labels = {"node-role.kubernetes.io/control-plane": ""} if control_plane else {}
    told = [{"type": kind, "address": address} for kind, address in addresses]
    return {"metadata": {"name": name, "labels": labels}, "status": {"addresses": told}}


def mirror(component: str, *flags: str, volumes: dict[str, tuple[str, str]] | None = None) -> dict[str, Any]:
    """A static pod as the API has it; volumes by name, path inside and path on the host."""
    mounts = [{"name": name, "mountPath": inside} for name, (inside, _) in (volumes or {}).items()]
    paths = [{"name": name, "hostPath": {"path": host}} for name, (_, host) in (volumes or {}).items()]
    container = {"name": component, "command": [component, *flags], "volumeMounts": mounts}
    return {
        "metadata": {"name": component, "labels": {"component": component}},
        "spec": {"containers": [container], "volumes": paths},
    }


def kubeadm(**fields: object) -> dict[str, Any]:
    """kubeadm-config."""
    return {"data": {"ClusterConfiguration": yaml.safe_dump({"kind": "ClusterConfiguration", **fields})}}


API = mirror("kube-apiserver", "--etcd-servers=https://127.0.0.1:2379")
ETCD = mirror("etcd")
CONF = "/etc/kubernetes/scheduler.conf"


def scheduler(folder: str) -> dict[str, Any]:
    """With its kubeconfig in a folder of the node."""
    return mirror("kube-scheduler", f"--kubeconfig={CONF}", volumes={"kubeconfig": (CONF, f"{folder}/scheduler.conf")})


def test_a_cluster_of_kubeadm_becomes_a_profile_that_is_good(tmp_path: Path) -> None:
    """Internal addresses before external ones, IPv6 as it is, control plane nodes first; folder and endpoint of its own words."""
    nodes = [
        node("w1", ("Hostname", "w1"), ("ExternalIP", "203.0.113.9")),
        node(
            "cp1",
            ("ExternalIP", "203.0.113.1"),
            ("InternalIP", "fd00::1"),
            ("InternalIP", "10.0.0.1"),
            control_plane=True,
        ),
    ]
    pods = [API, ETCD, scheduler("/srv/kubernetes")]
    seen = parse_cluster(SERVER, nodes, pods, kubeadm(controlPlaneEndpoint="lb:6443", certificatesDir="/srv/pki"))
    assert (seen.endpoint, seen.certificates_dir, seen.external_etcd, seen.problems) == ("lb:6443", "/srv/pki", (), ())
    draft = draft_profile("prod", seen, ALL)
    assert draft.left == ()
    (tmp_path / "prod.yaml").write_text(draft.text)
    profile = read_profile(tmp_path, "prod")
    assert [(one.name, one.address) for one in profile.nodes] == [("cp1", "fd00::1"), ("w1", "203.0.113.9")]
    assert profile.kubeadm.folder == PurePosixPath("/srv/kubernetes")
    assert (profile.store.region, profile.store.endpoint) == ("eu-central-1", "https://s3.example.org")
    assert profile.ssh is not None
    assert (profile.ssh.user, profile.ssh.sudo) == ("ops", True)
    assert "lb:6443" in draft.text


def test_what_is_left_is_what_the_profile_is_refused_for(tmp_path: Path) -> None:
    """Nobody starts a run with a blank: each is named, in the file and beside it."""
    seen = Seen(
        nodes=(SeenNode(name="cp1", address="10.0.0.1", control_plane=True), SeenNode(name="w1")), server=SERVER
    )
    draft = draft_profile("prod", seen, Given())
    assert [one.partition(": ")[0] for one in draft.left] == [
        "nodes",
        "ssh.user",
        "ssh.key",
        "ssh.known_hosts",
        "store.bucket",
    ]
    assert draft.text.count("FILL IN") == 5
    assert "ssh-keyscan 10.0.0.1 > FILE" in draft.text
    (tmp_path / "prod.yaml").write_text(draft.text)
    with pytest.raises(Refused) as refused:
        read_profile(tmp_path, "prod")
    for field in ("nodes[1].address", "ssh.user", "ssh.key", "ssh.known_hosts", "store.bucket"):
        assert field in refused.value.problem
    filled = draft.text
    for field, value in {"user": "root", "key": "file:/k", "known_hosts": "/k", "bucket": "backups"}.items():
        filled = filled.replace(f"  {field}:   ", f"  {field}: {value} #")
    (tmp_path / "prod.yaml").write_text(filled.replace("address: }", "address: w1.example.org}"))
    assert read_profile(tmp_path, "prod").store.bucket == "backups"


def test_a_store_other_than_aws_has_its_lines_to_uncomment(tmp_path: Path) -> None:
    """Each says when it is needed; uncommented, the profile is good."""
    seen = Seen(nodes=(SeenNode(name="cp1", address="10.0.0.1", control_plane=True),), server=SERVER)
    text = draft_profile("prod", seen, ALL.model_copy(update={"endpoint": "", "region": ""})).text
    lines = {line.split()[1]: line for line in text.splitlines() if line.startswith("  # ")}
    assert lines.keys() == {"endpoint:", "region:", "access_key:", "secret_key:"}
    assert all(" # needed " in line for line in lines.values())
    assert "every S3 server other than AWS" in lines["endpoint:"]
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in lines["access_key:"]
    (tmp_path / "prod.yaml").write_text(re.sub(r"(?m)^  # ", "  ", text))
    store = read_profile(tmp_path, "prod").store
    assert (store.endpoint, store.region) == ("https://s3.example.org", "eu-central-1")
    assert store.access_key == "file:/etc/kube-runbooks/s3-access-key"
    given = draft_profile("prod", seen, ALL).text
    assert "# endpoint:" not in given
    assert "# region:" not in given


def test_root_needs_no_sudo_and_a_name_that_looks_like_a_number_stays_a_name(tmp_path: Path) -> None:
    """YAML has its own mind about both."""
    seen = Seen(nodes=(SeenNode(name="1e3", address="10.0.0.1"),), server=SERVER)
    (tmp_path / "42.yaml").write_text(draft_profile("42", seen, ALL.model_copy(update={"ssh_user": "root"})).text)
    profile = read_profile(tmp_path, "42")
    assert (profile.name, profile.nodes[0].name) == ("42", "1e3")
    assert profile.ssh is not None
    assert profile.ssh.sudo is False


@pytest.mark.parametrize(
    ("pods", "configuration"),
    [
        ([API], kubeadm(etcd={"external": {"endpoints": ["https://10.0.0.7:2379", "https://10.0.0.8:2379"]}})),
        ([mirror("kube-apiserver", "--etcd-servers=https://10.0.0.7:2379,https://10.0.0.8:2379")], kubeadm()),
    ],
)
def test_an_external_etcd_is_named_and_its_machines_are_left_to_add(
    tmp_path: Path, pods: list[dict[str, Any]], configuration: dict[str, Any]
) -> None:
    """By kubeadm-config, else by the API servers; the profile is good without, for control plane nodes lead to the members."""
    seen = parse_cluster(SERVER, [node("cp1", ("InternalIP", "10.0.0.1"), control_plane=True)], pods, configuration)
    assert seen.external_etcd == ("https://10.0.0.7:2379", "https://10.0.0.8:2379")
    draft = draft_profile("prod", seen, ALL)
    assert draft.left == (
        "etcd is external (https://10.0.0.7:2379, https://10.0.0.8:2379): add its machines to nodes:, and each as `node` of an entry of etcd.endpoints",
    )
    (tmp_path / "prod.yaml").write_text(draft.text)
    assert read_profile(tmp_path, "prod").etcd.endpoints == ()
    assert '#     - {url: "https://10.0.0.7:2379", node: }' in draft.text


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        (None, "there is no ConfigMap kube-system/kubeadm-config"),
        ({"data": {"ClusterConfiguration": "a: ["}}, "ConfigMap kube-system/kubeadm-config is not YAML"),
        (
            {"data": {"ClusterConfiguration": "etcd: 1"}},
            "ClusterConfiguration of ConfigMap kube-system/kubeadm-config could not be parsed",
        ),
    ],
)
def test_what_is_not_there_is_told(configuration: dict[str, Any] | None, told: str) -> None:
    """Another installer's cluster gets a profile, too, with what nobody says left out."""
    seen = parse_cluster(SERVER, [], [], configuration)
    assert told in seen.problems[0]
    assert "no static pod kube-apiserver" in seen.problems[1]
    draft = draft_profile("prod", seen, ALL)
    assert "nodes: the API has none" in draft.left
    assert seen.problems == draft.left[-2:]


def test_a_scheduler_without_a_kubeconfig_on_the_host_says_no_folder() -> None:
    """And kubeadm's default is left out of the profile."""
    odd = [mirror("kube-scheduler"), mirror("kube-scheduler", f"--kubeconfig={CONF}")]
    assert parse_cluster(SERVER, [], odd, kubeadm()).folder is None
    usual = parse_cluster(SERVER, [], [*odd, scheduler("/etc/kubernetes")], kubeadm())
    assert usual.folder == PurePosixPath("/etc/kubernetes")
    assert "kubeadm:" not in draft_profile("prod", usual, ALL).text.replace("# ", "")
