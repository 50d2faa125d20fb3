"""Cordon and drain on a real control plane: what goes, what stays, what is waited for, and what ends it."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.core.errors import Refused
from tasks.core.models.plan import Plan
from tasks.drain.cordon import cordon, hand_over, keep_cordoned, release, uncordon
from tasks.drain.evict import drain
from tasks.drain.models import CORDONED_BY, FAILED, TICKET, Drained, DrainForecast, DrainOptions, DrainProgress
from tasks.drain.observe import observe_forecasts, what_came_back, where_i_run
from tasks.node_service.models import Request, ServiceFacts
from tasks.node_service.policy.plan import plan_drain
from tasks.nodes.models.nodes import NodeFacts
from tasks.nodes.probes.api_facts import parse_node
from tests.servers.api_proxy import ApiProxy
from tests.servers.hollow import HollowNodes
from tests.servers.kubernetes import ControlPlane, Resource, path_of
from tests.servers.operators import Database, Storage
from tests.servers.pki import KeyPair
from tests.servers.processes import wait_until

LIMIT = 150.0
"""Seconds for anything that the control plane has to do; two are usual."""

RUN = "0f1e"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONTAINERS = [{"name": "main", "image": "hollow"}]
SPREAD = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
    "nodeTaintsPolicy": "Honor",
}
"""By itself the scheduler may put both of two pods on one node; a cordoned node does not count."""
UNREADY = {"hollow/ready": "false"}
ANY_APP = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
QUICK = DrainOptions(timeout=timedelta(seconds=100))


class Shop:
    """A namespace, and short words for what is in it."""

    def __init__(self, cluster: ControlPlane, name: str) -> None:
        self.cluster = cluster
        self.api = cluster.api
        self.name = name
        self.budgets = f"/apis/policy/v1/namespaces/{name}/poddisruptionbudgets"
        self.pods = f"/api/v1/namespaces/{name}/pods"
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        wait_until(lambda: self.api.is_fine(account), LIMIT, "pods may be created")

    def run(self, kind: str, name: str, replicas: int, *, annotations: Resource | None = None, **pod: object) -> None:
        """A Deployment, StatefulSet or DaemonSet of pods that run; those of a Deployment on both workers alike."""
        if kind == "deployments":
            pod = {"topologySpreadConstraints": [{**SPREAD, "labelSelector": {"matchLabels": {"app": name}}}], **pod}
        metadata = {"labels": {"app": name}, "annotations": annotations or {}}
        spec: Resource = {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": metadata, "spec": {"containers": CONTAINERS, **pod}},
        }
        spec |= {} if kind == "daemonsets" else {"replicas": replicas}
        spec |= {"serviceName": name} if kind == "statefulsets" else {}
        self.api.create(f"/apis/apps/v1/namespaces/{self.name}/{kind}", {"metadata": {"name": name}, "spec": spec})
        wait_until(lambda: len(self.running(name)) == replicas, LIMIT, f"{replicas} pods of {name} run")

    def pod(self, name: str, node: str, *, metadata: Resource | None = None, **spec: object) -> None:
        """A pod without a controller, that runs."""
        body = {
            "metadata": {"name": name, **(metadata or {})},
            "spec": {"nodeName": node, "containers": CONTAINERS, **spec},
        }
        self.api.create(self.pods, body)
        wait_until(lambda: self.get(name)["status"]["phase"] == "Running", LIMIT, f"{name} runs")

    def budget(self, name: str, **spec: object) -> str:
        """A PodDisruptionBudget that has been counted; its path."""
        rules = {"selector": {"matchLabels": {"app": name}}, **spec}
        self.api.create(self.budgets, {"metadata": {"name": name}, "spec": rules})
        path = f"{self.budgets}/{name}"
        wait_until(lambda: self.api.get(path).get("status", {}).get("observedGeneration") == 1, LIMIT, "it is counted")
        return path

    def get(self, name: str) -> Resource:
        """A pod."""
        return self.api.get(f"{self.pods}/{name}")

    def running(self, app: str, node: str = "") -> list[Resource]:
        """Pods of an app that run, and are not on their way out; on a node, or on any."""
        found = self.api.get(self.pods, labelSelector=f"app={app}")["items"]
        return [
            pod
            for pod in found
            if pod["status"]["phase"] == "Running"
            and "deletionTimestamp" not in pod["metadata"]
            and node in {"", pod["spec"]["nodeName"]}
        ]

    def remove(self) -> None:
        """With all that is in it, also what clings; for pods that stop in their own time a namespace waits 16 s."""
        for kind in ("deployments", "replicasets", "statefulsets", "daemonsets"):
            self.api.delete(f"/apis/apps/v1/namespaces/{self.name}/{kind}", {"propagationPolicy": "Background"})
        for pod in self.api.get(self.pods)["items"]:
            if pod["metadata"].get("finalizers"):
                self.api.patch(path_of(pod), {"metadata": {"finalizers": None}})
        self.api.delete(self.pods, {"gracePeriodSeconds": 0})
        if self.api.is_fine(f"/api/v1/namespaces/{self.name}"):
            self.api.delete(f"/api/v1/namespaces/{self.name}")
        wait_until(lambda: not self.api.is_fine(f"/api/v1/namespaces/{self.name}"), LIMIT, f"{self.name} is gone")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for all; a test that kills a server of it starts it again."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as control_plane:
        yield control_plane


@pytest.fixture(scope="module", autouse=True)
def nodes(cluster: ControlPlane) -> Iterator[HollowNodes]:
    """A control plane node and two workers."""
    with HollowNodes(cluster, ("w1", "w2"), ("cp1",)) as hollow:
        yield hollow


def _client(cluster: ControlPlane, url: str = "", user: KeyPair | None = None) -> KubeClient:
    keys = user or cluster.admin
    known = KubeUser(cluster.ca.read_bytes(), keys.certificate.read_bytes(), keys.key.read_bytes())
    return KubeClient([KubeServer("cp1", lambda: nullcontext(url or cluster.url))], lambda: known)


@pytest.fixture
def kube(cluster: ControlPlane, nodes: HollowNodes) -> Iterator[KubeClient]:
    """The client under test; all nodes take pods again when the test ends."""
    client = _client(cluster)
    yield client
    client.close()
    for node in nodes.nodes.values():
        notes = dict.fromkeys((CORDONED_BY, FAILED, TICKET, "kube-runbooks.io/cordon-reason"))
        cluster.api.patch(node.path, {"metadata": {"annotations": notes}, "spec": {"unschedulable": None}})

    def taints() -> list[str]:
        specs = [cluster.api.get(node.path)["spec"] for node in nodes.nodes.values()]
        return [one["key"] for spec in specs for one in spec.get("taints", []) if "unschedulable" in one["key"]]

    wait_until(lambda: not taints(), LIMIT, "no node is cordoned")


@pytest.fixture
def shop(cluster: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A namespace for one test."""
    made = Shop(cluster, f"shop-{abs(hash(request.node.nodeid)) % 10**8}")
    yield made
    made.remove()


