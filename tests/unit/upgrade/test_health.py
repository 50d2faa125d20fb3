"""A cluster that is not well: nothing is taken away from it, unless an upgrade that is under way explains it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tasks.core.models.plan import Caution, Refusal
from tasks.core.models.profile import UpgradeRules
from tasks.drain.models import CORDONED_BY, UNHEALTHY, Treatment, Verdict
from tasks.drain.policy.findings import ASKED
from tasks.node_work.models.controllers import Leader
from tasks.node_work.models.health import Symptom
from tasks.nodes.models.workloads import Webhook
from tasks.upgrade.models.manifests import NodeManifests
from tasks.upgrade.models.upgrade import ClusterFacts, UpgradeOptions
from tasks.upgrade.policy.plan import what_may_pass
from tests.facts import etcd as etcd_facts
from tests.facts.upgrade import (
    CONTROL_PLANES,
    NEW,
    NOW,
    cluster,
    controllers,
    forecast,
    kube_proxy,
    members,
    upgraded,
    workload,
)
from tests.facts.upgrade_plan import APPLY, Facts, acts, half, plan, told


def test_a_gate_of_the_site_that_says_no_stops_it_before_the_lock() -> None:
    """In its own words."""
    facts = cluster().model_copy(update={"gates": ("gate latency: 2 (pod=web): it has to be at most 1",)})
    step = "wait until it lets the run go on, or change gates: of the profile"
    assert told(plan(facts).refusals) == [("gates", "gate latency: 2 (pod=web): it has to be at most 1", step)]


REPAIR = "repair it first: quorum needs it while another member restarts"


ETCD_TABLE: dict[str, tuple[Facts, tuple[str, str, str]]] = {
    "no answer": ({"cp3": etcd_facts.unreached("cp3")}, ("cp3", "connection refused", REPAIR)),
    "no linearizable read": (
        {"cp3": etcd_facts.member("cp3", healthy=False)},
        ("cp3", "it does not answer a linearizable read", REPAIR),
    ),
    "CORRUPT": (
        {"cp3": etcd_facts.member("cp3", alarms=("CORRUPT",))},
        ("cp3", "its alarm CORRUPT says that its data differs", REPAIR),
    ),
    "NOSPACE": (
        {"cp3": etcd_facts.member("cp3", alarms=("NOSPACE",))},
        (
            "cp3",
            "alarm NOSPACE",
            "run `kube-runbooks run etcd-maintenance CLUSTER`: it clears NOSPACE when there is space; for CORRUPT replace the member",
        ),
    ),
    "no leader": (
        {"cp2": etcd_facts.member("cp2")},
        ("etcd", "no member that answers leads", "check the members and the network between them"),
    ),
}


@pytest.mark.parametrize(("changes", "refusal"), ETCD_TABLE.values(), ids=ETCD_TABLE.keys())
def test_etcd_that_is_not_well(changes: Mapping[str, Any], refusal: tuple[str, str, str]) -> None:
    """Each member is needed while another one restarts."""
    assert told(plan(cluster(etcd=members(**changes))).refusals) == [refusal]


def test_etcd_without_a_member_to_spare() -> None:
    """Two members bear no loss; of one it is known, and said; none is refused."""
    two = plan(cluster(names=("cp1", "cp2", "w1"), etcd=members()[:2]))
    assert told(two.refusals) == [
        (
            name,
            f"without {name} 1 of 2 voting members would be left, a quorum is 2",
            "join another control plane node first",
        )
        for name in ("cp1", "cp2")
    ]
    single = cluster(names=("cp1", "w1"), etcd=members(leader="cp1")[:1])
    away = "the only control plane node: API server, scheduler and controller manager stop during its upgrade"
    assert told(plan(single).refusals) == [("cp1", away, "add --allow-downtime during an acceptable window")]
    assert plan(single, nodes=("w1",)).refusals[0].subject == "--nodes"
    one = plan(single, allow_downtime=True)
    assert one.refusals == ()
    assert told(one.cautions) == [("cp1", away, "--allow-downtime allows it")]
    assert acts(one)[0] == ("cp1", APPLY)
    assert "the last" not in one.steps[0].reason
    none = plan(cluster(etcd=()))
    assert told(none.refusals) == [
        ("etcd", "no members are known", "check the manifests of etcd and etcd.endpoints of the profile")
    ]
    strange = plan(cluster(etcd=tuple(etcd_facts.member(f"m{n}", is_leader=n == 0) for n in range(2))))
    assert strange.refusals == ()


HEALTH_TABLE: dict[str, tuple[Facts, tuple[str, str, str]]] = {
    "not Ready": (
        {"nodes": {"w1": {"ready": False, "ready_message": "container runtime is down"}}},
        ("w1", "it is not Ready: container runtime is down", "check its kubelet (`journalctl -u kubelet`)"),
    ),
    "Ready, and silent": (
        {"nodes": {"w1": {"heartbeat": NOW - timedelta(seconds=91)}}},
        (
            "w1",
            "its last heartbeat is 1 min 31 s old, although it is called Ready",
            "check its kubelet, and the controller manager, which should have noticed",
        ),
    ),
    "pressure": (
        {"nodes": {"cp1": {"pressures": ("DiskPressure", "PIDPressure")}}},
        ("cp1", "it reports DiskPressure, PIDPressure", "check its disk, its memory and its network"),
    ),
    "an API server that is not ready": (
        {"machines": {"cp1": {"api_ready": "500"}}},
        ("cp1", "its own API server's /readyz: HTTP 500", "check `crictl ps -a` and its log"),
    ),
    "an API server that does not answer": (
        {"machines": {"cp1": {"api_ready": "000"}}},
        ("cp1", "its own API server's /readyz: no answer", "check `crictl ps -a` and its log"),
    ),
    "CoreDNS": (
        {"api": {"workloads": (workload("kube-system/coredns", ready=1), kube_proxy())}},
        ("kube-system/coredns", "Deployment with 1 of 2 pods ready", "check its pods"),
    ),
    "a pod of kube-system": (
        {"api": {"pods_not_ready": ("kube-system/cni-x1 (CrashLoopBackOff)",)}},
        (
            "kube-system/cni-x1",
            "the pod kube-system/cni-x1 (CrashLoopBackOff) is not ready",
            "`kubectl -n kube-system describe pod cni-x1`",
        ),
    ),
    "an APIService": (
        {"api": {"unavailable_apis": {"v1beta1.metrics.k8s.io": "MissingEndpoints: no pods"}}},
        (
            "v1beta1.metrics.k8s.io",
            "the APIService is not available: MissingEndpoints: no pods",
            "repair its backend, or delete the APIService if nobody needs it",
        ),
    ),
}


@pytest.mark.parametrize(("facts", "refusal"), HEALTH_TABLE.values(), ids=HEALTH_TABLE.keys())
def test_a_cluster_that_is_not_well(facts: Facts, refusal: tuple[str, str, str]) -> None:
    """Nothing is taken away from it."""
    assert told(plan(cluster(**facts)).refusals) == [refusal]


def test_a_node_without_another_scheduler_and_controller_manager_stays_as_it_is() -> None:
    """One that works elsewhere is enough; one on a node that somebody else has cordoned may go any moment."""
    broken = "its pod is not Ready: CrashLoopBackOff"
    step = "repair it first: `kubectl -n kube-system get pods,leases`, and its log"
    two = controllers(cp1="", cp2=broken, cp3=broken)
    missing = [
        ("cp1", f"no other {name} is ready: cp2 ({broken}), cp3 ({broken})", step)
        for name in ("kube-scheduler", "kube-controller-manager")
    ]
    assert told(plan(cluster(controllers=two)).refusals) == missing
    assert plan(cluster(controllers=controllers(cp1="", cp2=broken, cp3=""))).refusals == ()
    cordoned = plan(cluster(controllers=controllers(cp1="", cp2=broken, cp3=""), nodes={"cp3": {"cordoned": True}}))
    assert [one.problem for one in cordoned.refusals if one.subject == "cp1"] == [
        f"no other {name} is ready: cp2 ({broken}), cp3 (its node is cordoned or not Ready)"
        for name in ("kube-scheduler", "kube-controller-manager")
    ]
    begun = plan(cluster(controllers=two, machines={"cp2": half()}))
    assert begun.refusals == ()
    assert "no other kube-scheduler is ready" in begun.cautions[-2].problem


def test_the_only_control_plane_node_that_counts_may_be_upgraded_when_a_downtime_is_allowed() -> None:
    """The others are cordoned for weeks, their etcd is elsewhere: the API server's rule lets it go on, too."""
    facts = cluster(nodes={name: {"cordoned": True} for name in ("cp2", "cp3")})
    scheduler = "no other kube-scheduler is ready"

    def subjects(found: tuple[Refusal, ...] | tuple[Caution, ...]) -> list[str]:
        return [one.subject for one in found if one.problem.startswith(scheduler)]

    assert subjects(plan(facts).refusals) == ["cp1"]
    allowed = plan(facts, allow_downtime=True)
    assert subjects(allowed.refusals) == []
    assert subjects(allowed.cautions) == ["cp1"]


