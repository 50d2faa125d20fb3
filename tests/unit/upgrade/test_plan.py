"""Whether a cluster is upgraded, in which order, and what a person is told before."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Refused
from tasks.core.models.plan import Caution, Refusal
from tasks.core.models.profile import UpgradeRules
from tasks.drain.models import CORDONED_BY, UNHEALTHY, Treatment, Verdict
from tasks.node_work.models.controllers import Leader
from tasks.node_work.models.health import Symptom
from tasks.node_work.models.waves import Waves
from tasks.nodes.models.nodes import PackageManager
from tasks.nodes.models.workloads import Webhook
from tasks.run.policy.approval import digest_of
from tasks.upgrade.models.manifests import NodeManifests, PodShape, StaticManifest
from tasks.upgrade.models.upgrade import ClusterFacts, UpgradeOptions, UpgradePlan
from tasks.upgrade.policy.plan import next_minor, plan_upgrade
from tasks.upgrade.policy.scope import newest_installable
from tests.facts import etcd as etcd_facts
from tests.facts.upgrade import (
    ALL,
    CONTROL_PLANES,
    GIB,
    NEW,
    NOW,
    OLD,
    PROGRAMS,
    cluster,
    controllers,
    forecast,
    kube_node,
    kube_proxy,
    machine,
    manifest,
    manifests,
    members,
    packages,
    static_pods,
    upgraded,
    workload,
)

MIB = 2**20
TWO_TWO = ("1.37.2-1.1",)
MINUTE = timedelta(minutes=1)
FLAG = "pod-infra-container-image"
Facts = Mapping[str, Any]


def plan(facts: ClusterFacts, version: str = NEW, rules: UpgradeRules | None = None, **options: object) -> UpgradePlan:
    """For these facts, with the safe options unless others are given."""
    return plan_upgrade(facts, version, UpgradeOptions.model_validate(options), rules or UpgradeRules(), now=NOW)


def told(items: tuple[Refusal, ...] | tuple[Caution, ...]) -> list[tuple[str, str, str]]:
    """As tuples."""
    return [(item.subject, item.problem, item.next_step) for item in items]


def acts(planned: UpgradePlan) -> list[tuple[str, str]]:
    """Who, what."""
    return [(step.subject, step.act) for step in planned.steps]


APPLY = f"kubeadm upgrade apply v{NEW}, drain, kubelet v{NEW}"
NODE = f"kubeadm upgrade node to v{NEW}, drain, kubelet v{NEW}"
LEADER = f"move etcd's leadership away, {NODE}"


# --- order


def test_control_planes_by_name_the_leader_last_then_workers_in_waves() -> None:
    """The first one applies, the others follow; nothing is refused, and nothing is worth a look."""
    planned = plan(cluster(history={"cp1": timedelta(seconds=144), "w1": timedelta(seconds=44)}))
    assert acts(planned) == [
        ("cp1", APPLY),
        ("cp3", NODE),
        ("cp2", LEADER),
        ("w1", f"wave 1: {NODE}"),
        ("w2", f"wave 2: {NODE}"),
    ]
    etcd = "etcd 3.6.16 to 3.7"
    held = "kubeadm, kubelet, kubectl held back: put back as found"
    assert [step.reason for step in planned.steps] == [
        f"control plane v1.36.3; {etcd}; evicts 2 pods; {held}; about 2 min by earlier reports",
        f"control plane v1.36.3; {etcd}; evicts 2 pods; {held}",
        f"control plane v1.36.3; {etcd}; the last: it leads etcd; evicts 2 pods; {held}",
        f"kubelet v1.36.3; the canary: the others wait for it; evicts 2 pods; {held}; about 44 s by earlier reports",
        f"kubelet v1.36.3; evicts 2 pods; {held}",
    ]
    assert (planned.refusals, planned.cautions, planned.skips, planned.hops) == ((), (), (), ())
    assert (planned.version, planned.before, planned.etcd_before) == (NEW, OLD, "3.6.16")
    assert [node.applies for node in planned.nodes] == [True, False, False, False, False]
    assert (planned.nodes[0].name, planned.nodes[0].kubelet, planned.nodes[0].target) == ("cp1", OLD, NEW)
    assert planned.nodes[3].evicted == ("shop/w1-a", "shop/w1-b")
    assert (planned.nodes[0].expected, planned.nodes[1].expected) == (timedelta(seconds=144), None)


def test_workers_go_in_waves_up_to_the_limit() -> None:
    """A canary, then twice as many, up to the limit; without canary all waves are full."""
    names = ("cp1", *(f"w{number}" for number in range(8)))
    facts = cluster(names=names, etcd=members(leader="cp1")[:1])
    waves = {"max_unavailable": "50%"}
    assert [[node.name for node in wave] for wave in plan(facts, waves=waves).waves] == [
        ["w0"],
        ["w1", "w2"],
        ["w3", "w4", "w5", "w6"],
        ["w7"],
    ]
    steady = plan(facts, waves=waves | {"canary": False})
    assert [len(wave) for wave in steady.waves] == [4, 4]
    assert not any("canary" in step.reason for step in steady.steps)
    alone = plan(facts, nodes=("cp1", "w3"), waves=waves)
    assert not any("canary" in step.reason for step in alone.steps)


def test_a_percentage_that_is_less_than_one_worker_is_said() -> None:
    """It is one then."""
    planned = plan(cluster(), waves={"max_unavailable": "10%"})
    assert told(planned.cautions) == [
        (
            "options.waves",
            "10 % of 2 workers is less than one: one at a time",
            "say a number, or a higher percentage",
        )
    ]
    assert [len(wave) for wave in planned.waves] == [1, 1]


def test_what_changes_by_the_minute_is_not_in_the_digest() -> None:
    """Pods and durations are not; the version, the order and the waves are."""
    base = plan(cluster())
    busier = plan(cluster(api={"forecasts": tuple(map(forecast, ALL))}, history={"cp1": MINUTE}))
    assert digest_of(base) == digest_of(busier)
    for other in (
        plan(cluster(), "1.37.1"),
        plan(cluster(etcd=members(leader="cp1"))),
        plan(cluster(), waves={"max_unavailable": "2", "canary": False}),
        plan(cluster(), nodes=CONTROL_PLANES),
    ):
        assert digest_of(other) != digest_of(base)


def test_what_is_ignored_of_kubeadm_is_named() -> None:
    """In the plan, and as a caution."""
    planned = plan(cluster(), rules=UpgradeRules(ignore_preflight_errors=("SystemVerification", "Swap")))
    assert planned.ignored == ("SystemVerification", "Swap")
    assert told(planned.cautions) == [
        (
            "kubeadm",
            "its preflight errors SystemVerification, Swap are ignored",
            "upgrade.ignore_preflight_errors of the profile",
        )
    ]


# --- nothing, or only a part, is to be done

DONE: Facts = {
    "machines": upgraded(*ALL),
    "nodes": upgraded(*ALL),
    "api": {"kubeadm_version": NEW, "workloads": (kube_proxy(NEW),), "version": NEW},
}


def changed(facts: Facts, **changes: Facts) -> ClusterFacts:
    """These facts of a cluster, with changes to machines, nodes or the API."""
    merged = dict(facts)
    for part, change in changes.items():
        before = facts.get(part, {})
        merged[part] = {
            **before,
            **{key: {**before.get(key, {}), **value} if part != "api" else value for key, value in change.items()},
        }
    return cluster(**merged)


def test_a_cluster_that_has_it_gets_a_plan_of_skips() -> None:
    """Success, and not an error; what is wrong with it is told, and refuses nothing."""
    planned = plan(cluster(**DONE))
    assert (planned.steps, planned.refusals, planned.cautions, planned.nodes) == ((), (), (), ())
    assert [(skip.subject, skip.reason) for skip in planned.skips] == [
        *((name, "its control plane and kubelet are at v1.37.2") for name in CONTROL_PLANES),
        *((name, "its kubelet is at v1.37.2") for name in ("w1", "w2")),
    ]
    ill = plan(changed(DONE, nodes={"w1": {"ready": False, "ready_message": "it has no network"}}))
    assert (ill.steps, ill.refusals) == ((), ())
    assert told(ill.cautions)[0][:2] == ("w1", "it is not Ready: it has no network")


def test_a_newer_kubeadm_on_a_node_that_has_it_changes_nothing() -> None:
    """Somebody prepares the next upgrade; an older one is told."""
    assert plan(changed(DONE, machines={"w1": {"kubeadm": "1.38.0"}, "w2": {"kubeadm": ""}})).steps == ()
    older = plan(changed(DONE, machines={"w1": {"kubeadm": OLD}}))
    assert (older.steps, older.refusals) == ((), ())
    assert told(older.cautions) == [
        (
            "w1",
            "kubeadm v1.36.3 is 1 minor older than kubelet v1.37.2, it must not be older",
            "install the kubeadm of its kubelet there: nothing else of it is to be done",
        )
    ]


def test_an_upgrade_that_was_stopped_between_nodes_is_gone_on_with() -> None:
    """Nodes that are done are skips, and nobody applies again."""
    planned = plan(
        cluster(
            machines=upgraded("cp1"), nodes=upgraded("cp1"), api={"kubeadm_version": NEW, "workloads": (kube_proxy(),)}
        )
    )
    assert acts(planned)[:2] == [("cp3", NODE), ("cp2", LEADER)]
    assert [skip.subject for skip in planned.skips] == ["cp1"]
    assert planned.refusals == ()


def test_a_newer_patch_than_what_was_stopped_is_fine() -> None:
    """All of it goes to the newer one; an older one is refused."""
    facts = cluster(machines=upgraded("cp1"), nodes=upgraded("cp1"), api={"kubeadm_version": NEW})
    told_of_older = told(plan(facts, "1.37.1").refusals)
    assert ("version", "v1.37.1 is older than v1.37.2, which the control plane runs in part") in {
        one[:2] for one in told_of_older
    }
    newer: dict[str, dict[str, Any]] = {
        name: {"packages": packages(candidates=dict.fromkeys(PROGRAMS, ("1.37.3-1.1",)))} for name in ALL
    }
    newer["cp1"]["version"] = NEW
    facts = cluster(machines=newer, nodes=upgraded("cp1"), api={"kubeadm_version": NEW})
    planned = plan(facts, "1.37.3")
    assert planned.refusals == ()
    assert planned.steps[0].act == "kubeadm upgrade apply v1.37.3, drain, kubelet v1.37.3"


def half(**changes: object) -> Facts:
    """What a machine says whose control plane is new, and whose kubelet is old."""
    return {"static_pods": static_pods(NEW, "3.7.0"), "api_version": NEW, "kubeadm": NEW} | changes


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        ({"machines": {"cp3": half()}}, ("cp3", APPLY)),
        ({"machines": {"cp3": half()}, "api": {"kubeadm_version": NEW}}, ("cp3", APPLY)),
        (
            {"machines": {"cp3": {"static_pods": static_pods(OLD), "kubelet": NEW}}},
            ("cp3", f"kubeadm upgrade apply v{NEW}, drain, restart kubelet (v{NEW} is installed)"),
        ),
        ({"machines": {"cp3": {"jobs": ("kubeadm-1-37-2-0a1b",)}}}, ("cp3", APPLY)),
        ({"nodes": {"cp3": {"cordoned": True, "annotations": {"kube-runbooks.io/cordoned-by": "r"}}}}, ("cp3", APPLY)),
        ({"machines": {"cp2": half()}}, ("cp2", f"move etcd's leadership away, {APPLY}")),
    ],
)
def test_a_node_that_was_begun_comes_first(facts: Facts, first: tuple[str, str]) -> None:
    """Also the leader; while no control plane node is through, the first one applies."""
    planned = plan(cluster(**facts))
    assert acts(planned)[0] == first
    assert "its upgrade is under way" in planned.steps[0].reason
    assert planned.nodes[0].begun
    assert [node.begun for node in planned.nodes[1:]] == [False] * 4
    assert planned.refusals == ()


@pytest.mark.parametrize("runs", [OLD, ""])
def test_a_kubelet_that_was_installed_and_not_restarted_is_planned_as_a_restart(runs: str) -> None:
    """Its process is what counts: as that says its version, else as the API has it."""
    planned = plan(cluster(machines={"w1": {"kubelet": NEW, "kubelet_runs": runs}}))
    step = next(step for step in planned.steps if step.subject == "w1")
    assert step.act == "wave 1: kubeadm upgrade node to v1.37.2, drain, restart kubelet (v1.37.2 is installed)"
    assert "kubelet v1.37.2 is installed, v1.36.3 still runs" in step.reason
    done = {"version": NEW} | {"kubelet_runs": NEW}
    skipped = plan(cluster(machines={"w1": done}, nodes=upgraded("w1")))
    assert [skip.subject for skip in skipped.skips] == ["w1"]
    stale = plan(cluster(machines={"w1": done | {"kubelet_runs": OLD}}, nodes=upgraded("w1")))
    assert "w1" in [step.subject for step in stale.steps]


def test_a_containerd_that_was_installed_and_not_restarted_does_not_count() -> None:
    """What runs has to answer the new kubelet; of a node with CRI-O it is not asked."""
    old = {"containerd": "2.1.4", "containerd_runs": "1.6.20"}
    planned = plan(cluster(machines={"w1": old}))
    assert [one.problem for one in planned.cautions] == [
        "containerd 1.6.20 runs, although 2.1.4 is installed: it was not restarted",
        "containerd 1.6.20 is older than 1.7: kubelet v1.37.2 warns and goes on",
    ]
    crio = {"active": {"kubelet": True, "crio": True}}
    assert plan(cluster(machines={"w1": old | crio}, nodes={"w1": {"runtime": "cri-o://1.36.0"}})).cautions == ()


def test_a_worker_that_was_begun_comes_first_and_the_canary_after_it() -> None:
    """It is out of service already."""
    done = {"machines": upgraded(*CONTROL_PLANES, "w2"), "nodes": upgraded(*CONTROL_PLANES), "api": DONE["api"]}
    names = (*ALL, "w3")
    planned = plan(cluster(names=names, **done))
    assert [(step.subject, "the canary" in step.reason) for step in planned.steps] == [
        ("w2", False),
        ("w1", True),
        ("w3", False),
    ]


def test_a_node_that_has_all_but_its_uncordon_gets_that() -> None:
    """A run ended right before; a failed one left its reason."""
    ours = {"cordoned": True, "annotations": {"kube-runbooks.io/cordoned-by": "run 1", "kube-runbooks.io/failed": "x"}}
    planned = plan(changed(DONE, nodes={"w1": ours}))
    assert acts(planned) == [("w1", "wave 1: prove that it is well, uncordon")]
    assert (planned.nodes[0].needs_kubeadm, planned.nodes[0].needs_kubelet) == (False, False)
    assert told(planned.cautions) == [("w1", "an earlier run left it cordoned: x", "make sure that the reason is gone")]


@pytest.mark.parametrize(
    ("api", "act", "reason"),
    [
        ({"kubeadm_version": OLD}, f"kubeadm upgrade apply v{NEW}", "kubeadm-config is at v1.36.3"),
        ({"workloads": (kube_proxy(OLD),)}, f"kubeadm upgrade node to v{NEW}", "kube-proxy is at v1.36.3"),
    ],
)
def test_what_the_cluster_lacks_when_all_nodes_are_done(api: Facts, act: str, reason: str) -> None:
    """The last act of kubeadm was cut off: one control plane node does it again, without a drain."""
    planned = plan(changed(DONE, api=api))
    assert acts(planned) == [("cp1", act)]
    assert reason in planned.steps[0].reason
    assert planned.refusals == ()
    assert plan(changed(DONE, api=api), nodes=("w1",)).steps == ()


# --- what was asked for


@pytest.mark.parametrize("version", ["", "1.37", "latest", "v1.37.2-rc.1"])
def test_a_malformed_version(version: str) -> None:
    """Refused with the value and the form, and nothing else is planned."""
    planned = plan(cluster(), version)
    assert told(planned.refusals) == [
        (
            "version",
            f"{version!r} is not a version of Kubernetes",
            "write major.minor.patch of a release, for example 1.37.2 or v1.37.2",
        )
    ]
    assert planned.steps == ()


INPUT_TABLE: dict[str, tuple[ClusterFacts, str, Facts, tuple[str, str, str]]] = {
    "older": (
        cluster(),
        "1.35.9",
        {},
        (
            "version",
            "v1.35.9 is older than v1.36.3, which the control plane runs: a downgrade over minors is not supported",
            "name a newer version; the only way back is etcd_restore_from_s3 and the packages of that version",
        ),
    ),
    "an older patch": (
        cluster(),
        "1.36.2",
        {},
        (
            "version",
            "v1.36.2 is older than v1.36.3, which the control plane runs",
            "say options.allow_patch_rollback=true to go back to an older patch of the same minor",
        ),
    ),
    "two minors": (
        cluster(),
        "1.38.0",
        {},
        (
            "version",
            "v1.36.3 to v1.38.0 is 2 minors, kubeadm goes one at a time",
            "say options.chain=true, or upgrade to the newest v1.37 first",
        ),
    ),
    "a chain over a minor that nobody has": (
        cluster(machines={"w2": {"packages": packages(candidates={})}}),
        "1.38.0",
        {"chain": True},
        (
            "version",
            "no version of v1.37 is known that can be installed: the chain goes through its newest patch",
            "make the repository of v1.37 reachable from the nodes, or name a version of v1.37 yourself",
        ),
    ),
    "an unknown node": (
        cluster(),
        NEW,
        {"nodes": ("cp1", "w9")},
        ("options.nodes", "w9 is no node of this cluster", "use some of cp1, cp2, cp3, w1, w2"),
    ),
    "workers while control planes are older": (
        cluster(machines=upgraded("cp1"), nodes=upgraded("cp1")),
        NEW,
        {"nodes": ("w1", "w2", "cp3")},
        (
            "options.nodes",
            "w1, w2 would get kubelets newer than the API servers of cp2",
            "name cp2 too, or upgrade the control plane first",
        ),
    ),
    "a node that does not answer": (
        cluster(machines={"w1": {"unreached": "connection refused"}}),
        NEW,
        {},
        ("w1", "not reached: connection refused", "bring it back, or check nodes: and ssh: of the profile"),
    ),
    "a control plane that does not answer, and is not asked for": (
        cluster(
            machines={**upgraded(*CONTROL_PLANES), "cp1": {"unreached": "timed out", "static_pods": ()}},
            nodes=upgraded(*CONTROL_PLANES),
        ),
        NEW,
        {"nodes": ("w1",)},
        ("cp1", "not reached: timed out", "bring it back, or check nodes: and ssh: of the profile"),
    ),
    "a node that the API has not": (
        cluster(api={"nodes": tuple(kube_node(name) for name in ALL if name != "w2")}),
        NEW,
        {},
        ("w2", "the profile has this node and the API has not", "join it to the cluster, or take it out of nodes:"),
    ),
    "a node that the profile has not": (
        cluster(api={"nodes": tuple(kube_node(name) for name in (*ALL, "w3"))}),
        NEW,
        {},
        (
            "w3",
            "the API has this node (kubelet v1.36.3) and the profile has not: it would stay behind",
            "add it to nodes: of the profile, or delete it from the API if it is gone",
        ),
    ),
    "no cluster of kubeadm": (
        cluster(api={"kubeadm_version": ""}),
        NEW,
        {},
        (
            "kubeadm-config",
            "kube-system/kubeadm-config does not say a version of Kubernetes",
            "this runbook upgrades what kubeadm made: look at that ConfigMap",
        ),
    ),
}


@pytest.mark.parametrize(("facts", "version", "options", "refusal"), INPUT_TABLE.values(), ids=INPUT_TABLE.keys())
def test_what_was_asked_for_is_refused(
    facts: ClusterFacts, version: str, options: Facts, refusal: tuple[str, str, str]
) -> None:
    """With the numbers, and the next step."""
    assert refusal in told(plan(facts, version, **options).refusals)


def test_a_gate_of_the_site_that_says_no_stops_it_before_the_lock() -> None:
    """In its own words."""
    facts = cluster().model_copy(update={"gates": ("gate latency: 2 (pod=web): it has to be at most 1",)})
    step = "wait until it lets the run go on, or change gates: of the profile"
    assert told(plan(facts).refusals) == [("gates", "gate latency: 2 (pod=web): it has to be at most 1", step)]


def test_all_refusals_at_once() -> None:
    """Not the first one only."""
    facts = cluster(
        machines={"w1": {"unreached": "no route"}, "w2": {"swap": True}, "cp1": {"api_ready": "500"}},
        nodes={"cp3": {"ready": False}},
        etcd=members(cp2=etcd_facts.unreached("cp2")),
    )
    assert {one.subject for one in plan(facts, "1.38.0", nodes=("w7", *ALL)).refusals} >= {
        *("version", "options.nodes", "w1", "w2", "cp1", "cp2", "cp3", "etcd"),
    }


def test_the_input_is_refused_also_where_nothing_is_to_be_done() -> None:
    """A node that the profile does not have would stay behind unseen."""
    facts = changed(DONE, api={"nodes": (*(kube_node(name, NEW) for name in ALL), kube_node("w3", OLD))})
    planned = plan(facts)
    assert planned.steps == ()
    assert [refusal.subject for refusal in planned.refusals] == ["w3"]


def test_a_part_of_the_cluster() -> None:
    """One node, or the workers once the control plane is done; what is left alone does not have to be well."""
    assert acts(plan(cluster(), nodes=("cp3",))) == [("cp3", APPLY)]
    facts = cluster(
        machines={**upgraded(*CONTROL_PLANES), "w2": {"unreached": "off"}},
        nodes={**upgraded(*CONTROL_PLANES), "w2": {"ready": False}},
        api={"kubeadm_version": NEW, "workloads": (kube_proxy(NEW),)},
    )
    planned = plan(facts, nodes=("w1",))
    assert acts(planned) == [("w1", f"wave 1: {NODE}")]
    assert planned.refusals == ()
    assert told(planned.cautions)[:2] == [
        ("w2", "not reached: off", "this run leaves it as it is"),
        ("w2", "it is not Ready", "look at its kubelet (`journalctl -u kubelet`)"),
    ]
    assert {skip.subject: skip.reason for skip in planned.skips}["w2"] == "it is not one of options.nodes"


def test_an_older_patch_by_an_option() -> None:
    """Within the minor; packages that are newer are put back."""
    older = {name: {"packages": packages(candidates=dict.fromkeys(PROGRAMS, ("1.36.2-1.1",)))} for name in ALL}
    facts = cluster(machines=older, target="1.36.2")
    planned = plan(facts, "1.36.2", allow_patch_rollback=True)
    assert planned.refusals == ()
    assert planned.steps[0].act == "kubeadm upgrade apply v1.36.2, drain, kubelet v1.36.2"
    assert ("cp1", "kubeadm v1.36.3 is newer than the target", "it is put back to v1.36.2") in told(planned.cautions)


# --- chains


def test_a_chain_is_planned_hop_by_hop() -> None:
    """The first hop in detail, through the newest patch that every node can install; the others by name, in the digest."""
    planned = plan(cluster(), "1.38.1", chain=True)
    assert planned.hops == ("1.37.2", "1.38.1")
    assert (planned.version, planned.before) == ("1.37.2", OLD)
    assert planned.refusals == ()
    assert acts(planned)[0] == ("cp1", APPLY)
    assert acts(planned)[-1] == ("all nodes", "then v1.37.2 to v1.38.1 in the same way")
    assert planned.steps[-1].reason.startswith("the next minor of the chain")
    assert digest_of(planned) != digest_of(plan(cluster(), NEW))
    assert digest_of(planned) != digest_of(plan(cluster(), "1.38.2", chain=True))


def test_a_chain_over_three_minors() -> None:
    """Newest patches come from the facts where the repositories were asked for one minor only."""
    facts = cluster(newest_patch={"1.38": "1.38.4", "1.37": "1.37.1"})
    planned = plan(facts, "1.39.0", chain=True)
    assert planned.hops == ("1.37.1", "1.38.4", "1.39.0")
    assert [step.act for step in planned.steps[-2:]] == [
        "then v1.37.1 to v1.38.4 in the same way",
        "then v1.38.4 to v1.39.0 in the same way",
    ]


def test_a_chain_of_one_is_none() -> None:
    """With the option on, too."""
    assert plan(cluster(), chain=True) == plan(cluster())


def test_a_chain_ends_what_was_stopped_first() -> None:
    """The first hop is the newest patch of the minor that is under way."""
    facts = cluster(machines=upgraded("cp1"), nodes=upgraded("cp1"), api={"kubeadm_version": NEW})
    assert plan(facts, "1.38.1", chain=True).hops == ("1.37.2", "1.38.1")


def test_what_the_end_of_a_chain_does_not_run_on_is_refused_before_its_start() -> None:
    """A kubelet that does not start in an hour is better known now."""
    facts = cluster(machines={"w1": {"containerd": "1.7.24"}}, api={"deprecated": {"apps/v1beta9/things": "1.38"}})
    problems = {one.subject: one.problem for one in plan(facts, "1.38.1", chain=True).refusals}
    assert problems["w1"] == "containerd 1.7.24: kubelet v1.38.1 needs 2.0 or newer (since v1.38)"
    assert "apps/v1beta9/things" in problems
    assert plan(facts).refusals == ()


@pytest.mark.parametrize(
    ("before", "target", "chain", "minor"),
    [
        (OLD, "1.38.0", True, "1.37"),
        (OLD, "1.38.0", False, "1.38"),
        (OLD, "v1.37.2", True, "1.37"),
        (OLD, "1.36.4", True, "1.36"),
        (OLD, "1.35.0", True, "1.35"),
    ],
)
def test_the_minor_whose_repository_is_asked(before: str, target: str, minor: str, *, chain: bool) -> None:
    """Of a chain the next one."""
    assert next_minor(before, target, chain=chain) == minor
    with pytest.raises(Refused, match="is not a version of Kubernetes"):
        next_minor(before, "1.37", chain=chain)


def test_the_newest_version_that_every_node_can_install() -> None:
    """Of kubeadm and kubelet; what one node does not have is not there."""
    all_of_them = [machine("w1"), machine("w2")]
    assert newest_installable(all_of_them) == {"1.37": "1.37.2"}
    fewer = packages(candidates={"kubeadm": ("1.37.2-1.1", "1.37.1-1.1"), "kubelet": ("1.37.1-1.1",)})
    assert newest_installable([*all_of_them, machine("w3", packages=fewer)]) == {"1.37": "1.37.1"}
    assert newest_installable([machine("w1", packages=packages(candidates={}))]) == {}
    assert newest_installable([]) == {}


# --- machines

OTHER_OS = {"os": "fedora", "os_version": "44", "packages": packages(manager=PackageManager.DNF)}

MACHINE_TABLE: dict[str, tuple[Facts, tuple[str, str]]] = {
    "another system": (
        {"os": "flatcar", "os_version": "4000", "packages": packages(manager="")},
        (
            "flatcar 4000 has neither apt nor dnf",
            "upgrade this node by hand, and name the others in options.nodes",
        ),
    ),
    "an unknown system": (
        {"os": "", "os_version": "", "packages": packages(manager="")},
        ("an unknown system has neither apt nor dnf", "upgrade this node by hand, and name the others"),
    ),
    "half-configured packages": (
        {"packages": packages(broken=("kubelet", "libc6"))},
        ("half-configured packages: kubelet, libc6", "run `dpkg --configure -a` and `apt-get -f install` there"),
    ),
    "a repository that does not answer": (
        {"packages": packages(candidates={}, problem="404 Not Found")},
        ("its repository of v1.37 could not be asked: 404 Not Found", "make the repository reachable from the node"),
    ),
    "no repository of Kubernetes": (
        {"packages": packages(candidates={}, repositories={})},
        (
            "no file of it names a repository of Kubernetes (core:/stable:/vN.NN)",
            "add the community's repository, or a mirror of it with that path",
        ),
    ),
    "a version that the repository has not": (
        {"packages": packages(candidates=dict.fromkeys(PROGRAMS, TWO_TWO) | {"kubelet": ("1.37.0-1.1", "1.37.1-2.1")})},
        ("kubelet v1.37.2 cannot be installed: its repository has v1.37.0 to v1.37.1", "name a version that is there"),
    ),
    "a package that the repository has not": (
        {"packages": packages(candidates={"kubelet": ("1.37.2-1.1",), "kubectl": ("1.37.2-1.1",)})},
        ("kubeadm v1.37.2 cannot be installed: its repository has no kubeadm", "look at the repository of v1.37"),
    ),
    "no space for packages and images": (
        {"free_bytes": {"/var/lib": 2 * GIB - 1, "/etc/kubernetes": 9 * GIB}},
        ("/var/lib has 1.9 GiB free, packages and images need 2.0 GiB", "free space there"),
    ),
    "an authority that is being rotated": (
        {"ca_rotations": ("ca",)},
        (
            "a rotation of ca has begun there and not ended: kubeadm would write its files as it thinks right",
            "bring it to its end first: docs/ca-rotation.md",
        ),
    ),
    "swap": (
        {"swap": True},
        (
            "swap is on, and failSwapOn of its kubelet is not false: the kubelet would not start again",
            "run `swapoff -a` and take swap out of /etc/fstab",
        ),
    ),
    "no kubelet": (
        {"active": {"kubelet": False, "containerd": True}},
        ("kubelet does not run", "look at `journalctl -u kubelet`, and start it"),
    ),
    "no containerd": (
        {"active": {"kubelet": True, "containerd": False}},
        ("containerd does not run", "look at `journalctl -u containerd`, and start it"),
    ),
    "cgroup v1": (
        {"cgroup_version": 1},
        (
            "it runs cgroup v1, which kubelet v1.37.2 refuses to start on (since v1.35)",
            "boot it with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or set failCgroupV1: false in "
            "kube-system/kubelet-config",
        ),
    ),
    "cgroup v1, allowed on the node only": (
        {"cgroup_version": 1, "fail_cgroup_v1": False},
        (
            "it runs cgroup v1, which kubelet v1.37.2 refuses to start on (since v1.35); failCgroupV1: false in its own "
            "configuration goes away: kubeadm writes it from kubelet-config",
            "boot it with cgroup v2",
        ),
    ),
    "a removed flag of the operator's": (
        {"flag_files": {"/etc/default/kubelet": (FLAG, "v")}},
        (
            "/etc/default/kubelet has --pod-infra-container-image, which the kubelet does not know since v1.35: it would "
            "not start",
            "take --pod-infra-container-image out of /etc/default/kubelet: kubeadm does that in "
            "/var/lib/kubelet/kubeadm-flags.env only",
        ),
    ),
    "a removed flag in sysconfig": (
        {"flag_files": {"/etc/sysconfig/kubelet": (FLAG,), "/var/lib/kubelet/kubeadm-flags.env": (FLAG,)}},
        (
            "/etc/sysconfig/kubelet has --pod-infra-container-image",
            "take --pod-infra-container-image out of /etc/sysconfig",
        ),
    ),
    "a removed flag in a drop-in": (
        {"kubelet_flags": ("config", FLAG)},
        (
            "the kubelet's unit or a drop-in of it has --pod-infra-container-image",
            "out of the kubelet's unit or a drop-in",
        ),
    ),
    "an expired certificate": (
        {"certificates": {"/a.crt": NOW, "/b.crt": NOW - timedelta(days=2), "/c.crt": NOW + timedelta(days=9)}},
        (
            "expired, the first at 2026-11-22T12:00:00Z: /a.crt, /b.crt",
            "renew them first: cert_rotation",
        ),
    ),
    "a clock that is ahead": (
        {"clock_offset": timedelta(seconds=31)},
        ("its clock is 31.0 s ahead of the worker's, 30 s are allowed", "look at its time service (`timedatectl`)"),
    ),
    "a clock that is behind": (
        {"clock_offset": timedelta(seconds=-90)},
        ("its clock is 90.0 s behind the worker's, 30 s are allowed", "look at its time service (`timedatectl`)"),
    ),
}


@pytest.mark.parametrize(("changes", "refusal"), MACHINE_TABLE.values(), ids=MACHINE_TABLE.keys())
def test_what_a_machine_lacks_is_refused(changes: Facts, refusal: tuple[str, str]) -> None:
    """With the numbers and the next step; a machine that this run leaves alone may lack it."""
    facts = cluster(machines={"w1": changes})
    (only,) = plan(facts).refusals
    assert only.subject == "w1"
    assert only.problem.startswith(refusal[0])
    assert refusal[1] in only.next_step
    assert plan(facts, nodes=(*CONTROL_PLANES, "w2")).refusals == ()


MACHINE_CAUTIONS: dict[str, tuple[Facts, tuple[str, str]]] = {
    "dnf": (
        OTHER_OS,
        (
            "fedora 44 with dnf: proven end to end are Debian and Ubuntu with apt",
            "try it on one worker first: options.nodes",
        ),
    ),
    "apt on another system": (
        {"os": "altlinux", "os_version": "11"},
        ("altlinux 11 with apt: proven end to end are Debian", "try it on one worker first"),
    ),
    "an old containerd": (
        {"containerd": "1.6.36"},
        (
            "containerd 1.6.36 is older than 1.7: kubelet v1.37.2 warns and goes on",
            "upgrade containerd: v1.38 needs 2.0",
        ),
    ),
    "unknown space": (
        {"free_bytes": {"/etc/kubernetes": GIB}},
        ("how much of /var/lib is free is not known", "packages and images need 2.0 GiB"),
    ),
    "a certificate that expires soon": (
        {"certificates": {"/a.crt": NOW + timedelta(days=7), "/b.crt": NOW + timedelta(days=7, seconds=1)}},
        ("expires soon, the first at 2026-12-01T12:00:00Z: /a.crt", "kubeadm renews a control plane's certificates"),
    ),
    "a clock that is off": (
        {"clock_offset": timedelta(seconds=-2.5)},
        ("its clock is 2.5 s behind the worker's", "look at its time service (`timedatectl`)"),
    ),
    "a newer kubeadm": (
        {"kubeadm": "1.38.0"},
        ("kubeadm v1.38.0 is newer than the target", "it is put back to v1.37.2"),
    ),
    "a job of ours": (
        {"jobs": ("stage-1-37-2-0a1b",)},
        ("jobs of ours run there now: stage-1-37-2-0a1b", "this run goes on with them"),
    ),
}


@pytest.mark.parametrize(("changes", "caution"), MACHINE_CAUTIONS.values(), ids=MACHINE_CAUTIONS.keys())
def test_what_is_worth_a_look_on_a_machine(changes: Facts, caution: tuple[str, str]) -> None:
    """It stops nothing."""
    planned = plan(cluster(machines={"w1": changes}))
    (only,) = planned.cautions
    assert planned.refusals == ()
    assert only.subject == "w1"
    assert only.problem.startswith(caution[0])
    assert only.next_step.startswith(caution[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"os": "linuxmint", "os_like": ("ubuntu", "debian")},
        {"swap": True, "fail_swap_on": False},
        {"active": {"kubelet": True, "containerd": True, "crio": False, "docker": False}},
        {"containerd": "1.7.24"},
        {"containerd": ""},
        {"flag_files": {"/var/lib/kubelet/kubeadm-flags.env": (FLAG,)}, "kubelet_flags": (FLAG,)},
        {"clock_offset": timedelta(seconds=2)},
        {"free_bytes": {"/var/lib": 2 * GIB}},
        {"packages": packages(NEW, candidates={}, problem="404")},
        {
            "packages": packages(candidates=dict.fromkeys(("kubeadm", "kubelet"), TWO_TWO)).model_copy(
                update={"installed": {}}
            )
        },
        {"cgroup_version": 0},
    ],
)
def test_what_is_fine_on_a_machine(changes: Facts) -> None:
    """Neither refused nor worth a look: swap that is meant, flags that kubeadm strips, packages that are there."""
    planned = plan(cluster(machines={"w1": changes}))
    assert (planned.refusals, planned.cautions) == ((), ())


def test_a_runtime_is_asked_for_by_what_the_node_says() -> None:
    """With CRI-O a containerd that is installed need not run, and CRI-O has to."""
    crio = {"w1": {"runtime": "cri-o://1.36.0"}}
    assert plan(cluster(machines={"w1": {"active": {"containerd": False, "crio": True}}}, nodes=crio)).refusals == ()
    (one,) = plan(cluster(machines={"w1": {"active": {"containerd": True, "crio": False}}}, nodes=crio)).refusals
    assert one.problem == "crio does not run"


def test_cgroup_v1_is_fine_where_the_clusters_configuration_allows_it_or_the_minor_does() -> None:
    """What kubeadm writes counts, not what the node has."""
    old = {"w1": {"cgroup_version": 1}}
    assert plan(cluster(machines=old, api={"kubelet_fail_cgroup_v1": False})).refusals == ()
    assert plan(cluster(machines=old, api={"kubelet_fail_cgroup_v1": True})).refusals != ()
    minor = {
        name: {
            "version": "1.33.1",
            "cgroup_version": 1,
            "flag_files": {"/etc/default/kubelet": (FLAG,)},
            "packages": packages(candidates=dict.fromkeys(PROGRAMS, ("1.34.0-1.1",))),
        }
        for name in ALL
    }
    api = {"kubeadm_version": "1.33.1", "version": "1.33.1", "workloads": ()}
    facts = cluster(machines=minor, nodes={name: {"version": "1.33.1"} for name in ALL}, api=api, target="1.34.0")
    assert plan(facts, "1.34.0").refusals == ()


def test_control_planes_that_are_not_named_are_told_and_keep_the_addons() -> None:
    """Of three, one is done already, one is asked for, and one stays behind."""
    planned = plan(cluster(machines=upgraded("cp1"), nodes=upgraded("cp1")), nodes=("cp2",))
    assert planned.left_behind == ("cp3",)
    assert told(planned.cautions) == [
        (
            "options.nodes",
            "cp3 would stay older: CoreDNS and kube-proxy are moved with the last control plane node",
            "run it again for cp3 soon",
        )
    ]
    assert plan(cluster(machines=upgraded("cp1"), nodes=upgraded("cp1"))).left_behind == ()


def test_repositories_that_were_asked_for_another_minor_say_nothing() -> None:
    """It is seen before anything stops."""
    for asked in ("1.36.4", ""):
        planned = plan(cluster(target=asked), nodes=("cp1",))
        assert [one for one in told(planned.cautions) if one[0] == "cp1"] == [
            (
                "cp1",
                "its repositories were not asked for v1.37, where v1.37.2 is",
                "whether it can be installed is seen when the packages are staged, before anything stops",
            )
        ]


def test_kubeadms_copy_of_the_etcd_directory_needs_space() -> None:
    """One and a half times its size; not on workers."""
    tight = {"etcd_bytes": 4 * GIB, "free_bytes": {"/var/lib": 9 * GIB, "/etc/kubernetes": 6 * GIB - 1}}
    assert told(plan(cluster(machines={"cp1": tight})).refusals) == [
        (
            "cp1",
            "/etc/kubernetes has 5.9 GiB free, kubeadm's copy of the etcd directory needs 6.0 GiB",
            "free space there, for example old copies in /etc/kubernetes/tmp",
        )
    ]
    enough = tight | {"free_bytes": {"/var/lib": 9 * GIB, "/etc/kubernetes": 6 * GIB}}
    assert plan(cluster(machines={"cp1": enough})).refusals == ()
    small = {"etcd_bytes": 100 * MIB, "free_bytes": {"/var/lib": 9 * GIB, "/etc/kubernetes": 149 * MIB}}
    assert "has 149.0 MiB free, kubeadm's copy of the etcd directory needs 150.0 MiB" in (
        plan(cluster(machines={"cp1": small})).refusals[0].problem
    )


@pytest.mark.parametrize(
    ("without", "missing"),
    [("etcd", "etcd"), ("kube-scheduler", "kube-scheduler"), ("kube-apiserver", "kube-apiserver")],
)
def test_a_control_plane_needs_its_manifests(without: str, missing: str) -> None:
    """Also one that is known by its role only; etcd's where the others have it."""
    refusals = told(plan(cluster(machines={"cp3": {"static_pods": static_pods(without=without)}})).refusals)
    assert (
        "cp3",
        f"no manifest of {missing}: kubeadm upgrades what it finds in /etc/kubernetes/manifests",
        "put it back (kubeadm's copies are in /etc/kubernetes/tmp), or join this control plane node anew",
    ) in refusals