class Watcher:
    """Is told what a drain waits for, and does something at its first time."""

    def __init__(self, word: str = "", act: Callable[[], object] = lambda: None) -> None:
        self.told: list[DrainProgress] = []
        self._word, self._act, self._done = word, act, False

    def __call__(self, progress: DrainProgress) -> None:
        self.told.append(progress)
        if not self._done and any(self._word in f"{one.what}: {one.why}" for one in progress.waiting):
            self._done = True
            self._act()

    @property
    def waited(self) -> set[str]:
        """All reasons."""
        return {one.why for progress in self.told for one in progress.waiting}


def _drained(kube: KubeClient, options: DrainOptions = QUICK, watcher: Watcher | None = None) -> Drained:
    """w1, by one of our runs."""
    cordon(kube, "w1", RUN, "upgrade")
    return drain(kube, "w1", options, on_wait=watcher or Watcher())


def _node(cluster: ControlPlane, name: str = "w1") -> Resource:
    return cluster.api.get(f"/api/v1/nodes/{name}")


def _is_cordoned(cluster: ControlPlane, name: str = "w1") -> bool:
    return bool(_node(cluster, name)["spec"].get("unschedulable"))


def _notes(cluster: ControlPlane) -> Resource:
    notes = _node(cluster)["metadata"].get("annotations", {})
    return {key: value for key, value in notes.items() if key.startswith("kube-runbooks.io/")}


