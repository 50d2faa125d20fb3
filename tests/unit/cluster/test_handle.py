"""Which nodes are control planes: by their manifests, over SSH."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.clients.kube import KubeUser
from tasks.clients.ssh import SshNode
from tasks.cluster import Cluster
from tasks.cluster.shapes import Shapes
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.profile import ClusterProfile
from tests.facts.folder_node import FolderNode
from tests.facts.shapes import API_SERVER
from tests.servers.pki import Authority, KeyPair

control_planes: Any = vars(Cluster)["control_planes"].func


SYSTEMCTL = "systemctl() { :; }\n"
"""There is no kubelet that runs, and its unit says nothing."""


@pytest.fixture
def cluster(tmp_path: Path) -> SimpleNamespace:
    """Machines that are folders, with kubeadm's folder below each; one that is named `off` does not answer."""

    def node(name: str) -> SshNode:
        if name == "off":
            raise NotYet("off: no connection")
        if name == "strange":
            raise Refused("strange: the host key changed")
        return FolderNode(name, {"/etc/kubernetes": tmp_path / name}, SYSTEMCTL)

    nodes = [SimpleNamespace(name=name) for name in ("cp1", "cp2", "w1", "off")]
    profile: Any = SimpleNamespace(kubeadm=SimpleNamespace(folder=PurePosixPath("/etc/kubernetes")), nodes=nodes)
    made = SimpleNamespace(profile=profile, _shapes=Shapes(profile, node, lambda: None))  # type: ignore[arg-type, return-value]
    made.who_is_control_plane = lambda: Cluster.who_is_control_plane(made)  # type: ignore[arg-type]
    return made


def test_a_manifest_counts_also_where_a_run_that_died_has_put_it(cluster: SimpleNamespace, tmp_path: Path) -> None:
    """The only control plane node of a cluster would be none, and nobody could go on there."""
    for place in ("cp1/manifests", "cp2/kube-runbooks-parked", "w1/manifests"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "cp1/manifests/kube-apiserver.yaml").write_text(API_SERVER)
    (tmp_path / "cp2/kube-runbooks-parked/kube-apiserver.yaml").write_text(API_SERVER)
    assert control_planes(cluster) == ("cp1", "cp2")


def test_without_any_the_field_and_the_fix_are_told(cluster: SimpleNamespace) -> None:
    """None that answers has one."""
    with pytest.raises(NotYet, match="none of cp1, cp2, w1, off is a control plane node that can be reached") as told:
        control_planes(cluster)
    assert "check nodes: and ssh: of the profile" in told.value.hint


@pytest.mark.parametrize("text", ["", "kind: Pod\n  broken: [", "spec: {containers: [{command: [kube-apiserver]}]}"])
def test_a_manifest_that_is_not_understood_does_not_make_its_node_a_worker(
    cluster: SimpleNamespace, tmp_path: Path, text: str
) -> None:
    """Whether it votes, and whether others go on without it, is not known: it is like one that does not answer."""
    for name, manifest in (("cp1", API_SERVER), ("cp2", text)):
        (tmp_path / name / "manifests").mkdir(parents=True)
        (tmp_path / name / "manifests/kube-apiserver.yaml").write_text(manifest)
    told = cluster.who_is_control_plane()
    assert (told["cp1"], told["w1"]) == (True, False)
    assert isinstance(told["cp2"], NotYet)
    assert "cp2: whether it is a control plane node is not known: the manifest of kube-apiserver" in str(told["cp2"])


def test_a_node_that_is_not_what_was_configured_is_told(cluster: SimpleNamespace, tmp_path: Path) -> None:
    """For the way to the API; who only wants to know who is what hears of each node by itself."""
    (tmp_path / "cp1/manifests").mkdir(parents=True)
    (tmp_path / "cp1/manifests/kube-apiserver.yaml").write_text(API_SERVER)
    cluster.profile.nodes.append(SimpleNamespace(name="strange"))
    with pytest.raises(Refused, match="strange: the host key changed"):
        control_planes(cluster)
    told = cluster.who_is_control_plane()
    assert [told[name] for name in ("cp1", "cp2", "w1")] == [True, False, False]
    assert [str(told[name]) for name in ("off", "strange")] == ["off: no connection", "strange: the host key changed"]