# --- versions that run


VERSION_TABLE: dict[str, tuple[ClusterFacts, tuple[str, str, str]]] = {
    "API servers two minors apart": (
        cluster(
            machines={
                "cp1": {"api_version": "1.35.1", "static_pods": static_pods("1.35.1"), "kubelet": "1.35.1"},
                **upgraded("cp3"),
            },
            nodes={"cp1": {"version": "1.35.1"}, **upgraded("cp3")},
        ),
        (
            "API servers",
            "kube-apiserver v1.35.1 is 2 minors older than API server v1.37.2, at most 1 minor allowed "
            "(cp1 v1.35.1, cp2 v1.36.3, cp3 v1.37.2)",
            "upgrade the older ones to v1.36 first",
        ),
    ),
    "a worker's kubelet that is newer than the oldest API server": (
        cluster(machines=upgraded("cp1"), nodes=upgraded("cp1", "w1"), api={"kubeadm_version": NEW}),
        (
            "w1",
            "kubelet v1.37.2 is 1 minor newer than API server v1.36.3, it must not be newer",
            "put its kubelet back to v1.36.3 first",
        ),
    ),
    "a control plane's kubelet that is newer than its own API server": (
        cluster(machines=upgraded("cp1"), nodes=upgraded("cp1", "cp3"), api={"kubeadm_version": NEW}),
        (
            "cp3",
            "kubelet v1.37.2 is 1 minor newer than API server v1.36.3, it must not be newer",
            "put its kubelet back to v1.36.3 first",
        ),
    ),
    "a kubelet that the target would leave behind": (
        cluster(nodes={"w1": {"version": "1.33.9"}}),
        (
            "w1",
            "once the control plane is at v1.37.2, kubelet v1.33.9 is 4 minors older than API server v1.37.2, at most 3 "
            "minors allowed",
            "upgrade its kubelet to v1.34 or newer first",
        ),
    ),
    "a kube-proxy that the target would leave behind": (
        cluster(api={"workloads": (kube_proxy("1.33.9"),)}),
        (
            "kube-proxy",
            "kube-proxy v1.33.9 is 4 minors older than API server v1.37.2, at most 3 minors allowed",
            "upgrade kube-proxy to the version of the control plane first",
        ),
    ),
    "an API that the target has not": (
        cluster(api={"deprecated": {"apps/v1beta9/things": "1.37"}}),
        (
            "apps/v1beta9/things",
            "somebody asks for it, and it is gone in v1.37: v1.37.2 does not have it",
            "find who asks (audit log, user agents) and move them, or say options.allow_removed_apis=true",
        ),
    ),
}