def test_it_leaves_what_kubectl_leaves(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """Pods of DaemonSets and the kubelet's own stay; kubectl, asked afterwards, finds nothing more to do."""
    shop.run("deployments", "web", 4)
    shop.run("daemonsets", "agent", 3, tolerations=[{"operator": "Exists"}])
    shop.pod("static-w1", "w1", metadata={"annotations": {"kubernetes.io/config.mirror": "x"}})
    here = {f"{shop.name}/{pod['metadata']['name']}" for pod in shop.running("web", "w1")}
    assert here
    (forecast,) = observe_forecasts(kube, ["w1"], QUICK)
    assert (set(forecast.evicted), forecast.blocked, forecast.waits) == (here, (), ())
    done = _drained(kube)
    assert set(done.evicted) == here
    assert len(done.left) == 2
    assert any("of the DaemonSet agent" in one for one in done.left)
    assert f"{shop.name}/static-w1: a static pod of the kubelet" in done.left
    assert not done.cordoned_before
    assert not shop.running("web", "w1")
    wait_until(lambda: len(shop.running("web", "w2")) == 4, LIMIT, "all run on the other one")
    again = cluster.kubectl("drain", "w1", "--ignore-daemonsets", "--timeout=10s")
    assert "evict" not in again
    assert drain(kube, "w1", QUICK).evicted == ()


def test_whose_cordon_it_is(cluster: ControlPlane, kube: KubeClient) -> None:
    """Ours goes, a later run takes it over, also after a failure; somebody else's stays as it is."""
    assert cordon(kube, "w1", RUN, "upgrade to 1.37.2") is False
    assert _is_cordoned(cluster)
    assert _notes(cluster) == {CORDONED_BY: RUN, "kube-runbooks.io/cordon-reason": "upgrade to 1.37.2"}
    keep_cordoned(kube, "w1", "kubelet does not start" + "!" * 2000)
    assert len(_notes(cluster)[FAILED]) == 1000
    assert cordon(kube, "w1", "another", "again") is False
    assert _notes(cluster) == {CORDONED_BY: "another", "kube-runbooks.io/cordon-reason": "again"}
    assert uncordon(kube, "w1") is True
    assert (_is_cordoned(cluster), _notes(cluster)) == (False, {})
    assert uncordon(kube, "w1") is False
    cluster.kubectl("cordon", "w1")
    assert cordon(kube, "w1", RUN, "upgrade") is True
    assert drain(kube, "w1", QUICK).cordoned_before is True
    keep_cordoned(kube, "w1", "it failed")
    assert uncordon(kube, "w1") is False
    assert (_is_cordoned(cluster), _notes(cluster)) == (True, {})


def test_a_cordon_that_a_person_wanted_is_nobody_elses_to_take_away(cluster: ControlPlane, kube: KubeClient) -> None:
    """Once it is handed over: a run leaves it as it finds it, `release` takes it away, whoever's it is."""
    reason = "INC-7: a fan"
    assert cordon(kube, "w1", RUN, reason, ticket="INC-7") is False
    hand_over(kube, "w1", reason, "INC-7")
    wanted = {TICKET: "INC-7", "kube-runbooks.io/cordon-reason": reason}
    assert (_is_cordoned(cluster), _notes(cluster)) == (True, wanted)
    assert cordon(kube, "w1", "another", "patch") is True
    keep_cordoned(kube, "w1", "it failed")
    assert uncordon(kube, "w1") is False
    assert (_is_cordoned(cluster), _notes(cluster)) == (True, wanted)
    assert release(kube, "w1") is True
    assert (_is_cordoned(cluster), _notes(cluster)) == (False, {})
    assert release(kube, "w1") is False


def test_a_node_that_is_not_out_of_service_any_more_is_noticed(
    cluster: ControlPlane, kube: KubeClient, shop: Shop
) -> None:
    """Between a drain and what comes after it: somebody has uncordoned it, or a pod is there that would have to go."""
    _drained(kube)
    assert what_came_back(kube, "w1", QUICK) == ()
    shop.pod("late", "w1")
    assert what_came_back(kube, "w1", QUICK) == (f"pod {shop.name}/late is there",)
    cluster.kubectl("uncordon", "w1")
    assert what_came_back(kube, "w1", QUICK) == ("somebody has uncordoned it",)


def test_what_tolerates_a_cordon_comes_again_and_is_let_be(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """As Calico's and Cilium's operators do: a drain that lets one stay, and a reboot that refuses it, cannot both be right."""
    everything = [{"operator": "Exists"}]
    here = {"kubernetes.io/hostname": "w1"}
    options = QUICK.model_copy(update={"allow_pending": True})
    shop.run("deployments", "operator", 1, tolerations=everything, nodeSelector=here, topologySpreadConstraints=[])
    (before,) = shop.running("operator", "w1")
    done = _drained(kube, options)
    assert done.evicted == (f"{shop.name}/{before['metadata']['name']}",)
    wait_until(lambda: bool(shop.running("operator", "w1")), LIMIT, "it is there again")
    assert what_came_back(kube, "w1", options) == ()
    request = Request(node="w1", reason="a fan", run_id=RUN)
    hand_over(kube, "w1", request.in_words, "")
    (forecast,) = observe_forecasts(kube, ["w1"], options)
    seen = ServiceFacts(
        observed_at=NOW, machine=NodeFacts(name="w1"), kube=parse_node(_node(cluster), None), forecast=forecast
    )
    assert [skip.subject for skip in plan_drain(seen, request).skips] == ["w1"]
    shop.pod("bare", "w1", tolerations=everything)
    assert what_came_back(kube, "w1", options) == (f"pod {shop.name}/bare is there",)


def test_what_comes_again_in_mid_drain_is_told_as_staying(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """While another one stops."""
    del cluster
    options = QUICK.model_copy(update={"allow_pending": True})
    more: dict[str, Any] = {"tolerations": [{"operator": "Exists"}], "nodeSelector": {"kubernetes.io/hostname": "w1"}}
    shop.run("deployments", "operator", 1, topologySpreadConstraints=[], **more)
    shop.run("deployments", "slow", 1, annotations={"hollow/stops-after": "5"}, nodeSelector=more["nodeSelector"])
    told = [one for one in _drained(kube, options).left if "it tolerates a cordon" in one]
    assert [one.startswith(f"{shop.name}/operator-") for one in told] == [True]


def test_a_node_that_takes_pods_is_not_drained(kube: KubeClient) -> None:
    """They would come back. A node that is not there is not either."""
    with pytest.raises(Refused, match="w1: it is not cordoned: pods would come back"):
        drain(kube, "w1", QUICK)
    with pytest.raises(Refused, match='nodes "w9" not found'):
        cordon(kube, "w9", RUN, "upgrade")


def test_a_budget_that_is_relaxed_ends_the_wait(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """Its name and figures are told meanwhile."""
    shop.run("deployments", "web", 3)
    shop.run("deployments", "sick", 1, annotations=UNREADY)
    budget = shop.budget("web", minAvailable=3, selector=ANY_APP)
    (forecast,) = observe_forecasts(kube, ["w1"], QUICK)
    figures = f"PodDisruptionBudget {shop.name}/web (minAvailable 3) needs 3 healthy pods, has 3 of 4, and allows 0 disruptions"
    here = len(shop.running("web", "w1"))
    assert here
    assert not forecast.blocked
    assert [wait.startswith(f"{figures}: ") for wait in forecast.waits] == [True]
    watcher = Watcher(figures, lambda: cluster.api.patch(budget, {"spec": {"minAvailable": 1}}))
    done = _drained(kube, watcher=watcher)
    assert len([one for one in done.evicted if "/web-" in one]) == here
    assert figures in watcher.waited
    assert [one.startswith(f"PodDisruptionBudget {shop.name}/web (minAvailable ") for one in done.waited_for] == [True]
    assert re.search(r" disruptions: from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d$", done.waited_for[0])


@pytest.mark.parametrize(
    ("rule", "reason", "step"),
    [
        ({"maxUnavailable": 0}, "(maxUnavailable 0) needs 2 healthy pods, has 2 of 2", "set maxUnavailable of"),
        ({"minAvailable": "100%"}, "(minAvailable 100%) needs 2 healthy pods, has 2 of 2", "lower minAvailable of"),
        ({"minAvailable": 2}, "(minAvailable 2) needs 2 healthy pods, has 2 of 2", "scale to 3 pods, or lower"),
    ],
)
def test_a_budget_that_never_allows_is_told_before_anything_is_evicted(
    kube: KubeClient, shop: Shop, rule: Resource, reason: str, step: str
) -> None:
    """And the cordon is taken away again; somebody else's stays."""
    cluster = shop.cluster
    shop.run("deployments", "web", 2)
    shop.run("deployments", "free", 2)
    shop.budget("web", **rule)
    before = {pod["metadata"]["uid"] for pod in cluster.api.get(shop.pods)["items"]}
    with pytest.raises(Refused, match="1 of 2 pods would never go") as refused:
        _drained(kube)
    assert reason in refused.value.problem
    assert step in refused.value.hint
    assert {pod["metadata"]["uid"] for pod in cluster.api.get(shop.pods)["items"]} == before
    assert (_is_cordoned(cluster), _notes(cluster)) == (False, {})
    cluster.kubectl("cordon", "w1")
    with pytest.raises(Refused):
        _drained(kube)
    assert _is_cordoned(cluster)


@pytest.mark.parametrize(("asked_by", "denies"), [("cordon", False), ("eviction", False), ("eviction", True)])
def test_a_database_lets_its_primary_go_once_it_is_asked(
    kube: KubeClient, shop: Shop, asked_by: str, *, denies: bool
) -> None:
    """By the cordon, or by an eviction that its budget or its webhook forbids: `kubectl drain` takes a second for it."""
    with Database(shop.cluster, shop.name, ["w1", "w2"], asked_by=asked_by, denies=denies) as database:
        (forecast,) = observe_forecasts(kube, ["w1"], QUICK)
        assert forecast.blocked == ()
        figures = f"PodDisruptionBudget {shop.name}/pg (minAvailable 1) needs 1 healthy pods, has 1 of 1, and allows 0 disruptions"
        assert [one.startswith(f"{figures}: pg-") for one in forecast.asks] == [True]
        assert "the operator of Database pg (operators.example.com/v1)" in forecast.asks[0]
        (caution,) = _plan_of(shop.cluster, forecast).cautions
        assert caution.problem == forecast.asks[0]
        reason = "is moved first" if denies else figures
        if asked_by == "eviction":
            database.may_move.clear()
        watcher = Watcher(reason, database.may_move.set)
        done = _drained(kube, watcher=watcher)
        assert len(done.evicted) == 1
        wait_until(lambda: database.primary == "w2", LIMIT, "the other one is the primary")
        if asked_by == "eviction":
            assert any(reason in why for why in watcher.waited)


def test_a_storage_lets_a_node_go_once_its_replica_was_rebuilt(kube: KubeClient, shop: Shop) -> None:
    """Its budget is taken away then; the figures of it are in the report."""
    with Storage(shop.cluster, shop.name, ["w1", "w2"]) as storage:
        assert "the operator of Storage engine-w1" in observe_forecasts(kube, ["w1"], QUICK)[0].asks[0]
        done = _drained(kube)
        assert done.evicted == (f"{shop.name}/engine-w1",)
        assert (storage.replicas("w1"), storage.replicas("w2")) == ([], ["pvc-1"])
        assert [
            f"PodDisruptionBudget {shop.name}/engine-w1 (minAvailable 1) needs 1" in one for one in done.waited_for
        ] == [True]


@pytest.mark.full
def test_a_node_whose_operator_never_lets_go_is_uncordoned_again(
    cluster: ControlPlane, kube: KubeClient, shop: Shop
) -> None:
    """With the budget, its figures, since when, and where to look; others that were evicted are in service elsewhere."""
    shop.run("deployments", "web", 2)
    with Database(cluster, shop.name, ["w1", "w2"], asked_by=""):
        with pytest.raises(Refused, match="w1: not drained within 12 s: 1 of 2 pods is left: ") as refused:
            _drained(kube, DrainOptions(timeout=timedelta(seconds=12)))
        told = refused.value.problem
        figures = f"PodDisruptionBudget {shop.name}/pg (minAvailable 1) needs 1 healthy pods, has 1 of 1, and allows 0 disruptions"
        assert f"{shop.name}/pg-0: {figures}, waited for since " in told
        operator = "the operator of Database pg (operators.example.com/v1)"
        assert told.endswith(f"{operator} has not let {shop.name}/pg-0 go; the node is uncordoned again")
        assert f"`kubectl -n {shop.name} describe database.operators.example.com pg`" in refused.value.hint
        assert (_is_cordoned(cluster), _notes(cluster)) == (False, {})
        assert not shop.running("web", "w1")
        cluster.kubectl("cordon", "w1")
        with pytest.raises(Refused, match="the cordon of somebody else stays"):
            _drained(kube, DrainOptions(timeout=timedelta(seconds=3)))
        assert _is_cordoned(cluster)


def _plan_of(cluster: ControlPlane, forecast: DrainForecast) -> Plan:
    seen = ServiceFacts(
        observed_at=NOW, machine=NodeFacts(name="w1"), kube=parse_node(_node(cluster), None), forecast=forecast
    )
    plan = plan_drain(seen, Request(node="w1", reason="a fan", run_id=RUN))
    assert plan.refusals == ()
    return plan


def test_two_budgets_are_found_before_and_in_mid_drain(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """The server answers 500, not 201 with a failure in it; a budget that comes in mid-drain ends the wait."""
    shop.run("deployments", "web", 3)
    shop.run("deployments", "sick", 1, annotations=UNREADY)
    shop.budget("web", minAvailable=3, selector=ANY_APP)
    overlapping = {"minAvailable": 0, "selector": {"matchLabels": {"app": "web"}}}
    second = {"metadata": {"name": "second"}, "spec": overlapping}
    with pytest.raises(Refused, match="2 PodDisruptionBudgets protect it") as refused:
        _drained(kube, watcher=Watcher("needs", lambda: cluster.api.create(shop.budgets, second)))
    assert "change the selectors of its PodDisruptionBudgets" in refused.value.hint
    victim = shop.running("web", "w1")[0]["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": victim, "namespace": shop.name}}
    answer = kube.send("POST", f"{shop.pods}/{victim}/eviction", body)
    assert (answer.status, answer.body["status"], answer.body["code"]) == (500, "Failure", 500)
    assert (
        answer.message
        == "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )
    (forecast,) = observe_forecasts(kube, ["w1"], QUICK)
    assert f"2 PodDisruptionBudgets protect it ({shop.name}/second, {shop.name}/web)" in forecast.blocked[0].reason


def test_an_empty_selector_protects_all_pods_and_none_protects_nothing(
    cluster: ControlPlane, kube: KubeClient, shop: Shop
) -> None:
    """policy/v1, whatever was written about the code of evictions."""
    shop.run("deployments", "web", 2)
    shop.budget("all", minAvailable=2, selector={})
    shop.budget("none", minAvailable=2, selector=None)
    statuses = {name: cluster.api.get(f"{shop.budgets}/{name}")["status"]["expectedPods"] for name in ("all", "none")}
    assert statuses == {"all": 2, "none": 0}
    (forecast,) = observe_forecasts(kube, ["w1"], QUICK)
    assert [
        f"PodDisruptionBudget {shop.name}/all (minAvailable 2) needs 2" in one.reason for one in forecast.blocked
    ] == [True]
    victim = shop.running("web", "w1")[0]["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": victim, "namespace": shop.name}}
    answer = kube.send("POST", f"{shop.pods}/{victim}/eviction", body)
    assert answer.status == 429
    assert (
        answer.body["details"]["causes"][0]["message"]
        == "The disruption budget all needs 2 healthy pods and has 2 currently"
    )


def test_a_pod_that_is_made_again_under_its_name_is_left_alone(kube: KubeClient, shop: Shop) -> None:
    """It tolerates the cordon and comes back to the same node: evicted once, and never again."""
    tolerations = [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]
    shop.run("statefulsets", "db", 1, tolerations=tolerations, nodeSelector={"kubernetes.io/hostname": "w1"})
    before = shop.get("db-0")["metadata"]["uid"]
    done = _drained(kube, QUICK.model_copy(update={"allow_pending": True}))
    assert done.evicted == (f"{shop.name}/db-0",)
    wait_until(lambda: len(shop.running("db", "w1")) == 1, LIMIT, "it is there again")
    after = shop.get("db-0")["metadata"]["uid"]
    assert after != before
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "db-0", "namespace": shop.name}}
    answer = kube.send(
        "POST", f"{shop.pods}/db-0/eviction", body | {"deleteOptions": {"preconditions": {"uid": before}}}
    )
    assert answer.status == 409
    assert "does not match the UID in record" in answer.message
    assert shop.get("db-0")["metadata"]["uid"] == after


def test_pods_of_a_namespace_that_is_being_deleted_go_with_it(
    cluster: ControlPlane, kube: KubeClient, shop: Shop
) -> None:
    """The server forbids evictions there; without the controllers nobody deletes them, and the wait says why."""
    shop.run("deployments", "web", 2)
    cluster.controllers.kill()
    try:
        cluster.api.delete(f"/api/v1/namespaces/{shop.name}")
        watcher = Watcher("its namespace is being deleted", cluster.start_controllers)
        done = _drained(kube, watcher=watcher)
    finally:
        if not cluster.controllers.alive:
            cluster.start_controllers()
    assert len(done.evicted) == 1
    assert "its namespace is being deleted, and it is to go with it" in watcher.waited


def test_at_the_limit_all_that_is_left_is_named(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """Pods with what they wait for; what has gone is gone, and the cordon stays."""
    shop.run("deployments", "free", 2)
    shop.run("deployments", "web", 2)
    shop.run("deployments", "sick", 1, annotations=UNREADY)
    shop.budget(
        "web",
        minAvailable=2,
        selector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "sick"]}]},
    )
    shop.pod("held", "w1", metadata={"finalizers": ["example.com/hold"]})
    options = DrainOptions(timeout=timedelta(seconds=12), force=True)
    (forecast,) = observe_forecasts(kube, ["w1"], options)
    assert any("stays until somebody removes its finalizers example.com/hold" in one for one in forecast.cautions)
    with pytest.raises(Refused, match="w1: not drained within 12 s: ") as refused:
        _drained(kube, options)
    told = refused.value.problem
    assert (
        f"PodDisruptionBudget {shop.name}/web (minAvailable 2) needs 2 healthy pods, has 2 of 3, and allows 0 disruptions"
        in told
    )
    assert f"{shop.name}/held: it has until" in told
    assert "held by its finalizers example.com/hold" in told
    assert "waited for since" in told
    assert _is_cordoned(cluster)
    assert not shop.running("free", "w1")
    given_up = options.model_copy(update={"skip_wait_for_delete_timeout": timedelta(seconds=1)})
    cluster.api.delete(f"{shop.budgets}/web")
    assert any(one.startswith(f"{shop.name}/held: it should have stopped by") for one in _drained(kube, given_up).left)


