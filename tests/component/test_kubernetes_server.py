"""The control plane and the hollow nodes of tests behave as a cluster does: they schedule, protect, evict and lose nodes."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.binaries import ROOT
from tests.servers.hollow import HollowNodes, is_ready
from tests.servers.kubernetes import Api, ApiError, ControlPlane
from tests.servers.processes import Process, wait_until
from tests.servers.undertaker import tree

pytestmark = pytest.mark.usefixtures("nodes")

LIMIT = 150.0
"""Seconds for anything that the control plane has to do; two are usual."""

PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
CONTAINERS = [{"name": "main", "image": "hollow"}]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """That misses a node after 10 s."""
    flags = ["--node-monitor-grace-period=10s", "--node-monitor-period=1s"]
    with ControlPlane(tmp_path_factory.mktemp("kubernetes"), controllers_flags=flags) as control_plane:
        yield control_plane


@pytest.fixture(scope="module")
def nodes(cluster: ControlPlane) -> Iterator[HollowNodes]:
    """A control plane node and two workers."""
    with HollowNodes(cluster, ("w1", "w2"), ("cp1",)) as hollow:
        yield hollow


@pytest.fixture
def web(cluster: ControlPlane) -> Iterator[str]:
    """A deployment of three pods that are ready."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    cluster.api.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
    _wait_ready(cluster, 3)
    yield "web"
    cluster.api.delete(f"{DEPLOYMENTS}/web", {"propagationPolicy": "Foreground"})
    wait_until(lambda: not cluster.api.get(DEPLOYMENTS)["items"], LIMIT, "it is gone with all its pods")


@pytest.fixture
def budget(cluster: ControlPlane, web: str) -> Iterator[str]:
    """That allows no disruption of the deployment."""
    spec = {"minAvailable": 3, "selector": {"matchLabels": {"app": web}}}
    cluster.api.create(BUDGETS, {"metadata": {"name": "web"}, "spec": spec})
    path = f"{BUDGETS}/web"
    wait_until(lambda: cluster.api.get(path).get("status", {}).get("currentHealthy") == 3, LIMIT, "3 pods are counted")
    yield path
    cluster.api.delete(path)


def _wait_ready(cluster: ControlPlane, replicas: int) -> None:
    def ready() -> bool:
        status = cluster.api.get(f"{DEPLOYMENTS}/web")["status"]
        return bool(status.get("readyReplicas") == status.get("replicas") == replicas)

    wait_until(ready, LIMIT, f"{replicas} pods are ready", log=cluster.controllers.log)


def _pods(cluster: ControlPlane, node: str = "") -> list[dict[str, Any]]:
    selector = f"spec.nodeName={node}" if node else ""
    pods: list[dict[str, Any]] = cluster.api.get(PODS, fieldSelector=selector)["items"]
    return pods


def _names(cluster: ControlPlane) -> set[str]:
    return {pod["metadata"]["name"] for pod in _pods(cluster)}


def _evict(cluster: ControlPlane, name: str) -> None:
    cluster.api.create(f"{PODS}/{name}/eviction", {"apiVersion": "policy/v1", "metadata": {"name": name}})


def test_pods_run_on_workers(cluster: ControlPlane, web: str) -> None:
    """Each with an address of its own; the taint keeps them off the control plane."""
    pods = json.loads(cluster.kubectl("get", "pods", "-l", f"app={web}", "-o", "json"))["items"]
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert {pod["spec"]["nodeName"] for pod in pods} <= {"w1", "w2"}
    assert len({pod["status"]["podIP"] for pod in pods}) == 3


def test_an_eviction_against_a_budget_answers_429(cluster: ControlPlane, budget: str) -> None:
    """The pod stays; with room in the budget it goes, and another takes its place."""
    victim = _pods(cluster)[0]["metadata"]["name"]
    with pytest.raises(ApiError, match="disruption budget") as refused:
        _evict(cluster, victim)
    assert refused.value.status == 429
    assert victim in _names(cluster)
    cluster.api.patch(budget, {"spec": {"minAvailable": 2}})
    wait_until(lambda: cluster.api.get(budget)["status"]["disruptionsAllowed"] == 1, LIMIT, "one may go")
    _evict(cluster, victim)
    wait_until(lambda: victim not in _names(cluster), LIMIT, "it is gone")
    _wait_ready(cluster, 3)