@pytest.mark.parametrize(("facts", "refusal"), VERSION_TABLE.values(), ids=VERSION_TABLE.keys())
def test_versions_that_do_not_go_together(facts: ClusterFacts, refusal: tuple[str, str, str]) -> None:
    """By the version-skew policy, with its numbers."""
    refusals = told(plan(facts).refusals)
    assert refusal in refusals
    assert {one[0] for one in refusals} <= {refusal[0], "version", "w1", "w2"}


def test_versions_that_are_worth_a_look() -> None:
    """A kubelet over several minors at once; APIs that go later, or by an option now."""
    planned = plan(
        cluster(nodes={"w1": {"version": "1.34.9"}}, api={"deprecated": {"a/v1/b": "1.38", "c/v1/d": "soon"}})
    )
    assert planned.refusals == ()
    assert told(planned.cautions) == [
        ("w1", "its kubelet goes over 3 minors at once, from v1.34.9", "it is drained for that"),
        ("a/v1/b", "somebody asks for it; v1.38 does not have it any more", "find who, and move them"),
        ("c/v1/d", "somebody asks for it; vsoon does not have it any more", "find who, and move them"),
    ]
    allowed = plan(cluster(api={"deprecated": {"a/v1/b": "1.37"}}), allow_removed_apis=True)
    assert allowed.refusals == ()
    assert allowed.cautions[0].problem == "somebody asks for it, and v1.37.2 does not have it"