def test_what_would_be_lost_is_kept_until_it_is_allowed(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """Pods without a controller, data of emptyDir, and pods that no other node takes."""
    shop.pod("bare", "w1")
    shop.run("deployments", "cache", 2, volumes=[{"name": "cache", "emptyDir": {}}])
    shop.run("deployments", "pinned", 1, nodeSelector={"kubernetes.io/hostname": "w1"})
    (forecast,) = observe_forecasts(kube, ["w1"], QUICK)
    told = {one.pod.split("/")[1].split("-")[0]: one for one in forecast.blocked}
    assert told["bare"].reason == "no controller brings it back"
    assert "force" in told["bare"].next_step
    assert told["cache"].reason == "the content of its emptyDir cache would be lost"
    assert "delete-emptydir-data" in told["cache"].next_step
    assert (
        "cp1 does not match its node selector or affinity; w2 does not match its node selector or affinity"
        in told["pinned"].reason
    )
    with pytest.raises(Refused, match="3 of 3 pods would never go"):
        _drained(kube)
    assert len(shop.running("cache", "w1")) == 1
    options = QUICK.model_copy(update={"force": True, "delete_emptydir_data": True, "allow_pending": True})
    assert len(_drained(kube, options).evicted) == 3
    assert not [pod for pod in cluster.api.get(shop.pods)["items"] if pod["spec"].get("nodeName") == "w1"]


ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"


def _volume(shop: Shop, name: str, claim: str) -> str:
    """A volume for a claim of the shop; its name."""
    spec: Resource = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    spec |= {"claimRef": {"namespace": shop.name, "name": claim}, "csi": {"driver": "x", "volumeHandle": name}}
    spec["persistentVolumeReclaimPolicy"] = "Retain"
    shop.api.create("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": spec})
    return name


