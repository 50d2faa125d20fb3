"""The work on a node on a real control plane: what was wrong before is no reason to fail, what came since is."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.clients.ssh import NodeShell, SshNode
from tasks.cluster import Cluster
from tasks.core.errors import NotYet
from tasks.drain.models import CORDONED_BY, UNHEALTHY, DrainOptions
from tasks.node_work.models.health import Expected
from tasks.node_work.policy.health import ELSEWHERE
from tasks.node_work.proof import what_is_elsewhere
from tasks.node_work.work import NodeWork, begin_node_work
from tests.facts.shapes import CONFIG, shape_of
from tests.servers.hollow import READY, HollowNodes
from tests.servers.kubernetes import ControlPlane, Resource
from tests.servers.processes import wait_until

LIMIT = 150.0
QUICK = DrainOptions(timeout=timedelta(seconds=60))
SPACE = "/api/v1/namespaces/n"
APPS = "/apis/apps/v1/namespaces/n"

API, DNS = "198.19.0.1", "10.96.0.10"
"""The Service of the API, and what w1's kubelet tells its pods of DNS: there is no Service kube-dns."""

ANSWER = "1234850000010001000000000a"
NXDOMAIN = ANSWER.replace("8500", "8503")


class Machine:
    """What SSH says of w1, word by word; some of its units may be down."""

    def __init__(self) -> None:
        self.name = "w1"
        self.down: set[str] = set()
        self.api_service = "200"
        self.dns = ANSWER

    def connect(self) -> None:
        """It lets us in."""

    def run(self, command: str, **_: object) -> Any:  # noqa: ANN401 - as fabric's result
        """One command."""
        told = [f"active kubelet {'no' if 'kubelet' in self.down else 'yes'}"]
        if "QUERIES" in command:
            told = [f"api {API} {self.api_service}", f"dns {DNS} 1234 {self.dns}"]
        elif "SOCKET" in command:
            told = [] if "runtime" in self.down else ["listens /run/containerd/containerd.sock"]
        return SimpleNamespace(stdout="\n".join([*told, "boot b1"]).encode(), complaint="", status=0)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as control_plane:
        yield control_plane


@pytest.fixture(scope="module", autouse=True)
def nodes(cluster: ControlPlane) -> Iterator[HollowNodes]:
    """Two workers."""
    with HollowNodes(cluster, ("w1", "w2")) as hollow:
        yield hollow


@pytest.fixture(scope="module", autouse=True)
def _space(cluster: ControlPlane, nodes: HollowNodes) -> None:
    """A namespace that takes pods."""
    del nodes
    cluster.api.create("/api/v1/namespaces", {"metadata": {"name": "n"}})
    wait_until(lambda: cluster.api.is_fine(f"{SPACE}/serviceaccounts/default"), LIMIT, "pods may be created")


@pytest.fixture
def machine() -> Machine:
    """Of w1."""
    return Machine()


@pytest.fixture
def handle(cluster: ControlPlane, machine: Machine) -> Iterator[Cluster]:
    """The cluster, with that machine."""
    keys = cluster.admin
    known = KubeUser(cluster.ca.read_bytes(), keys.certificate.read_bytes(), keys.key.read_bytes())
    kube = KubeClient([KubeServer("cp1", lambda: nullcontext(cluster.url))], lambda: known)
    nodes = tuple(SimpleNamespace(name=name) for name in ("w1", "w2"))
    kubeadm = SimpleNamespace(folder=PurePosixPath("/etc/kubernetes"))
    profile = SimpleNamespace(name="prod", gates=(), nodes=nodes, kubeadm=kubeadm)
    other = Machine()
    machines = {"w1": machine, "w2": other}
    handle = SimpleNamespace(kube=kube, profile=profile, node=machines.__getitem__, other=other)
    handle.shape = lambda name: shape_of(name, pods={}, config=CONFIG.replace("cluster.local", "k8s.example"))
    handle.shell = lambda _: NodeShell(cast("SshNode", machine))
    yield cast("Cluster", handle)
    kube.close()
    cluster.kubectl("uncordon", "w1")
    cluster.api.patch("/api/v1/nodes/w1", {"metadata": {"annotations": {UNHEALTHY: None, CORDONED_BY: None}}})
    for kind in ("daemonsets", "deployments"):
        cluster.api.delete(f"{APPS}/{kind}", {"propagationPolicy": "Background"})
    wait_until(lambda: not cluster.api.get(f"{SPACE}/pods")["items"], LIMIT, "all pods are gone")