def test_versions_that_are_not_known_refuse_nothing_by_themselves() -> None:
    """An API server that does not answer, or a kube-proxy by another tag, is the business of other rules."""
    mute = {name: {"api_version": "", "static_pods": ()} for name in CONTROL_PLANES}
    facts = cluster(machines=mute, nodes={"w1": {"kubelet": "none"}}, api={"workloads": (kube_proxy("latest"),)})
    subjects = {refusal.subject for refusal in plan(facts).refusals}
    assert subjects == set(CONTROL_PLANES)
    unknown = cluster(machines=mute, api={"kubeadm_version": "", "version": ""})
    planned = plan(unknown, chain=True)
    assert "kubeadm-config" in {refusal.subject for refusal in planned.refusals}
    assert planned.before == ""
    assert planned.steps[0].reason.startswith("control plane of an unknown version")


# --- etcd


def test_members_that_are_too_old_for_the_next_minor_of_etcd() -> None:
    """Each of them, with the minimum and the way there."""
    old = etcd_facts.member("cp3", version="3.6.10")
    planned = plan(cluster(etcd=(*members(version="3.6.8")[:2], old)))
    step = (
        "move etcd first: run rolling_upgrade with version=1.36.3 and options.etcd_image_tag=3.6.11-0 or newer; then this "
        "one with options.etcd_image_tag=default"
    )
    assert told(planned.refusals) == [
        (name, f"etcd {version} must not go to 3.7: every member has to run 3.6.11 or newer before", step)
        for name, version in (("cp1", "3.6.8"), ("cp2", "3.6.8"), ("cp3", "3.6.10"))
    ]
    assert planned.etcd_before == "3.6.10 and 3.6.8"