def _claimed(**more: object) -> Resource:
    """What a claim wants."""
    return {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "",
        "resources": {"requests": {"storage": "1Gi"}},
    } | more


@pytest.fixture
def attach(cluster: ControlPlane) -> Iterator[Callable[[str], str]]:
    """Attaches a volume to w1, as its driver says; the path of that. They and the volumes are gone afterwards."""
    made: list[str] = []

    def attached(volume: str) -> str:
        source = {"persistentVolumeName": volume}
        spec = {"attacher": "csi.example.com", "nodeName": "w1", "source": source}
        cluster.api.create(ATTACHMENTS, {"metadata": {"name": f"attached-{volume}"}, "spec": spec})
        made.append(volume)
        return f"{ATTACHMENTS}/attached-{volume}"

    yield attached
    cluster.api.delete(ATTACHMENTS)
    for volume in made:
        if cluster.api.is_fine(f"/api/v1/persistentvolumes/{volume}"):
            cluster.api.patch(f"/api/v1/persistentvolumes/{volume}", {"metadata": {"finalizers": None}})
            cluster.api.delete(f"/api/v1/persistentvolumes/{volume}")


def _with_claim(shop: Shop) -> str:
    """A workload on w1 with a volume; the volume's name."""
    claims = f"/api/v1/namespaces/{shop.name}/persistentvolumeclaims"
    name = _volume(shop, f"pv-{shop.name}", "data")
    shop.api.create(claims, {"metadata": {"name": "data"}, "spec": _claimed(volumeName=name)})
    here = {"kubernetes.io/hostname": "w1"}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    shop.run("deployments", "db", 1, volumes=volumes, nodeSelector=here, topologySpreadConstraints=[])
    return name