def admin(pair: KeyPair, ca: Path) -> str:
    """A kubeconfig with this certificate."""
    data = {
        name: base64.b64encode(file.read_bytes()).decode()
        for name, file in (("ca", ca), ("crt", pair.certificate), ("key", pair.key))
    }
    return f"""
current-context: it
contexts: [{{name: it, context: {{cluster: it, user: it}}}}]
clusters: [{{name: it, cluster: {{server: "https://[fd00::1]:6443", certificate-authority-data: {data["ca"]}}}}}]
users: [{{name: it, user: {{client-certificate-data: {data["crt"]}, client-key-data: {data["key"]}}}}}]
"""


def test_an_administrator_that_has_expired_or_is_absent_is_not_the_one_that_is_taken(tmp_path: Path) -> None:
    """kubeadm's super-admin.conf is beside it; where all have expired, the first says so."""
    authority = Authority(tmp_path / "pki")
    ended = authority.issue("old", not_after=datetime.now(UTC) - timedelta(minutes=5))
    for name in ("cp1", "cp2"):
        (tmp_path / name).mkdir()
    (tmp_path / "cp1/admin.conf").write_text(admin(ended, authority.ca))
    profile = ClusterProfile.model_validate(
        {
            "name": "prod",
            "store": {"bucket": "bucket"},
            "nodes": [{"name": "cp1", "address": "cp1"}],
            "ssh": {"user": "ops", "key": "file:/key", "known_hosts": "/known"},
        }
    )
    handle = Cluster(profile)

    def read_file(name: str, path: str) -> bytes:
        try:
            return (tmp_path / name / PurePosixPath(path).name).read_bytes()
        except FileNotFoundError:
            raise Refused(f"{name}: cannot read {path}") from None

    nodes: Any = lambda name: SimpleNamespace(read_file=lambda path, **_: read_file(name, path))  # noqa: E731
    vars(handle)["node"] = nodes
    assert "cp1: /etc/kubernetes/admin.conf: the certificate" in handle.what_is_wrong_with_administrator(["cp1", "cp2"])
    assert "expired on" in handle.what_is_wrong_with_administrator(["cp1", "cp2"])
    assert "cp2: cannot read /etc/kubernetes/admin.conf" in handle.what_is_wrong_with_administrator(["cp2"])
    (tmp_path / "cp2/super-admin.conf").write_text(admin(authority.issue("new"), authority.ca))
    assert handle.what_is_wrong_with_administrator(["cp1", "cp2"]) == ""


ADMIN = """
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://h:6443", certificate-authority-data: Q0E=}}]
users: [{name: u, user: {token: hunter2}}]
"""


def administrator(files: dict[str, str | RunbookError]) -> KubeUser:
    """As the nodes' admin.conf have it, in their order."""

    def node(name: str) -> SimpleNamespace:
        def read_file(path: str, *, sudo: bool) -> bytes:
            assert sudo
            if path == "/etc/kubernetes/super-admin.conf":
                raise Refused(f"{name}: there is none")
            assert path == "/etc/kubernetes/admin.conf"
            found = files[name]
            if isinstance(found, RunbookError):
                raise found
            return found.encode()

        return SimpleNamespace(read_file=read_file)

    made: Any = SimpleNamespace(profile=SimpleNamespace(kubeadm=SimpleNamespace(folder="/etc/kubernetes")), node=node)
    made._kubeconfig_of_administrator = lambda names: Cluster._kubeconfig_of_administrator(made, names)  # noqa: SLF001 - as below
    return Cluster._administrator_of(made, tuple(files))  # noqa: SLF001 - the way without a kubeconfig


def test_an_admin_conf_that_is_of_no_use_on_one_node_is_looked_for_on_the_next() -> None:
    """Away, unreachable, or of another form; it is refused only where no node has one, and none may have one later."""
    missing, away = Refused("cp1: cannot read it"), NotYet("cp2: no connection")
    found = administrator({"cp1": missing, "cp2": away, "cp3": "{}", "cp4": ADMIN})
    assert (found.ca, found.token) == (b"CA", "hunter2")
    with pytest.raises(NotYet, match="no admin.conf can be used: cp1: cannot read it; cp2: no connection"):
        administrator({"cp1": missing, "cp2": away})
    with pytest.raises(
        Refused, match="cp1: cannot read it; cp3: /etc/kubernetes/admin.conf: it has no current-context"
    ):
        administrator({"cp1": missing, "cp3": "{}"})
    with pytest.raises(NotYet, match="no control plane node is known"):
        administrator({})