def test_etcd_is_moved_first_by_a_run_with_the_current_version() -> None:
    """Without a drain: kubeadm moves it to the tag of its configuration. The next run has nothing to do."""
    old_pods = {name: {"static_pods": static_pods(etcd="3.6.8")} for name in CONTROL_PLANES}
    facts = cluster(machines=old_pods, etcd=members(version="3.6.8"), target=OLD)
    assert plan(facts, OLD).steps == ()
    planned = plan(facts, OLD, etcd_image_tag="3.6.16-0")
    assert acts(planned) == [
        ("kubeadm-config", "pin etcd.local.imageTag to 3.6.16-0"),
        ("cp1", "kubeadm upgrade apply v1.36.3"),
        ("cp3", "kubeadm upgrade node to v1.36.3"),
        ("cp2", "move etcd's leadership away, kubeadm upgrade node to v1.36.3"),
    ]
    assert (planned.refusals, planned.cautions) == ((), ())
    assert planned.steps[0].reason == "options.etcd_image_tag; it was not pinned"
    assert "etcd 3.6.8 to 3.6.16" in planned.steps[1].reason
    pinned = {"etcd_image_tag": "3.6.16-0"}
    again = cluster(machines=old_pods, api=pinned, etcd=members(version="3.6.8"), target=OLD)
    assert acts(plan(again, OLD)) == acts(planned)[1:]
    assert plan(cluster(api=pinned), OLD, etcd_image_tag="3.6.16-0").steps == ()


