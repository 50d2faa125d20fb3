"""Schedulers and controller managers on a real API: static pods of each node, and a leader that renews its Lease or does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

import pytest

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.node_work.controllers import look_at_controllers
from tasks.node_work.models.controllers import COMPONENTS
from tasks.node_work.policy.controllers import what_controllers_lack
from tasks.run.models.lock import micro_time
from tests.servers.hollow import HollowNodes, is_ready
from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import wait_until

LIMIT = 150.0
PODS = "/api/v1/namespaces/kube-system/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Two control plane nodes, with a static pod of each component."""
    with (
        ControlPlane(tmp_path_factory.mktemp("kubernetes")) as control_plane,
        HollowNodes(control_plane, ("w1",), ("cp1", "cp2")),
    ):
        for name in COMPONENTS:
            start(control_plane, name, "cp1")
            start(control_plane, name, "cp2")
        yield control_plane


def start(cluster: ControlPlane, component: str, node: str, *, ready: bool = True) -> None:
    """A mirror pod, as a kubelet makes one of a manifest."""
    name = f"{component}-{node}"
    notes = {"kubernetes.io/config.mirror": "0f", "hollow/ready": str(ready).lower()}
    spec = {
        "nodeName": node,
        "containers": [{"name": component, "image": "hollow", "command": [component]}],
        "tolerations": [{"operator": "Exists"}],
    }
    cluster.api.create(PODS, {"metadata": {"name": name, "annotations": notes}, "spec": spec})
    path = f"{PODS}/{name}"
    wait_until(lambda: cluster.api.get(path)["status"]["phase"] == "Running", LIMIT, f"{name} runs")
    if ready:
        wait_until(lambda: is_ready(cluster.api.get(path)["status"]), LIMIT, f"{name} is ready")


@contextmanager
def leading(cluster: ControlPlane, component: str) -> Iterator[None]:
    """Somebody renews its Lease until the block ends; the Lease stays."""
    spec = {"holderIdentity": "cp1_7f", "leaseDurationSeconds": 2, "renewTime": micro_time(datetime.now(UTC))}
    cluster.api.create(LEASES, {"metadata": {"name": component}, "spec": spec})
    end = threading.Event()

    def renew() -> None:
        while not end.wait(0.2):
            cluster.api.patch(f"{LEASES}/{component}", {"spec": {"renewTime": micro_time(datetime.now(UTC))}})

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_who_goes_on_and_who_leads(cluster: ControlPlane) -> None:
    """A leader that stops to renew its Lease is noticed, and so is the loss of the only other instance."""
    keys = cluster.admin
    user = KubeUser(cluster.ca.read_bytes(), keys.certificate.read_bytes(), keys.key.read_bytes())
    kube = KubeClient([KubeServer("cp1", lambda: nullcontext(cluster.url))], lambda: user)
    with leading(cluster, "kube-controller-manager"):
        with leading(cluster, "kube-scheduler"):
            assert what_controllers_lack(look_at_controllers(kube, ["cp2"]), ["cp2"]) == []
        seen = look_at_controllers(kube, ["cp2"])
        silent = "cp1_7f has not renewed the Lease kube-system/kube-scheduler for 2 s"
        assert what_controllers_lack(seen, ["cp2"]) == [f"no kube-scheduler leads: {silent}"]
        cluster.api.delete(f"{LEASES}/kube-scheduler")
        with leading(cluster, "kube-scheduler"):
            cluster.api.delete(f"{PODS}/kube-scheduler-cp2", {"gracePeriodSeconds": 0})
            start(cluster, "kube-scheduler", "cp2", ready=False)
            (problem,) = what_controllers_lack(look_at_controllers(kube, ["cp2"]), ["cp2"])
    assert problem.startswith("no other kube-scheduler is ready: cp2 (its pod is not Ready")
    kube.close()