def run(cluster: ControlPlane, kind: str, name: str, pods: int, *, ready: bool = True, **more: object) -> None:
    """A workload of pods that run, ready or not."""
    metadata = {"labels": {"app": name}, "annotations": {} if ready else {READY: "false"}}
    pod: Resource = {"containers": [{"name": "main", "image": "hollow"}], **more}
    spec: Resource = {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": metadata, "spec": pod}}
    spec |= {} if kind == "daemonsets" else {"replicas": pods}
    cluster.api.create(f"{APPS}/{kind}", {"metadata": {"name": name}, "spec": spec})
    wait_until(lambda: len(running(cluster, name)) == pods, LIMIT, f"{pods} pods of {name} run")


def running(cluster: ControlPlane, app: str, node: str = "") -> list[Resource]:
    """Pods of an app that run, on a node or on any."""
    found = cluster.api.get(f"{SPACE}/pods", labelSelector=f"app={app}")["items"]
    here = [pod for pod in found if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]
    return [pod for pod in here if node in {"", pod["spec"]["nodeName"]}]


def begin(handle: Cluster, run_id: str = "run-1") -> NodeWork:
    """By a run whose lock is its own; a proof that does not hold is not waited for."""
    work = begin_node_work(handle, "w1", "node_os_patch", run_id, lambda: None)
    work.health_limit = timedelta()
    return work


def expected(cluster: ControlPlane) -> Expected:
    """As a patch expects it, with any heartbeat."""
    info = cluster.api.get("/api/v1/nodes/w1")["status"]["nodeInfo"]
    since = datetime(2026, 1, 1, tzinfo=UTC)
    return Expected(
        kubelet=info["kubeletVersion"].removeprefix("v"), since=since, stable_for=timedelta(), promised=False
    )


def annotations(cluster: ControlPlane) -> dict[str, str]:
    """Of w1."""
    return dict(cluster.api.get("/api/v1/nodes/w1")["metadata"].get("annotations", {}))


def test_a_daemon_set_that_was_broken_before_leaves_no_node_cordoned(
    cluster: ControlPlane, handle: Cluster, machine: Machine
) -> None:
    """Nor a Service that did not answer from it; the report has both. It was proven for ten minutes, and left cordoned."""
    run(cluster, "daemonsets", "net", 2, ready=False)
    machine.api_service = "000"
    work = begin(handle)
    work.cordon_and_drain("patch", QUICK)
    assert annotations(cluster)[UNHEALTHY] == '["DaemonSet n/net", "Service kubernetes"]'
    (pod,) = running(cluster, "net", "w1")
    work.prove(expected(cluster))
    work.give_back()
    assert not cluster.api.get("/api/v1/nodes/w1")["spec"].get("unschedulable")
    assert UNHEALTHY not in annotations(cluster)
    assert work.noticed == (
        f"pod n/{pod['metadata']['name']} is not ready, as before",
        f"the Service `kubernetes` ({API}) answers 000, as before",
    )


def test_what_broke_since_a_run_began_is_told_also_to_the_run_that_goes_on(
    cluster: ControlPlane, handle: Cluster, machine: Machine
) -> None:
    """The first attempt has written down what was wrong before it; what is wrong now may be its doing."""
    run(cluster, "daemonsets", "net", 2, ready=False)
    begin(handle).cordon_and_drain("patch", QUICK)
    machine.api_service = "503"
    again = begin(handle, "run-2")
    again.cordon_and_drain("patch", QUICK)
    with pytest.raises(NotYet, match=r"w1: unhealthy: the Service `kubernetes` \(198.19.0.1\) answers 503 ->"):
        again.prove(expected(cluster))
    machine.api_service, machine.down = "200", {"kubelet"}
    with pytest.raises(NotYet, match=r"w1: unhealthy: kubelet does not run ->"):
        again.prove(expected(cluster))


def test_a_dns_that_fails_before_the_act_is_no_reason_to_fail_after_it(
    cluster: ControlPlane, handle: Cluster, machine: Machine
) -> None:
    """Of another domain, or that is not the cluster's: it is named with what it answers. A runtime that goes is news."""
    machine.dns = NXDOMAIN
    work = begin(handle)
    name = "clusterDNS at 10.96.0.10"
    assert work.before.unhealthy == (f"Service {name}",)
    work.prove(expected(cluster))
    problem = "does not resolve kubernetes.default.svc.k8s.example: it answers NXDOMAIN, as before"
    assert work.noticed == (f"the clusterDNS of its kubelet (10.96.0.10) {problem}",)
    machine.down = {"runtime"}
    with pytest.raises(NotYet, match="no container runtime listens at unix:///run/containerd/containerd.sock"):
        work.prove(expected(cluster))


def test_what_fails_on_another_node_too_keeps_no_node_cordoned(
    cluster: ControlPlane, handle: Cluster, machine: Machine
) -> None:
    """For a node that is only given back; what fails on this one alone is its own."""
    work = begin(handle)
    alone = expected(cluster).model_copy(update={"of_node_alone": True})
    machine.api_service = machine.dns = "503"
    handle.other.dns = "503"  # type: ignore[attr-defined]
    found = what_is_elsewhere(handle, "w1", work.before.services)
    assert found == (*ELSEWHERE, "Service clusterDNS at 10.96.0.10")
    work.forgive(found)
    with pytest.raises(NotYet, match=r"w1: unhealthy: the Service `kubernetes` \(198.19.0.1\) answers 503 ->"):
        work.prove(alone)
    machine.api_service = "200"
    work.prove(alone)
    (told,) = work.noticed
    assert told.endswith("no answer, as before")


def test_an_act_without_a_cordon_writes_down_what_was_wrong_before(
    cluster: ControlPlane, handle: Cluster, machine: Machine
) -> None:
    """kubeadm on a control plane node, for example: a run that is killed in it leaves the note, one that fails a cordon, too."""
    machine.api_service = "503"
    begin(handle).note_before()
    run(cluster, "daemonsets", "net", 2, ready=False)
    again = begin(handle, "run-2")
    again.note_before()
    assert list(again.before.unhealthy) == ["Service kubernetes"]
    with pytest.raises(NotYet, match=r"w1: unhealthy: pod n/net-\w+ is not ready ->"):
        again.prove(expected(cluster))
    assert UNHEALTHY in annotations(cluster)
    assert CORDONED_BY not in annotations(cluster)
    machine.api_service = "200"
    assert begin(handle, "run-3").before.unhealthy == ()  # of another day, perhaps: it has been well since
    again.forget_before()
    assert UNHEALTHY not in annotations(cluster)


def test_a_note_of_a_cordon_that_somebody_took_away_is_no_news(
    cluster: ControlPlane, handle: Cluster, machine: Machine
) -> None:
    """`kubectl uncordon` leaves it on the node: what is wrong by now was so before the next run."""
    begin(handle).cordon_and_drain("patch", QUICK)
    assert annotations(cluster)[UNHEALTHY] == "[]"
    cluster.kubectl("uncordon", "w1")
    machine.api_service = "503"
    work = begin(handle, "run-2")
    assert work.before.unhealthy == ("Service kubernetes",)
    work.cordon_and_drain("patch", QUICK)
    assert annotations(cluster)[UNHEALTHY] == '["Service kubernetes"]'
    work.prove(expected(cluster))


def test_a_cordon_of_somebody_else_keeps_what_was_wrong_before(
    cluster: ControlPlane, handle: Cluster, machine: Machine
) -> None:
    """And loses the note with the end of the run; the cordon stays."""
    cluster.kubectl("cordon", "w1")
    begin(handle).cordon_and_drain("patch", QUICK)
    machine.api_service = "503"
    again = begin(handle, "run-2")
    assert list(again.before.unhealthy) == []
    again.take_as_it_is()
    assert list(again.before.unhealthy) == ["Service kubernetes"]
    again.prove(expected(cluster))
    again.give_back()
    assert cluster.api.get("/api/v1/nodes/w1")["spec"]["unschedulable"]
    assert UNHEALTHY not in annotations(cluster)
    again.forgive_nothing()
    with pytest.raises(NotYet, match="answers 503"):
        again.prove(expected(cluster))


def test_a_workload_elsewhere_that_fails_meanwhile_leaves_no_node_cordoned(
    cluster: ControlPlane, handle: Cluster
) -> None:
    """It is reported; one with a pod that is not ready on this very node keeps the node out of service."""
    there: dict[str, Any] = {"nodeSelector": {"kubernetes.io/hostname": "w2"}}
    run(cluster, "deployments", "far", 1, **there)
    work = begin(handle)
    work.cordon_and_drain("patch", QUICK)
    ill = {"spec": {"template": {"metadata": {"annotations": {READY: "false"}}}}}
    _fail(cluster, "far", ill)
    work.give_back()
    assert work.noticed == (
        "Deployment n/far: 0 of 1 pods are ready, before the change: 1; it has to do with other nodes",
    )
    assert not cluster.api.get("/api/v1/nodes/w1")["spec"].get("unschedulable")


def test_a_workload_that_fails_on_the_node_is_told(cluster: ControlPlane, handle: Cluster) -> None:
    """Its pod was on it, and is not ready on it now."""
    here: dict[str, Any] = {"nodeSelector": {"kubernetes.io/hostname": "w1"}}
    run(cluster, "deployments", "near", 1, **here)
    work = begin(handle)
    assert work.before.here == ("Deployment n/near",)
    _fail(cluster, "near", {"spec": {"template": {"metadata": {"annotations": {READY: "false"}}}}})
    with pytest.raises(NotYet, match="Deployment n/near: 0 of 1 pods are ready, before the change: 1 ->"):
        work.prove_workloads()


def _fail(cluster: ControlPlane, name: str, change: Resource) -> None:
    """Its pods are replaced by ones that are never ready; the old ones are gone."""
    path = f"{APPS}/deployments/{name}"
    recreate = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}
    cluster.api.patch(path, recreate)
    cluster.api.patch(path, change)
    wait_until(lambda: not cluster.api.get(path)["status"].get("availableReplicas"), LIMIT, f"{name} is ill")
    wait_until(lambda: len(running(cluster, name)) == 1, LIMIT, "its new pod runs")