def test_a_pin_is_taken_out_for_kubeadms_own_etcd() -> None:
    """Before the first node, or for a cluster that has its version already: then only etcd moves."""
    planned = plan(cluster(api={"etcd_image_tag": "3.6.16-0"}), etcd_image_tag="default")
    assert acts(planned)[:2] == [("kubeadm-config", "take etcd.local.imageTag out"), ("cp1", APPLY)]
    assert (planned.refusals, planned.cautions) == ((), ())
    assert planned.steps[0].reason == "options.etcd_image_tag; it was 3.6.16-0"
    assert "etcd 3.6.16 to 3.7" in planned.steps[1].reason
    left = {name: {"static_pods": static_pods(NEW, "3.6.16")} for name in CONTROL_PLANES}
    facts = changed(DONE, machines=left, api={"etcd_image_tag": "3.6.16-0"})
    assert plan(facts).steps == ()
    assert acts(plan(facts, etcd_image_tag="default"))[1] == ("cp1", f"kubeadm upgrade apply v{NEW}")


@pytest.mark.parametrize(
    ("tag", "version", "caution"),
    [
        ("3.6.16-0", NEW, "kubeadm-config pins etcd 3.6.16-0: kubeadm keeps it, its own for v1.37.2 is 3.7"),
        ("3.6.16-0", "1.38.0", "kubeadm-config pins etcd 3.6.16-0: kubeadm keeps it, its own is not known here"),
        ("ours", NEW, "kubeadm-config pins etcd ours, which is no version"),
        ("", "1.38.0", "which etcd kubeadm v1.38.0 brings is not known here"),
    ],
)
def test_etcd_that_is_pinned_or_not_known(tag: str, version: str, caution: str) -> None:
    """Said, and not refused; a pin of the same minor is nothing to say."""
    facts = cluster(api={"etcd_image_tag": tag}, etcd=members(version="3.6.8" if tag != "ours" else "3.6.16"))
    planned = plan(facts, version)
    assert [one.problem for one in planned.cautions if one.subject == "etcd"] == [caution]
    assert not [one for one in planned.refusals if "etcd" in one.problem]