def test_nobody_is_taken_away_while_no_controller_leads() -> None:
    """Said once, not of each node."""
    silent = Leader(
        component="kube-scheduler", lease="kube-system/kube-scheduler", holder="cp1_7f", seconds=15, is_alive=False
    )
    seen = controllers(*CONTROL_PLANES).model_copy(update={"leaders": (silent,)})
    (refusal,) = plan(cluster(controllers=seen)).refusals
    assert refusal.subject == "control plane"
    assert refusal.problem.startswith("no kube-scheduler leads: cp1_7f has not renewed")


def seen(*symptoms: tuple[str, str], node: str = "w1", grave: bool = False) -> ClusterFacts:
    """A cluster of which the proof of a node finds this wrong now."""
    found = tuple(Symptom(of=of, problem=problem, grave=grave) for of, problem in symptoms)
    return cluster(symptoms={node: found})


def test_what_a_proof_would_find_wrong_is_said_before_the_act() -> None:
    """What is grave stops it; the rest is no news afterwards. What other rules say is not said twice."""
    broken = (
        ("Service kube-dns", "the Service `kube-dns` does not resolve"),
        ("DaemonSet logs/agent", "pod logs/agent-x is not ready"),
        ("DaemonSet kube-system/cni", "pod kube-system/cni-x is not ready"),
        ("DiskPressure", "it has DiskPressure"),
        ("unit containerd", "containerd does not run"),
        ("kubelet v1.37.2", "the API says kubelet v1.36.3, not v1.37.2"),
    )
    planned = plan(seen(*broken))
    assert planned.refusals == ()
    worse = "the proof asks whether it is no worse afterwards"
    assert told(planned.cautions) == [
        ("w1", "already before: the Service `kube-dns` does not resolve", worse),
        ("w1", "already before: pod logs/agent-x is not ready", worse),
    ]
    assert planned.services_before == {"w1": ("Service kube-dns",)}
    (refusal,) = plan(seen(("heartbeat", "no heartbeat"), grave=True)).refusals
    assert (refusal.subject, refusal.problem) == ("w1", "no heartbeat")
    assert plan(seen(*broken), nodes=("cp1",)).cautions == plan(cluster(), nodes=("cp1",)).cautions