PENDING = QUICK.model_copy(update={"allow_pending": True})


def test_volumes_have_to_be_detached(
    cluster: ControlPlane, kube: KubeClient, shop: Shop, attach: Callable[[str], str]
) -> None:
    """kubectl is done when the pods are; a node that is switched off then would keep them for minutes."""
    volume = _with_claim(shop)
    path = attach(volume)
    watcher = Watcher(f"volume {volume}: it is still attached", lambda: cluster.api.delete(path))
    done = _drained(kube, PENDING, watcher)
    assert (len(done.evicted), done.still_attached) == (1, ())
    assert "it is still attached, by csi.example.com" in watcher.waited


def test_a_volume_that_is_never_detached_is_told_and_gone_on_with(
    kube: KubeClient, shop: Shop, attach: Callable[[str], str]
) -> None:
    """Its driver has forgotten it: after a limit of its own the drain ends, and says which."""
    volume = _with_claim(shop)
    attach(volume)
    watcher = Watcher()
    done = _drained(kube, PENDING.model_copy(update={"detach_timeout": timedelta(seconds=2)}), watcher)
    assert done.still_attached == (
        f"volume {volume} (claim {shop.name}/data) is still attached to w1 by csi.example.com "
        f"(VolumeAttachment attached-{volume})",
    )
    assert "it is still attached, by csi.example.com" in watcher.waited