def test_a_pin_decides_where_etcd_goes() -> None:
    """To a minor that members are too old for, or over two minors."""
    facts = cluster(api={"etcd_image_tag": "3.7.1-0"}, etcd=members(version="3.6.8"))
    assert "3.6.11 or newer" in plan(facts).refusals[0].problem
    assert not [one for one in plan(facts).cautions if one.subject == "etcd"]
    far = plan(cluster(etcd=members(version="3.5.30")))
    assert told(far.refusals)[0] == (
        "cp1",
        "etcd 3.5.30 to 3.7 is more than one minor",
        "move etcd minor by minor, with options.etcd_image_tag",
    )


def test_etcd_outside_of_the_control_plane_is_not_kubeadms() -> None:
    """Its version is not judged, its health is; nobody leaves its quorum."""
    outside = tuple(etcd_facts.member(f"e{number}", is_leader=number == 0, version="3.5.9") for number in range(2))
    pods = {name: {"static_pods": static_pods(etcd="")} for name in CONTROL_PLANES}
    planned = plan(cluster(machines=pods, etcd=outside))
    assert (planned.refusals, planned.cautions) == ((), ())
    assert acts(planned)[1] == ("cp2", NODE)
    ill = plan(cluster(machines=pods, etcd=(outside[0], etcd_facts.unreached("e1"))))
    assert [(one.subject, one.problem) for one in ill.refusals] == [("e1", "connection refused")]


