"""What a rotation does on several nodes: kubelets, all control planes at once, requests, and the proof at the end."""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509

from tasks.cert_rotation import steps as act
from tasks.cert_rotation.models.rotation import (
    Approved,
    NodeRotated,
    NodeRotation,
    OnNode,
    RotationFacts,
    RotationPlan,
    RotationProof,
    RotationRecord,
)
from tasks.cert_rotation.summary import summarize_rotation, summarize_rotation_plan
from tasks.certificates.models.inventory import Process
from tasks.core.errors import CommandFailed, NotYet, Refused
from tasks.core.models.kubeadm import CONTROLLERS, ORDER
from tasks.core.models.profile import ClusterProfile, Kubeadm
from tasks.core.models.report import Took
from tasks.nodes.models.nodes import KubeNode
from tasks.run.models.lock import Holder
from tests.facts.certificates import NOW, changed, control_plane, worker
from tests.facts.certificates import RECORDED as DATA
from tests.unit.cert_rotation.test_serving_requests import asked

HOLDER = Holder(runbook="cert_rotation", run_name="rotate-prod", started_at=NOW)


class Api:
    """As much of `KubeClient` as is asked here."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.put: dict[str, Any] = {}
        self.closed = 0
        self.beats = 0

    def close(self) -> None:
        """Its connections."""
        self.closed += 1

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A review of oneself."""
        assert (path, body["kind"]) == (act.REVIEWS, "SelfSubjectReview")
        return {"status": {"userInfo": {"username": "kubernetes-admin"}}}

    def items(self, path: str, **_: str) -> list[Any]:
        """Of a list."""
        return list(self.objects.get(path, []))

    def find(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """A leader's lease, renewed at each look unless it is dead; one of a list."""
        if path == act.CONFIGURATION:
            return None
        if path.rpartition("/")[0] in self.objects:
            return next(
                (one for one in self.objects[path.rpartition("/")[0]] if path.endswith(one["metadata"]["name"])), None
            )
        self.beats += 1
        return {"metadata": {"name": path.rpartition("/")[2]}, "spec": {"renewTime": f"{self.beats}"}}

    def replace(self, path: str, body: Any) -> None:  # noqa: ANN401 - JSON
        """An approval."""
        self.put[path] = body


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Of a cluster that is called prod."""
    one = Api()
    profile = SimpleNamespace(
        name="prod",
        nodes=[SimpleNamespace(name="w1", address="192.0.2.1")],
        kubernetes=SimpleNamespace(kubeconfig=None),
    )
    handle = SimpleNamespace(kube=one, profile=profile)
    monkeypatch.setattr("tasks.cert_rotation.steps.open_cluster", lambda _: handle)
    monkeypatch.setattr("tasks.cert_rotation.steps.ALIVE_LIMIT", timedelta())
    return one


def test_only_requests_of_the_plan_are_approved_and_each_is_looked_at_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not in it stays; without an API to plan by, all that pass are meant."""
    good = asked("system:node:w1", ["system:nodes"], [x509.DNSName("w1")])
    bad = asked("system:node:w1", ["system:nodes"], [x509.DNSName("kubernetes")])
    bad["metadata"]["name"] = "csr-bad"
    api.objects[act.REQUESTS] = [good, bad]
    api.objects[act.NODES] = [{"metadata": {"name": "w1"}}]
    monkeypatch.setattr("tasks.cert_rotation.steps.look_at_certificates", lambda _: (worker(),))
    nothing = act.approve_requests.fn("prod", RotationPlan(), lambda: None)
    assert nothing == Approved()
    done = act.approve_requests.fn("prod", RotationPlan(approve=("csr-abc",)), lambda: None)
    assert done == Approved(approved=("csr-abc",))
    [(path, body)] = api.put.items()
    assert path == f"{act.REQUESTS}/csr-abc/approval"
    assert body["status"]["conditions"][0]["type"] == "Approved"
    every = act.approve_requests.fn("prod", RotationPlan(by_ssh_alone=True), lambda: None)
    assert isinstance(every, Approved)
    assert every.approved == ("csr-abc",)
    assert every.left["csr-bad"] == "DNS:kubernetes is the API's own name"


def test_a_request_that_somebody_decided_about_meanwhile_is_left(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denied, or deleted, between the list and its turn: the API would refuse a second word, and the run would fail."""
    good = asked("system:node:w1", ["system:nodes"], [x509.DNSName("w1")])
    api.objects[act.REQUESTS] = [good]
    monkeypatch.setattr("tasks.cert_rotation.steps.look_at_certificates", lambda _: (worker(),))
    later: list[Any] = [good | {"status": {"conditions": [{"type": "Denied"}]}}, None]
    monkeypatch.setattr(api, "find", lambda path: later.pop(0) if "certificatesigning" in path else None)
    for _ in range(2):
        done = act.approve_requests.fn("prod", RotationPlan(approve=("csr-abc",)), lambda: None)
        assert done == Approved(left={"csr-abc": "somebody else has decided about it, or deleted it"})
    assert api.put == {}


def test_the_workers_own_way_to_the_api_is_nobodys_name(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host of its kubeconfig, with the addresses that it has; a name that nobody resolves is just a name."""
    monkeypatch.setattr("tasks.cert_rotation.steps.resolve_secret", lambda *_: "")
    monkeypatch.setattr(
        "tasks.cert_rotation.steps.parse_kubeconfig", lambda *_: SimpleNamespace(server="https://lb.invalid:6443")
    )
    given = {"localhost": [(0, 0, 0, "", ("127.0.0.9", 0))]}

    def resolve(host: str, *_: object, **__: object) -> Any:  # noqa: ANN401 - as getaddrinfo has it
        if host not in given:
            raise OSError(host)
        return given[host]

    monkeypatch.setattr("tasks.cert_rotation.steps.socket.getaddrinfo", resolve)
    profile = SimpleNamespace(nodes=[], kubernetes=SimpleNamespace(kubeconfig="file:/x"))
    handle: Any = SimpleNamespace(kube=api, profile=profile)
    assert set(act._who_is_who(handle).api_names) == {"DNS:lb.invalid"}  # noqa: SLF001 - a part of two tasks
    given["lb.invalid"] = given["localhost"]
    assert set(act._who_is_who(handle).api_names) == {"DNS:lb.invalid", "IP:127.0.0.9"}  # noqa: SLF001 - as above


def test_the_end_is_proven_by_a_new_connection_and_renewed_leases(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that was touched and is not alive is a failure; another one is told."""
    ready = {"cp1": True, "w1": True, "w2": False}
    monkeypatch.setattr(
        "tasks.cert_rotation.steps.look_at_nodes",
        lambda _: [
            KubeNode(name=name, ready=fine, kubelet="1.37.2", ready_message="gone") for name, fine in ready.items()
        ],
    )

    def leases(path: str, **_: str) -> Iterator[Any]:
        assert path.endswith("kube-node-lease/leases")
        api.beats += 1
        for name, fine in ready.items():
            yield {"metadata": {"name": name}, "spec": {"renewTime": f"{api.beats if fine else 0}"}}

    monkeypatch.setattr(api, "items", lambda path, **_: list(leases(path)))
    plan = RotationPlan(control_plane=(NodeRotation(name="cp1"),))
    proof = act.prove_rotation.fn("prod", plan)
    assert isinstance(proof, RotationProof)
    assert proof.worker_is == "kubernetes-admin"
    assert proof.leases_renewed == ("cp1", "w1", "kube-controller-manager", "kube-scheduler")
    assert [line.partition(" ")[0] for line in proof.not_ready] == ["w2"]
    assert api.closed == 1
    ready["cp1"] = False
    with pytest.raises(CommandFailed, match="renewed, but not alive after 0 min: cp1 is not Ready"):
        act.prove_rotation.fn("prod", plan)


def test_the_proof_of_the_whole_is_no_worse_than_before(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that was not Ready, and a leader that there was none of: told, and no failure."""
    monkeypatch.setattr(
        "tasks.cert_rotation.steps.look_at_nodes", lambda _: [KubeNode(name="cp1", ready=False, kubelet="1")]
    )
    monkeypatch.setattr(api, "items", lambda *_, **__: [])
    monkeypatch.setattr(api, "find", lambda _: None)
    plan = RotationPlan(control_plane=(NodeRotation(name="cp1"),))
    with pytest.raises(CommandFailed, match="kube-scheduler has not renewed its lease"):
        act.prove_rotation.fn("prod", plan)
    before = {"not_ready": ("cp1",), "unled": ("kube-controller-manager", "kube-scheduler")}
    proof = act.prove_rotation.fn("prod", plan.model_copy(update=before))
    assert isinstance(proof, RotationProof)
    assert proof.not_ready[0].startswith("cp1 ")


def test_a_node_whose_proofs_cannot_be_asked_has_none_that_fails() -> None:
    """It is asked for all of them afterwards."""

    def lost(*_: object, **__: object) -> None:
        raise NotYet("no route")

    handle: Any = SimpleNamespace(profile=SimpleNamespace(kubeadm=Kubeadm()), node=lambda _: SimpleNamespace(run=lost))
    assert act._proofs_now(handle, control_plane()) is None  # noqa: SLF001 - a part of the look


class Fleet:
    """Nodes that only count what is done to them, in its order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.clock = NOW
        self.records: dict[str, RotationRecord] = {}
        self.disk = {name: control_plane(name, days=-1) for name in ("cp1", "cp2", "cp3")}
        self.disk |= {"w1": changed(worker(), "kubelet-client", not_after=NOW)}
        self.disk["w1"] = self.disk["w1"].model_copy(update={"processes": (Process(name="kubelet", started_at=NOW),)})

    def run(self, name: str, script: str, stdin: bytes = b"", **_: object) -> SimpleNamespace:
        """Short scripts, by their first words."""
        said = b""
        if script.startswith("date"):
            said = f"{NOW.timestamp():.0f}".encode()
        elif "openssl req -new" in script:
            said = b"request"
        elif "openssl ca -batch" in script:
            assert stdin == b"request"
            self.done.append(f"{name} signs")
            said = b"certificate"
        elif stdin == b"certificate":
            self.done.append(f"{name} installs")
        elif script.startswith("test -e"):
            return SimpleNamespace(status=1 if name == "cp1" else 0, stdout=b"")
        elif script.startswith("command -v kubectl"):
            said = b"who /etc/kubernetes/admin.conf kubernetes-admin\n"
        elif ".ended" in script:
            self.done.append(f"{name} ends")
        elif "tar -C" in script:
            self.done.append(f"{name} copies")
        return SimpleNamespace(status=0, stdout=said)


@pytest.fixture
def fleet(api: Api, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Three control planes and a worker, all expired."""
    one = Fleet()

    def job(node: Any, *_: object, **__: object) -> None:  # noqa: ANN401 - of this file
        one.done.append(f"{node.name} renews")
        one.disk[node.name] = control_plane(node.name, days=300)
        for leaf in ("etcd-server", "apiserver", "admin.conf"):
            one.disk[node.name] = changed(one.disk[node.name], leaf, written_at=NOW + timedelta(minutes=1))

    def unpark(_: object, names: list[str], pods: tuple[str, ...]) -> None:
        node = one.disk[names[0]]
        started = [
            Process(name=p.name, started_at=NOW + timedelta(minutes=2)) if p.name in pods else p for p in node.processes
        ]
        one.disk[names[0]] = node.model_copy(update={"processes": tuple(started)})
        one.done.append(f"{pods[0]} of {names[0]}")

    node: Callable[[str], Any] = lambda name: SimpleNamespace(  # noqa: E731 - a word of this fleet
        name=name, run=lambda script, **given: one.run(name, script, **given)
    )
    profile = ClusterProfile.model_validate(
        {"name": "prod", "store": {"bucket": "bucket"}, "nodes": [{"name": "cp1", "address": "cp1"}], "ssh": SSH}
    )
    monkeypatch.setattr(
        "tasks.cert_rotation.steps.open_cluster",
        lambda _: SimpleNamespace(kube=api, profile=profile, node=node, control_planes=()),
    )
    where = "tasks.cert_rotation.steps."
    monkeypatch.setattr(f"{where}look_at_node", lambda _, name: one.disk[name])
    monkeypatch.setattr(f"{where}_ask_what_is_left", lambda _, name: OnNode(node=name))
    monkeypatch.setattr(f"{where}run_job", job)
    monkeypatch.setattr(f"{where}park", lambda *_: None)
    monkeypatch.setattr(f"{where}unpark", unpark)
    monkeypatch.setattr(f"{where}look_at_members", lambda *_: None)
    monkeypatch.setattr(f"{where}member_on", lambda *_: one.done.append("etcd asked"))
    monkeypatch.setattr(f"{where}glance_at_machine", lambda *_: SimpleNamespace(api_ready="200"))
    for name in ("PROOF_LIMIT", "SETTLE", "AWAKE_LIMIT", "USERS_LIMIT", "ANSWER_LIMIT"):
        monkeypatch.setattr(f"{where}{name}", timedelta())
    return one


SSH = {"user": "ops", "key": "file:/key", "known_hosts": "/known"}


def test_all_control_planes_at_once_files_first_then_etcd_everywhere(fleet: Fleet, api: Api) -> None:
    """No API server before etcd is proven on all; the worker's old connections are ended."""
    nodes = tuple(
        NodeRotation(name=name, leaves=("etcd-server", "apiserver", "admin.conf"), restarts=ORDER[:2])
        for name in ("cp1", "cp2", "cp3")
    )
    done = act.rotate_all.fn("prod", RotationPlan(control_plane=nodes, by_ssh_alone=True), "run-1", lambda: None)
    kinds = [what for point in fleet.done if (what := _what(point)) != "asked"]
    assert list(dict.fromkeys(kinds)) == ["copies", "renews", "etcd", "kube-apiserver", "ends"]
    etcd = [n for n, point in enumerate(fleet.done) if point.startswith("etcd of")]
    servers = [n for n, point in enumerate(fleet.done) if point.startswith("kube-apiserver of")]
    asked_last = max(n for n, point in enumerate(fleet.done) if point == "etcd asked")
    assert max(etcd) < asked_last < min(servers)
    assert {one.node for one in done.nodes} == {"cp1", "cp2", "cp3"}
    assert api.closed == 1


def _what(point: str) -> str:
    """`copies` of `cp1 copies`, `etcd` of `etcd of cp1`."""
    first, second, *_ = (*point.split(" "), "")
    return second if first.startswith("cp") else first if second == "of" else "asked"


def test_kubelets_are_signed_where_the_key_is_and_neither_key_moves(fleet: Fleet) -> None:
    """A node that has the authority's key signs its own; a node whose certificate is new already is left alone."""
    nodes = tuple(NodeRotation(name=name, kubelet=True, kubelet_hours=100) for name in ("w1", "cp2", "cp3"))
    fleet.disk["cp2"] = changed(fleet.disk["cp2"], "kubelet-client", not_after=NOW)
    new = datetime.now(UTC) + timedelta(hours=99)
    fleet.disk["cp3"] = changed(fleet.disk["cp3"], "kubelet-client", not_after=new)
    plan = RotationPlan(kubelets=nodes, machines=("cp1", "cp2", "cp3"), by_ssh_alone=True)
    done = act.renew_kubelets.fn("prod", plan, "run-1", lambda: None)
    assert sorted(fleet.done) == ["cp2 installs", "cp2 signs", "cp2 signs", "w1 installs"]
    assert [set(one.renewed) for one in done.nodes] == [{"kubelet-client"}] * 3
    fleet.disk["w1"] = fleet.disk["w1"].model_copy(update={"processes": ()})
    with pytest.raises(NotYet, match="w1: its kubelet does not run"):
        act.renew_kubelets.fn("prod", plan.model_copy(update={"kubelets": nodes[:1]}), "run-1", lambda: None)


@pytest.mark.parametrize("away", [False, True])
def test_without_a_way_in_it_is_asked_who_serves(api: Api, monkeypatch: pytest.MonkeyPatch, *, away: bool) -> None:
    """An API that lets the worker in is asked for all else, and what it does not say then is no reason to do without it."""
    nodes = (control_plane("cp1"), control_plane("cp2"), worker())

    def run(script: str, **_: object) -> SimpleNamespace:
        if "has curl" in script:
            return SimpleNamespace(stdout=b"has curl\nhealth kube-apiserver 200\nhealth kube-scheduler ok\n", status=0)
        return SimpleNamespace(stdout=b"200" if "readyz" in script else b"", status=0)

    profile = SimpleNamespace(nodes=[SimpleNamespace(name=one.name) for one in nodes], kubeadm=Kubeadm())
    handle = SimpleNamespace(kube=api, profile=profile, node=lambda _: SimpleNamespace(run=run))
    monkeypatch.setattr("tasks.cert_rotation.steps.open_cluster", lambda _: handle)
    monkeypatch.setattr("tasks.cert_rotation.steps.API_LIMIT", timedelta())
    monkeypatch.setattr("tasks.cert_rotation.steps.look_at_certificates", lambda _: nodes)
    monkeypatch.setattr("tasks.cert_rotation.steps._own_ends", lambda _: {})
    monkeypatch.setattr("tasks.cert_rotation.steps.look_at_nodes", lambda _: ())
    monkeypatch.setattr("tasks.cert_rotation.steps.what_gates_say", lambda _: ("closed",))
    config = {"data": {"ClusterConfiguration": "{kind: ClusterConfiguration, clusterName: x, scheduler: {}}"}}

    def find(path: str) -> Mapping[str, object]:
        if path == act.CONFIGURATION:
            return config
        return {"metadata": {"name": path.rpartition("/")[2]}, "spec": {"renewTime": "now"}}

    monkeypatch.setattr(api, "find", find)

    def nobody(_: object) -> None:
        raise Refused("no member of etcd lets us in")

    def unauthorized(*_: object) -> None:
        raise Refused("401 Unauthorized")

    monkeypatch.setattr("tasks.cert_rotation.steps.look_at_members", lambda *_: nobody(_))
    if away:
        monkeypatch.setattr(api, "create", unauthorized)
    found = act.observe_rotation.fn("prod", "run-1")
    assert isinstance(found, RotationFacts)
    if away:
        assert (found.api_problem, found.serving) == ("401 Unauthorized", ("cp1", "cp2"))
        return
    assert (found.api_problem, found.etcd_problem) == ("", "no member of etcd lets us in")
    assert found.configuration == {"clusterName": "x"}
    assert found.gates == ("closed",)
    first = found.proofs[0]
    assert (first.node, first.curl, first.kubectl, first.ails) == ("cp1", True, False, {CONTROLLERS: "nothing"})
    assert set(found.leases) == {"kube-controller-manager", "kube-scheduler"}


def test_the_worker_says_when_its_own_certificates_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig that it has a copy of, and its client certificate for etcd."""
    told = (DATA / "look.txt").read_text().splitlines()
    line = next(one for one in told if one.startswith("embedded /etc/kubernetes/admin.conf"))
    certificate = base64.b64decode(line.split()[2]).decode()
    monkeypatch.setattr("tasks.cert_rotation.steps.resolve_secret", lambda *_: "a kubeconfig")
    monkeypatch.setattr("tasks.cert_rotation.steps.resolve_public", lambda *_: certificate)
    monkeypatch.setattr(
        "tasks.cert_rotation.steps.parse_kubeconfig", lambda *_: SimpleNamespace(certificate=certificate)
    )
    client = SimpleNamespace(certificate="file:/x")
    both = SimpleNamespace(
        kubernetes=SimpleNamespace(kubeconfig="file:/k"), etcd=SimpleNamespace(client=client), name="prod"
    )
    ends = act._own_ends(SimpleNamespace(profile=both))  # type: ignore[arg-type]  # noqa: SLF001 - as much as is asked
    assert set(ends) == {"kubernetes.kubeconfig", "etcd.client.certificate"}
    assert len(set(ends.values())) == 1
    neither = SimpleNamespace(kubernetes=SimpleNamespace(kubeconfig=None), etcd=SimpleNamespace(client=None))
    assert act._own_ends(SimpleNamespace(profile=neither)) == {}  # type: ignore[arg-type]  # noqa: SLF001 - as above


def test_the_summary_says_what_is_new_what_was_proven_and_what_is_left() -> None:
    """For people, and where the copy with its keys is."""
    one = NodeRotated(
        node="cp1",
        renewed={"apiserver": NOW},
        restarted=("kube-apiserver",),
        copies=("/root/.kube/config",),
        copies_left={"/x": "it is not there"},
        users={"/etc/kubernetes/admin.conf": "kubernetes-admin"},
        copy_file="/var/lib/kube-runbooks/certificates/0a1b2c3d.tar",
        parts=(Took(what="restart of etcd", took=timedelta(seconds=9)),),
        took=timedelta(seconds=61),
    )
    requests = Approved(approved=("csr-a",), left={"csr-b": "it names no host"})
    proof = RotationProof(leases_renewed=("cp1",), not_ready=("w2 is not Ready",), worker_is="kubernetes-admin")
    lines = summarize_rotation(RotationPlan(), [one], requests, proof)
    assert lines[0] == (
        "cp1: 61 s (restart of etcd 9 s): apiserver until 2026-11-25 12:00; started anew, with the file's serial on the wire: kube-apiserver"
    )
    assert "proven: the API knows kubernetes-admin" in lines
    assert "NOT alive: w2 is not Ready" in lines
    assert "NOT refreshed: cp1: /x: it is not there" in lines
    assert "NOT approved: csr-b: it names no host" in lines
    assert any("it has keys in it" in line for line in lines)
    assert "nothing to do" in summarize_rotation_plan(RotationPlan())[0]