@pytest.mark.full
def test_volumes_of_those_who_stay_are_nobodys_to_wait_for(
    kube: KubeClient, shop: Shop, attach: Callable[[str], str]
) -> None:
    """An attachment that nobody owns any more, and the generic ephemeral volume of a DaemonSet's pod."""
    shop.run("deployments", "web", 2)
    attach("pv-of-nobody")
    template = {"volumeClaimTemplate": {"spec": _claimed()}}
    metadata = {"labels": {"app": "agent"}}
    spec: Resource = {"containers": CONTAINERS, "volumes": [{"name": "scratch", "ephemeral": template}]}
    spec["nodeSelector"] = {"kubernetes.io/hostname": "w1"}
    agent = {"selector": {"matchLabels": metadata["labels"]}, "template": {"metadata": metadata, "spec": spec}}
    path = f"/apis/apps/v1/namespaces/{shop.name}/daemonsets"
    shop.api.create(path, {"metadata": {"name": "agent"}, "spec": agent})
    claims = f"/api/v1/namespaces/{shop.name}/persistentvolumeclaims"
    wait_until(lambda: bool(shop.api.get(claims)["items"]), LIMIT, "its pod has a claim")
    (claim,) = shop.api.get(claims)["items"]
    volume = _volume(shop, f"pv-{shop.name}-agent", claim["metadata"]["name"])
    wait_until(lambda: len(shop.running("agent")) == 1, LIMIT, "it runs with its volume")
    attach(volume)
    watcher = Watcher()
    done = _drained(kube, QUICK.model_copy(update={"timeout": timedelta(seconds=30)}), watcher)
    assert (len(done.evicted), len(done.left), done.still_attached) == (1, 1, ())
    assert not [why for why in watcher.waited if "attached" in why]