REPAIR = "repair it first: while another one restarts it is needed"
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
            "run etcd_maintenance: it ends NOSPACE when there is space; for CORRUPT replace the member",
        ),
    ),
    "no leader": (
        {"cp2": etcd_facts.member("cp2")},
        ("etcd", "no member that answers leads", "look at the members and the network between them"),
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
    away = "the only control plane node: API, scheduler and controller manager are away while it is upgraded"
    assert told(plan(single).refusals) == [("cp1", away, "say options.allow_downtime=true at a time when that is fine")]
    assert plan(single, nodes=("w1",)).refusals[0].subject == "options.nodes"
    one = plan(single, allow_downtime=True)
    assert one.refusals == ()
    assert told(one.cautions) == [("cp1", away, "options.allow_downtime says that this is fine")]
    assert acts(one)[0] == ("cp1", APPLY)
    assert "the last" not in one.steps[0].reason
    none = plan(cluster(etcd=()))
    assert told(none.refusals) == [
        ("etcd", "no members are known", "look at the manifests of etcd and at etcd.endpoints of the profile")
    ]
    strange = plan(cluster(etcd=tuple(etcd_facts.member(f"m{n}", is_leader=n == 0) for n in range(2))))
    assert strange.refusals == ()


# --- what kubeadm takes away

GIVE_IT = (
    "set it in kubeadm-config: extraArgs, extraVolumes and extraEnvs of ClusterConfiguration "
    "(`kubectl -n kube-system edit configmap kubeadm-config`)"
)
ENCRYPTED = PodShape(flags={"encryption-provider-config": ("/etc/kubernetes/enc.yaml",), "profiling": ("false",)})


def manifests_of(**changed: NodeManifests) -> ClusterFacts:
    """A good cluster, with other manifests on some of its nodes."""
    return cluster(manifests=tuple(changed.get(name) or manifests(name) for name in CONTROL_PLANES))


def test_encryption_that_kubeadm_config_does_not_give_refuses_the_upgrade() -> None:
    """Without it the new API server could not read the Secrets; with it in kubeadm-config nothing is lost."""
    changed = manifests("cp2", manifest("kube-apiserver", ENCRYPTED))
    planned = plan(manifests_of(cp2=changed))
    lost = "kubeadm would write kube-apiserver without --encryption-provider-config=/etc/kubernetes/enc.yaml"
    harm = "the new API server could not read the Secrets that are encrypted"
    assert told(planned.refusals) == [("cp2", f"{lost}: {harm}", GIVE_IT)]
    assert plan(manifests_of(cp2=manifests("cp2", manifest("kube-apiserver", ENCRYPTED, ENCRYPTED)))).refusals == ()
    assert plan(manifests_of(cp2=changed), nodes=("w1",)).refusals[0].subject == "options.nodes"


def test_what_else_kubeadm_takes_away_is_a_row_for_each_component() -> None:
    """With the nodes that have it; one that is not upgraded by kubeadm keeps it."""
    profiling, quiet = PodShape(flags={"profiling": ("false",)}), PodShape(flags={"profiling": ("false",), "v": ("1",)})
    bare = PodShape()
    facts = manifests_of(
        cp1=manifests("cp1", manifest("kube-scheduler", profiling, bare)),
        cp2=manifests("cp2", manifest("kube-scheduler", profiling, bare)),
        cp3=manifests("cp3", manifest("kube-scheduler", quiet, bare), manifest("etcd", profiling, bare)),
    )
    planned = plan(facts)
    assert planned.refusals == ()
    does_not = "kubeadm-config does not set it, and this runbook applies no --patches"
    step = f"{GIVE_IT}; what has no place there, write again after the upgrade"
    assert told(planned.cautions) == [
        ("etcd", f"kubeadm takes away --profiling=false (cp3): {does_not}", step),
        (
            "kube-scheduler",
            f"kubeadm takes away --profiling=false (cp1, cp2, cp3); --v=1 (cp3): {does_not}",
            step,
        ),
    ]
    done = facts.model_copy(update={"nodes": cluster(machines=upgraded("cp3"), nodes=upgraded("cp3")).nodes})
    done = done.model_copy(update={"api": cluster(nodes=upgraded("cp3")).api})
    assert [one.subject for one in plan(done).cautions] == ["kube-scheduler"]


def test_a_quota_that_the_database_needs_is_kept_or_nothing_is_done() -> None:
    """By the size that the member of that very node tells."""
    quota = PodShape(flags={"quota-backend-bytes": ("8589934592",)})
    changed = manifests("cp1", manifest("etcd", quota, PodShape()))
    small = plan(manifests_of(cp1=changed))
    assert (small.refusals, [one.subject for one in small.cautions]) == ((), ["etcd"])
    large = etcd_facts.member("cp1", version="3.6.16", db_size=3 * GIB)
    facts = manifests_of(cp1=changed).model_copy(update={"etcd": cluster(etcd=members(cp1=large)).etcd})
    assert [one.subject for one in plan(facts).refusals] == ["cp1"]
    unknown = facts.model_copy(update={"etcd": cluster(etcd=()).etcd})
    assert [one.subject for one in plan(unknown).refusals] == ["etcd"]


def test_a_manifest_that_is_not_understood_is_no_manifest_without_flags() -> None:
    """Nor is one that was not read, nor one beside which nothing could be rendered."""
    broken = StaticManifest(component="kube-apiserver", problem="it is no YAML: line 3")
    (refusal,) = plan(manifests_of(cp1=manifests("cp1", broken))).refusals
    assert refusal.subject == "cp1"
    assert refusal.problem.endswith("nobody knows what kubeadm would take away: it is no YAML: line 3")
    none = plan(manifests_of(cp1=NodeManifests(node="cp1", problem="sshd is away"))).refusals
    assert told(none) == [("cp1", "its manifests could not be read: sshd is away", "repair that, then plan again")]
    silent = cluster(manifests=tuple(manifests(name) for name in ("cp1", "cp2")))
    assert plan(silent).refusals[0].problem == "its manifests could not be read: there are none"
    unknown = "kubeadm could not render its manifests: there is no kubeadm"
    seen = plan(manifests_of(cp1=manifests("cp1", problem="there is no kubeadm")))
    assert (seen.refusals, [(one.subject, one.problem) for one in seen.cautions]) == ((), [("cp1", unknown)])
    encrypted = manifests("cp1", manifest("kube-apiserver", ENCRYPTED), problem="there is no kubeadm")
    refused = plan(manifests_of(cp1=encrypted.model_copy(update={"manifests": encrypted.manifests}))).refusals
    assert f"{unknown}; it may take --encryption-provider-config away" in [one.problem for one in refused]


# --- health

HEALTH_TABLE: dict[str, tuple[Facts, tuple[str, str, str]]] = {
    "not Ready": (
        {"nodes": {"w1": {"ready": False, "ready_message": "container runtime is down"}}},
        ("w1", "it is not Ready: container runtime is down", "look at its kubelet (`journalctl -u kubelet`)"),
    ),
    "Ready, and silent": (
        {"nodes": {"w1": {"heartbeat": NOW - timedelta(seconds=91)}}},
        (
            "w1",
            "its last heartbeat is 91 s old, although it is called Ready",
            "look at its kubelet, and at the controller manager, which should have seen it",
        ),
    ),
    "pressure": (
        {"nodes": {"cp1": {"pressures": ("DiskPressure", "PIDPressure")}}},
        ("cp1", "it reports DiskPressure, PIDPressure", "look at its disk, its memory and its network"),
    ),
    "an API server that is not ready": (
        {"machines": {"cp1": {"api_ready": "500"}}},
        ("cp1", "its own API server's /readyz: HTTP 500", "look at it: `crictl ps -a`, and its log"),
    ),
    "an API server that does not answer": (
        {"machines": {"cp1": {"api_ready": "000"}}},
        ("cp1", "its own API server's /readyz: no answer", "look at it: `crictl ps -a`, and its log"),
    ),
    "CoreDNS": (
        {"api": {"workloads": (workload("kube-system/coredns", ready=1), kube_proxy())}},
        ("kube-system/coredns", "Deployment with 1 of 2 pods ready", "look at its pods"),
    ),
    "a pod of kube-system": (
        {"api": {"pods_not_ready": ("kube-system/cni-x1 (CrashLoopBackOff)",)}},
        ("kube-system/cni-x1", "the pod kube-system/cni-x1 (CrashLoopBackOff) is not ready", "look at it"),
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
    under_way = "an upgrade is under way, which may be why: this run goes on with it"
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


# --- drains


def test_a_drain_that_would_never_end_is_refused() -> None:
    """With the pod, the reason and the next step; not for a node that is not drained."""
    stuck = Verdict(
        pod="shop/db-0", uid="1", treatment=Treatment.BLOCKED, reason="budget shop/db", next_step="scale it up"
    )
    facts = cluster(api={"forecasts": (forecast("w1", verdicts=(stuck,)),)})
    assert told(plan(facts).refusals) == [("w1", "shop/db-0 cannot be evicted: budget shop/db", "scale it up")]
    assert plan(facts, nodes=CONTROL_PLANES).refusals == ()


def test_what_a_drain_waits_for_and_what_it_takes_away() -> None:
    """Cautions, with the figures."""
    gone = tuple(
        Verdict(pod=f"shop/{number}", uid=str(number), treatment=Treatment.EVICT_FOR_GOOD, reason="no controller")
        for number in range(10, 22)
    )
    told_by_drain = forecast("w1", verdicts=gone, waits=("budget shop/cart: 2 of 3",), cautions=("its last CoreDNS",))
    few = forecast("w2", verdicts=gone[:1])
    others = tuple(forecast(name) for name in CONTROL_PLANES[:2])
    planned = plan(cluster(api={"forecasts": (told_by_drain, few, *others)}))
    assert planned.refusals == ()
    names = ", ".join(f"shop/{number}" for number in range(10, 22))
    assert told(planned.cautions) == [
        ("cp3", "what its drain meets is not known", "it is looked at right before the drain"),
        ("w1", "budget shop/cart: 2 of 3", "the drain waits for it, up to options.drain.limit"),
        ("w1", "its last CoreDNS", ""),
        ("w1", f"evicted for good (no controller): {names}", "options.drain says so"),
        ("w2", "evicted for good (no controller): shop/10", "options.drain says so"),
    ]


# --- invariants

states = st.sampled_from(["old", "half", "kubelet", "new"])


def machine_in(state: str, name: str) -> tuple[Facts, Facts]:
    """A node that an upgrade left somewhere."""
    if state == "new":
        return {"version": NEW}, {"version": NEW}
    if state == "half" and name.startswith("cp"):
        return half(), {}
    return ({"kubelet": NEW, "kubeadm": NEW} if state == "kubelet" else {}), {}


@given(
    st.tuples(*[states] * 5), st.sampled_from(["1", "2", "40%", "100%"]), st.sampled_from(CONTROL_PLANES), st.booleans()
)
@settings(deadline=None, max_examples=30)
def test_wherever_it_was_stopped_every_node_is_a_step_or_a_skip(
    left: tuple[str, ...],
    amount: str,
    leader: str,
    canary: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    """Once; control planes before workers, begun ones first, and at most one applies, the first."""
    told_by = {name: machine_in(state, name) for name, state in zip(ALL, left, strict=True)}
    facts = cluster(
        machines={name: both[0] for name, both in told_by.items()},
        nodes={name: both[1] for name, both in told_by.items()},
        etcd=members(leader=leader),
    )
    planned = plan(facts, waves=Waves(max_unavailable=amount, canary=canary))
    names = [node.name for node in planned.nodes]
    assert sorted([*names, *(skip.subject for skip in planned.skips)]) == sorted(ALL)
    assert [step.subject for step in planned.steps] == names
    assert names[: len(planned.control_plane)] == [name for name in names if name in CONTROL_PLANES]
    for group in (planned.control_plane, tuple(node for wave in planned.waves for node in wave)):
        assert [node.begun for node in group] == sorted((node.begun for node in group), reverse=True)
    fresh = [node.name for node in planned.control_plane if not node.begun]
    assert leader not in fresh[:-1]
    assert [node.name for node in planned.nodes if node.applies] in ([], names[:1])
    again = plan(facts, waves=Waves(max_unavailable=amount, canary=canary))
    assert again == planned


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
