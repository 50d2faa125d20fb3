"""Which workloads are worse than before, and which of them have to do with a node."""

from tasks.node_work.models.health import Before, Services
from tasks.node_work.policy.workloads import what_concerns_node, what_got_worse, workload_of
from tasks.nodes.models.pods import Controller, Pod
from tasks.nodes.models.workloads import Workload


def test_a_workload_is_worse_with_fewer_pods_ready_than_before() -> None:
    """As far as they are wanted; what is new, deleted or was never ready is not worse."""

    def workload(name: str, desired: int, ready: int) -> Workload:
        return Workload(kind="Deployment", name=name, desired=desired, ready=ready)

    before = [workload("n/a", 3, 3), workload("n/b", 3, 1), workload("n/scaled", 5, 5), workload("n/gone", 1, 1)]
    now = [workload("n/a", 3, 2), workload("n/b", 3, 1), workload("n/scaled", 2, 2), workload("n/new", 2, 0)]
    assert what_got_worse(before, now) == {
        "Deployment n/a": "Deployment n/a: 2 of 3 pods are ready, before the change: 3"
    }


def test_a_workload_has_to_do_with_a_node_by_its_pods() -> None:
    """One was on it, or one that is not ready is on it; a DaemonSet's other pods do not count, nor what somebody changed."""

    def owned(kind: str, name: str, *, ready: bool = True) -> Pod:
        owner = Controller(kind=kind, api_version="apps/v1", name=name)
        return Pod(namespace="n", name="p", uid="1", ready=ready, controller=owner)

    hashed = owned("ReplicaSet", "web-6fd45").model_copy(update={"labels": {"pod-template-hash": "6fd45"}})
    assert [workload_of(one) for one in (hashed, owned("ReplicaSet", "bare"), owned("DaemonSet", "net"))] == [
        "Deployment n/web",
        "ReplicaSet n/bare",
        "DaemonSet n/net",
    ]
    assert workload_of(Pod(namespace="n", name="p", uid="1")) == ""
    names = ("StatefulSet n/db", "Deployment n/web", "Deployment n/far", "DaemonSet n/net", "DaemonSet n/log")
    worse = dict.fromkeys(names, "worse")
    changed = Workload(kind="Deployment", name="n/far", desired=1, ready=1, images=("a",))
    before = Before(
        workloads=(changed,),
        services=Services(kubernetes=("10.96.0.1",)),
        here=("StatefulSet n/db", "Deployment n/far", "DaemonSet n/net", "Deployment n/well"),
    )
    here = (hashed.model_copy(update={"ready": False}), owned("DaemonSet", "log", ready=False))
    finished = owned("StatefulSet", "x", ready=False).model_copy(update={"phase": "Succeeded"})
    now = [changed.model_copy(update={"images": ("b",)})]
    assert what_concerns_node(worse, before, now, (*here, finished, owned("DaemonSet", "net"))) == {
        "StatefulSet n/db",
        "Deployment n/web",
        "DaemonSet n/log",
    }
    assert what_concerns_node(worse, before, [changed], ()) == {
        "StatefulSet n/db",
        "Deployment n/far",
        "DaemonSet n/net",
    }