def test_an_api_server_that_is_away_is_endured(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """Killed in mid-drain, and started again."""
    shop.run("deployments", "web", 2, annotations={"hollow/stops-after": "5"})
    killed = threading.Event()

    def kill() -> None:
        cluster.apiserver.kill()
        killed.set()

    def revive() -> None:
        killed.wait(LIMIT)
        time.sleep(3)
        cluster.start_apiserver()

    helper = threading.Thread(target=revive)
    helper.start()
    watcher = Watcher("it has until", kill)
    try:
        done = _drained(kube, watcher=watcher)
    finally:
        killed.set()
        helper.join()
    assert len(done.evicted) == 1
    assert any("no API server answers" in why for why in watcher.waited)


def test_a_run_that_may_not_go_on_leaves_the_cordon_to_the_next_one(
    cluster: ControlPlane, kube: KubeClient, shop: Shop
) -> None:
    """Its lock is another's: so is the node."""
    shop.run("deployments", "web", 2)
    cordon(kube, "w1", RUN, "upgrade")

    def check() -> None:
        raise Refused("the lock is held by another run")

    with pytest.raises(Refused, match="the lock is held by another run"):
        drain(kube, "w1", QUICK, check=check)
    assert _is_cordoned(cluster)
    assert len(shop.running("web", "w1")) == 1
    shop.budget("web", maxUnavailable=0)
    with pytest.raises(Refused, match="the lock is held by another run"):
        drain(kube, "w1", QUICK, check=check)
    assert _is_cordoned(cluster)


def test_pods_that_come_in_mid_drain(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """One that nobody would bring back; and those that come because somebody has uncordoned the node."""
    shop.run("deployments", "web", 2, annotations={"hollow/stops-after": "15"})
    late = {"metadata": {"name": "late"}, "spec": {"nodeName": "w1", "containers": CONTAINERS}}
    with pytest.raises(Refused, match="/late came after the cordon and would never go: no controller brings it back"):
        _drained(kube, watcher=Watcher("it has until", lambda: cluster.api.create(shop.pods, late)))
    assert _is_cordoned(cluster)
    cluster.api.delete(f"{shop.pods}/late")

    def interfere() -> None:
        cluster.kubectl("uncordon", "w1")
        cluster.kubectl("scale", "--namespace", shop.name, "deployment/web", "--replicas=9")

    cluster.kubectl("uncordon", "w1")
    cluster.kubectl("scale", "--namespace", shop.name, "deployment/web", "--replicas=5")
    wait_until(lambda: shop.running("web", "w1"), LIMIT, "one runs there again")
    with pytest.raises(Refused, match="w1: somebody has uncordoned it while it was drained: .*web.* has come"):
        _drained(kube, watcher=Watcher("it has until", interfere))


def test_a_storm_of_429_is_waited_out_as_the_server_asks(cluster: ControlPlane, kube: KubeClient, shop: Shop) -> None:
    """For evictions, as priority and fairness answers them, and for lists; Retry-After is kept."""
    del kube  # its node is put right afterwards
    shop.run("deployments", "web", 2)
    asked: list[float] = []
    with ApiProxy(cluster) as proxy:
        evictions = proxy.on(method="POST", path="/eviction$", times=3).then(lambda _: asked.append(time.monotonic()))
        evictions.answer(429, headers={"Retry-After": "3"})
        watcher = Watcher("", lambda: proxy.on(method="GET", path="^/api/v1/pods$", times=2).answer(429))
        through = _client(cluster, proxy.endpoint)
        try:
            done = _drained(through, watcher=watcher)
        finally:
            through.close()
    assert len(done.evicted) == 1
    assert len(asked) == 3
    assert all(later - earlier >= 3 for earlier, later in pairwise(asked))
    assert any(why.startswith("429 ") for why in watcher.waited)
    assert any(one.what == "API server" for told in watcher.told for one in told.waiting)


def test_a_worker_on_the_node_refuses(
    cluster: ControlPlane, kube: KubeClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its setting, or by the name of its pod, or by the node's name in the host's network."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOSTNAME", "worker-0")
    shop.run("statefulsets", "worker", 1, nodeSelector={"kubernetes.io/hostname": "w1"})
    assert where_i_run(kube) == ""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "198.19.0.1")
    assert where_i_run(kube) == "w1"
    with pytest.raises(Refused, match="w1: this worker runs on it, and would evict itself"):
        _drained(kube)
    assert not _is_cordoned(cluster)
    assert len(shop.running("worker", "w1")) == 1
    monkeypatch.setenv("HOSTNAME", "w2")
    assert where_i_run(kube) == "w2"
    address = _node(cluster, "w2")["status"]["addresses"][0]["address"]
    monkeypatch.setenv("HOSTNAME", address)  # of a machine that has another name than its node
    assert where_i_run(kube) == "w2"
    monkeypatch.setenv("HOSTNAME", "elsewhere")
    assert where_i_run(kube) == ""
    monkeypatch.setenv("KUBE_RUNBOOKS_NODE", "w9")
    assert where_i_run(kube) == "w9"