def test_what_an_upgrade_that_is_under_way_may_have_broken_is_not_forgiven() -> None:
    """Neither once the control plane is done, nor while a node is half done."""
    facts = seen(("Service kube-dns", "it does not resolve"))
    one = cluster(machines=upgraded("cp1"), nodes=upgraded("cp1"))
    later = facts.model_copy(update={"nodes": one.nodes, "api": one.api})
    assert plan(later).services_before == {}
    begun = facts.model_copy(update={"nodes": cluster(machines={"cp1": half()}).nodes})
    assert plan(begun).services_before == {}


@pytest.mark.parametrize(
    ("notes", "spec", "word"),
    [
        ({UNHEALTHY: "[]"}, {}, "now"),
        ({UNHEALTHY: '["DaemonSet logs/agent"]'}, {}, "already before"),
        ({CORDONED_BY: "run-0", UNHEALTHY: "[]"}, {"cordoned": True}, "now"),
        ({CORDONED_BY: "run-0", UNHEALTHY: "[]"}, {}, "already before"),
        ({CORDONED_BY: "run-0"}, {"cordoned": True}, "now"),
        ({}, {"cordoned": True}, "already before"),
    ],
)
def test_what_an_earlier_run_did_not_find_is_not_promised_to_be_forgiven(
    notes: dict[str, str], spec: dict[str, bool], word: str
) -> None:
    """The proof reads the note on the node, also that of a run that died before its cordon; the plan says the same."""
    facts = cluster(
        nodes={"w1": {"annotations": notes} | spec},
        symptoms={"w1": (Symptom(of="DaemonSet logs/agent", problem="pod logs/agent-x is not ready"),)},
    )
    assert f"{word}: pod logs/agent-x is not ready" in [one.problem for one in plan(facts).cautions]