@pytest.mark.usefixtures("web")
def test_kubectl_drains_one_node_and_then_the_other(cluster: ControlPlane) -> None:
    """All pods run on the other one each time: a drained node takes none until it is allowed to."""
    for drained, other in (("w1", "w2"), ("w2", "w1")):
        try:
            cluster.kubectl("drain", drained, f"--timeout={LIMIT:.0f}s")
            _wait_ready(cluster, 3)
            assert len(_pods(cluster, other)) == 3
        finally:
            cluster.kubectl("uncordon", drained)


def test_a_pod_stops_as_slowly_as_it_says(cluster: ControlPlane) -> None:
    """It is there, on its way out, until its time has come or somebody forces it."""
    metadata = {"name": "slow", "annotations": {"hollow/stops-after": "3600", "hollow/ready": "false"}}
    spec = {"containers": CONTAINERS, "terminationGracePeriodSeconds": 3600}
    path = f"{PODS}/slow"
    cluster.api.create(PODS, {"metadata": metadata, "spec": spec})
    wait_until(lambda: cluster.api.get(path)["status"]["phase"] == "Running", LIMIT, "it runs")
    cluster.api.delete(path)
    wait_until(lambda: "deletionTimestamp" in cluster.api.get(path)["metadata"], LIMIT, "it is on its way out")
    assert not is_ready(cluster.api.get(path)["status"])
    cluster.api.delete(path, {"gracePeriodSeconds": 1})
    wait_until(lambda: not _pods(cluster), LIMIT, "it is gone")


def test_a_node_without_power_is_missed_and_comes_back(cluster: ControlPlane, nodes: HollowNodes) -> None:
    """With a new boot id."""
    node = nodes["w2"]
    before = cluster.api.get(node.path)["status"]["nodeInfo"]["bootID"]
    node.power_off()
    try:
        wait_until(lambda: not is_ready(cluster.api.get(node.path)["status"]), LIMIT, "w2 is missed")
    finally:
        node.power_on()
    wait_until(lambda: is_ready(cluster.api.get(node.path)["status"]), LIMIT, "w2 is back")
    assert cluster.api.get(node.path)["status"]["nodeInfo"]["bootID"] != before


def test_a_killed_api_server_comes_back_with_all_it_knew(cluster: ControlPlane, web: str) -> None:
    """The nodes endure it, and pods are made again."""
    cluster.apiserver.kill()
    assert not cluster.api.is_fine("/readyz")
    cluster.start_apiserver()
    cluster.kubectl("scale", f"deployment/{web}", "--replicas=5")
    _wait_ready(cluster, 5)


def test_a_user_may_do_nothing_unasked(cluster: ControlPlane, tmp_path: Path) -> None:
    """Roles are checked, as in a cluster of kubeadm: for the API, and for kubectl with the user's own kubeconfig."""
    user = cluster.user("somebody", "somewhere")
    api = Api(cluster.url, cluster.ca, user)
    with pytest.raises(ApiError, match='User "somebody" cannot list resource "pods"') as refused:
        api.get(PODS)
    api.close()
    assert refused.value.status == 403
    config = tmp_path / "config"
    config.write_text(cluster.kubeconfig(user))
    with pytest.raises(RuntimeError, match="Forbidden"):
        cluster.kubectl(f"--kubeconfig={config}", "get", "pods")


ORPHANS = """
import sys, time
from pathlib import Path
from tests.servers.hollow import HollowNodes
from tests.servers.kubernetes import ControlPlane
with ControlPlane(Path(sys.argv[1])) as cluster, HollowNodes(cluster, ["w1"]):
    processes = [cluster.apiserver, cluster.controllers, cluster.scheduler, cluster.etcd.members[0].running]
    print(*(process.pid for process in processes), flush=True)
    time.sleep(600)
"""


def test_a_killed_test_process_leaves_no_server(tmp_path: Path) -> None:
    """SIGKILL gives it no chance to tidy up."""
    command = [sys.executable, "-c", ORPHANS, str(tmp_path)]
    with Process(command, folder=tmp_path, name="parent", cwd=ROOT) as parent:
        parent.wait_until(lambda: parent.output.endswith("\n"), LIMIT, "all runs")
        pids = [int(word) for word in parent.output.split()]
        assert len(pids) == 4
        assert all(tree(pid) for pid in pids)
        parent.kill(alone=True)
        wait_until(lambda: not any(tree(pid) for pid in pids), LIMIT, "no server is left")
