"""What a rotation is planned by, with an API and without one."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from tasks.cert_rotation.observe import look_at_proofs, look_at_rotation, own_ends
from tasks.clients.ssh import NodeShell
from tasks.core.errors import NotYet, Refused
from tasks.core.models.kubeadm import CONTROLLER_MANAGER
from tasks.core.models.profile import ClusterProfile, Kubeadm
from tasks.core.models.shape import NodeShape
from tests.facts.certificates import control_plane
from tests.facts.kube_api import Api
from tests.facts.rotation import asked
from tests.facts.scripts import told_by
from tests.facts.shapes import shape_of

LOOK = Path(__file__).parents[1] / "data" / "certificates" / "look.txt"
"""What a control plane node of a real cluster printed."""

PROFILE = ClusterProfile.model_validate(
    {
        "name": "prod",
        "store": {"bucket": "bucket"},
        "nodes": [{"name": name, "address": name} for name in ("cp1", "cp2", "w1")],
        "ssh": {"user": "ops", "key": "file:/key", "known_hosts": "/known"},
        "etcd": {"endpoints": [{"url": "https://10.0.0.1:2379", "node": "cp1"}]},
        "gates": [{"name": "window", "object": "/api/v1/namespaces/ops/windows/now", "condition": "Open"}],
    }
)


class Nodes:
    """Two control plane nodes and a worker, and an etcd that lets nobody in."""

    def __init__(self) -> None:
        self.kube, self.profile = Api(), PROFILE

    def node(self, name: str) -> Any:  # noqa: ANN401 - as much of an SshNode as is asked
        """One of them."""
        return SimpleNamespace(name=name, run=lambda script, **_: answer(name, script))

    def shape(self, name: str) -> NodeShape:
        """As kubeadm lays it down."""
        return shape_of(name)

    def shell(self, name: str) -> NodeShell:
        """Of one of them."""
        return NodeShell(self.node(name))

    @contextmanager
    def etcd(self, *_: object, **__: object) -> Iterator[None]:
        """Nobody."""
        raise Refused("no member of etcd lets us in")
        yield


def answer(name: str, script: str) -> SimpleNamespace:
    """As a node does."""
    said = b""
    asked_for = told_by(script, "cert_rotation")[0]
    if asked_for == "prove_now":
        said = b"has curl\nhealth kube-scheduler ok\n"
    elif "readyz" in script:
        said = b"200\n"
    elif not asked_for and name.startswith("cp"):
        said = LOOK.read_bytes()
    return SimpleNamespace(stdout=said, status=0, complaint="")


def test_a_node_whose_proofs_cannot_be_asked_says_why() -> None:
    """What they say now is not known."""

    def lost(*_: object, **__: object) -> None:
        raise NotYet("no route")

    handle: Any = SimpleNamespace(
        profile=SimpleNamespace(kubeadm=Kubeadm()), node=lambda _: SimpleNamespace(run=lost), shape=lost
    )
    assert look_at_proofs(handle, control_plane()).unasked == "no route"


def test_without_a_way_in_it_is_asked_who_serves() -> None:
    """Each control plane node, on the node itself."""
    handle: Any = Nodes()
    handle.kube.refuses = Refused("401 Unauthorized")
    found = look_at_rotation(handle, "run-1")
    assert (found.api_problem, found.serving) == ("401 Unauthorized", ("cp1", "cp2"))
    assert found.gates == ()


def test_an_api_that_lets_the_worker_in_is_asked_for_all_else() -> None:
    """What it does not say then is no reason to do without it."""
    handle: Any = Nodes()
    config = "{kind: ClusterConfiguration, clusterName: x, scheduler: {}}"
    handle.kube.configuration = {"data": {"ClusterConfiguration": config}}
    found = look_at_rotation(handle, "run-1")
    assert found.api_problem == ""
    assert "no member of etcd lets us in" in found.etcd_problem
    assert found.configuration == {"clusterName": "x"}
    [gate] = found.gates
    assert gate.startswith("gate window: ")
    first = found.proofs[0]
    assert (first.node, first.curl, first.kubectl, first.ails) == ("cp1", True, False, {CONTROLLER_MANAGER: "nothing"})
    assert set(found.leases) == {"kube-controller-manager", "kube-scheduler"}
    assert (found.requests, found.identities.nodes) == ((), ())
    assert [one.node for one in found.left] == ["cp1", "cp2", "w1"]


def test_who_is_who_is_asked_where_a_kubelet_waits() -> None:
    """By the profile, and by the API."""
    handle: Any = Nodes()
    handle.kube.objects["/apis/certificates.k8s.io/v1/certificatesigningrequests"] = [asked("system:node:w1", [], [])]
    found = look_at_rotation(handle, "run-1")
    assert [one.name for one in found.requests] == ["csr-abc"]
    assert [one.name for one in found.identities.nodes] == ["cp1", "cp2", "w1"]


def test_the_worker_says_when_its_own_certificates_end(tmp_path: Path) -> None:
    """A kubeconfig that it has a copy of, and its client certificate for etcd."""
    lines = LOOK.read_text().splitlines()
    line = next(one for one in lines if one.startswith("kubeconfig /etc/kubernetes/admin.conf"))
    encoded = yaml.safe_load(base64.b64decode(line.split()[-1]))["users"][0]["user"]["client-certificate-data"]
    user = f'{{client-certificate-data: "{encoded}", client-key-data: "YQ=="}}'
    kubeconfig, certificate = tmp_path / "kubeconfig", tmp_path / "client.crt"
    kubeconfig.write_text(
        'clusters: [{name: c, cluster: {server: "https://x", certificate-authority-data: "YQ=="}}]\n'
        f"users: [{{name: u, user: {user}}}]\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
    )
    certificate.write_bytes(base64.b64decode(encoded))
    for file in (kubeconfig, certificate):
        file.chmod(0o600)
    both: Any = SimpleNamespace(
        kubernetes=SimpleNamespace(kubeconfig=f"file:{kubeconfig}"),
        etcd=SimpleNamespace(client=SimpleNamespace(certificate=f"file:{certificate}")),
    )
    ends = own_ends(SimpleNamespace(profile=both))  # type: ignore[arg-type] # as much as is asked
    assert set(ends) == {"kubernetes.kubeconfig", "etcd.client.certificate"}
    assert len(set(ends.values())) == 1
    assert own_ends(Nodes()) == {}  # type: ignore[arg-type] # as above