def test_a_container_that_is_older_than_its_manifest_is_not_hidden_by_a_skip() -> None:
    """What runs counts: the manifest alone says that the node is done."""
    old = "of kube-scheduler there runs v1.36.3, not registry.k8s.io/kube-scheduler:v1.37.2"
    done = cluster(
        machines=upgraded("cp1"),
        nodes=upgraded("cp1"),
        symptoms={
            "cp1": (Symptom(of="kube-scheduler v1.37.2", problem=old), Symptom(of="DiskPressure", problem="full"))
        },
    )
    planned = plan(done)
    assert [skip.subject for skip in planned.skips] == ["cp1"]
    assert [(one.subject, one.problem) for one in planned.cautions] == [("cp1", old)]


def test_addons_whose_pods_nobody_replaces_are_named() -> None:
    """They stay old, whatever kubeadm writes."""
    by_hand = kube_proxy().model_copy(update={"by_hand": True})
    other = workload("shop/agent", kind="DaemonSet").model_copy(update={"by_hand": True})
    (caution,) = plan(cluster(api={"workloads": (workload("kube-system/coredns"), by_hand, other)})).cautions
    assert caution.subject == "kube-system/kube-proxy"
    assert caution.problem.startswith("its pods are replaced only by hand")


def test_a_member_that_is_behind_is_waited_for() -> None:
    """The proof allows a thousand entries."""
    late = etcd_facts.member("cp1", version="3.6.16", raft_lag=1001)
    (caution,) = plan(cluster(etcd=members(cp1=late))).cautions
    assert (caution.subject, caution.problem) == (
        "cp1",
        "it is more than 1000 entries behind",
    )


def test_what_an_upgrade_that_is_under_way_explains_is_gone_on_with() -> None:
    """A run that died left a node, its member and its pods in the middle: the next one must be able to end it."""
    middle = half(api_ready="000", active={"kubelet": False, "containerd": True})
    facts = cluster(
        machines={"cp1": middle},
        nodes={"cp1": {"ready": False}},
        api={
            "pods_not_ready": ("kube-system/etcd-cp1 (Pending)",),
            "unavailable_apis": {"v1.x": "no endpoints"},
        },
        etcd=members(cp1=etcd_facts.unreached("cp1")),
    )
    planned = plan(facts)
    assert planned.refusals == ()
    under_way = "an upgrade is under way, which may be why: this run resumes it"
    assert [(one.subject, one.next_step) for one in planned.cautions] == [
        (subject, under_way) for subject in ("cp1", "cp1", "cp1", "kube-system/etcd-cp1", "v1.x")
    ]
    other = plan(cluster(machines={"cp1": middle}, nodes={"cp3": {"ready": False}}))
    assert [one.subject for one in other.refusals] == ["cp3"]


def test_cordons_of_others_stay() -> None:
    """Said for each; of a control plane node what it means for quorum."""
    cordoned = {"cordoned": True}
    planned = plan(cluster(nodes={"cp1": cordoned, "w1": cordoned}))
    assert planned.refusals == ()
    assert told(planned.cautions) == [
        (
            "cp1",
            "somebody has cordoned it: it stays cordoned, and counts as away when quorum is counted",
            "`kubectl uncordon cp1`",
        ),
        ("w1", "somebody has cordoned it: it stays cordoned", "`kubectl uncordon w1`"),
    ]


def test_webhooks_that_would_stop_requests() -> None:
    """All backends on one node that is drained, or no backend at all."""
    hooks = (
        Webhook(name="one.example", service="a/one", backends=("w1",)),
        Webhook(name="two.example", service="a/two", backends=("w1", "w2")),
        Webhook(name="none.example", service="a/none"),
        Webhook(name="url.example", service="https://hooks.example/x"),
    )
    planned = plan(cluster(api={"webhooks": (*hooks, *hooks[:1])}))
    assert planned.refusals == ()
    assert told(planned.cautions) == [
        (
            "one.example",
            "all ready pods of a/one are on w1, and its failurePolicy is Fail: while w1 is drained what it judges is "
            "refused",
            "run a second pod on another node",
        ),
        (
            "none.example",
            "no pod of a/none is ready, and its failurePolicy is Fail: what it judges is refused now",
            "repair it: pods that are evicted may not come back",
        ),
    ]
    left_alone = plan(cluster(api={"webhooks": hooks[:1]}), nodes=CONTROL_PLANES)
    assert left_alone.cautions == ()


def test_a_drain_that_would_never_end_is_refused() -> None:
    """With the pod, the reason and the next step; not for a node that is not drained."""
    stuck = Verdict(
        pod="shop/db-0",
        uid="1",
        treatment=Treatment.BLOCKED,
        reason="PodDisruptionBudget shop/db",
        next_step="scale it up",
    )
    facts = cluster(api={"forecasts": (forecast("w1", verdicts=(stuck,)),)})
    assert told(plan(facts).refusals) == [
        ("w1", "shop/db-0 cannot be evicted: PodDisruptionBudget shop/db", "scale it up")
    ]
    assert plan(facts, nodes=CONTROL_PLANES).refusals == ()


def test_what_a_drain_waits_for_and_what_it_takes_away() -> None:
    """Cautions, with the figures."""
    gone = tuple(
        Verdict(pod=f"shop/{number}", uid=str(number), treatment=Treatment.EVICT_FOR_GOOD, reason="no controller")
        for number in range(10, 22)
    )
    told_by_drain = forecast(
        "w1",
        verdicts=gone,
        waits=("PodDisruptionBudget shop/cart: 2 of 3",),
        asks=("PodDisruptionBudget shop/pg: 1 of 1",),
        cautions=("its last CoreDNS",),
    )
    few = forecast("w2", verdicts=gone[:1])
    others = tuple(forecast(name) for name in CONTROL_PLANES[:2])
    planned = plan(cluster(api={"forecasts": (told_by_drain, few, *others)}))
    assert planned.refusals == ()
    names = ", ".join(f"shop/{number}" for number in range(10, 22))
    assert told(planned.cautions) == [
        ("cp3", "which pods its drain must evict is not known", "it is checked right before the drain"),
        ("w1", "PodDisruptionBudget shop/cart: 2 of 3", "the drain waits for it, up to --timeout"),
        ("w1", "PodDisruptionBudget shop/pg: 1 of 1", ASKED),
        ("w1", "its last CoreDNS", ""),
        ("w1", f"evicted for good (no controller): {names}", "an option of the drain allows it"),
        ("w2", "evicted for good (no controller): shop/10", "an option of the drain allows it"),
    ]


@pytest.mark.parametrize("reason", ["node_os_patch", "INC-7: its disk is failing"])
def test_a_node_that_another_runbook_has_out_of_service_is_left_to_it(reason: str) -> None:
    """Its cordon is not taken over; one of an upgrade is."""
    owner = {"kube-runbooks.io/cordoned-by": "run-0"}
    theirs = owner | {"kube-runbooks.io/cordon-reason": reason, "kube-runbooks.io/failed": "no kernel"}
    planned = plan(cluster(nodes={"w1": {"cordoned": True, "annotations": theirs}}))
    problem = f"another runbook has it out of service: {reason}"
    assert told(planned.refusals) == [("w1", problem, "let that run end, or run it again")]
    ours = owner | {"kube-runbooks.io/cordon-reason": "rolling_upgrade to v1.37.2"}
    mine = plan(cluster(nodes={"w1": {"cordoned": True, "annotations": ours}}))
    assert mine.refusals == ()
    assert mine.waves[0][0].begun


PASSING = ("no answer", "no linearizable read", "no leader")


@pytest.mark.parametrize(("name", "changes"), [(name, changes) for name, (changes, _) in ETCD_TABLE.items()])
def test_the_plan_looks_again_at_an_election_and_not_at_an_alarm(name: str, changes: Mapping[str, Any]) -> None:
    """What stays until a person acts is refused at once."""
    facts = cluster(etcd=members(**changes))
    expected = plan(facts).refusals if name in PASSING else ()
    assert what_may_pass(facts, NEW, UpgradeOptions(), UpgradeRules(), now=NOW) == expected


def test_the_plan_looks_again_only_if_nothing_else_is_in_the_way() -> None:
    """A healthy cluster, a cluster with a gate that is closed, and a version that is none."""
    rules, options = UpgradeRules(), UpgradeOptions()
    starting = cluster(api={"pods_not_ready": ("kube-system/cni-x1",)})
    assert what_may_pass(starting, NEW, options, rules, now=NOW) == plan(starting).refusals != ()
    cut_off = cluster().model_copy(update={"manifests": (NodeManifests(node="w1", unread="the connection was lost"),)})
    assert what_may_pass(cut_off, NEW, options, rules, now=NOW) == plan(cut_off).refusals != ()
    closed = starting.model_copy(update={"gates": ("gate night: closed",)})
    assert what_may_pass(closed, NEW, options, rules, now=NOW) == ()
    assert what_may_pass(cluster(), NEW, options, rules, now=NOW) == ()
    assert what_may_pass(starting, "latest", options, rules, now=NOW) == ()
