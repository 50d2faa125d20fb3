"""The order of an upgrade, its waves and chains, and what is a skip; whatever was done already."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import Refused
from tasks.core.models.profile import UpgradeRules
from tasks.node_work.models.waves import Waves
from tasks.run.policy.approval import approved_of, digest_of, is_part_of
from tasks.upgrade.policy.plan import next_minor
from tests.facts import etcd as etcd_facts
from tests.facts.upgrade import (
    ALL,
    CONTROL_PLANES,
    NEW,
    OLD,
    cluster,
    forecast,
    kube_proxy,
    members,
    upgraded,
    workload,
)
from tests.facts.upgrade_plan import APPLY, DONE, MOVE_LEADER, NODE, Facts, acts, changed, half, plan, told

MINUTE = timedelta(minutes=1)


def test_control_planes_by_name_the_leader_last_then_workers_in_waves() -> None:
    """The first one applies, the others follow; nothing is refused, and nothing is worth a look."""
    planned = plan(cluster(history={"cp1": timedelta(seconds=144), "w1": timedelta(seconds=44)}))
    assert acts(planned) == [
        ("cp1", APPLY),
        ("cp3", NODE),
        ("cp2", MOVE_LEADER),
        ("w1", f"wave 1: {NODE}"),
        ("w2", f"wave 2: {NODE}"),
    ]
    etcd = "etcd 3.6.16 to 3.7"
    held = "kubeadm, kubelet, kubectl held back: put back as found"
    assert [step.reason for step in planned.steps] == [
        f"control plane v1.36.3; {etcd}; evicts 2 pods; {held}; about 2 min 24 s by earlier reports",
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
            "--max-unavailable",
            "10 % of 2 workers is less than one: one at a time",
            "give a number, or a higher percentage",
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
    assert acts(planned) == [("w1", "wave 1: prove that it is healthy, uncordon")]
    assert (planned.nodes[0].needs_kubeadm, planned.nodes[0].needs_kubelet) == (False, False)
    assert told(planned.cautions) == [("w1", "an earlier run left it cordoned: x", "make sure that the reason is gone")]


def test_all_refusals_at_once() -> None:
    """Not the first one only."""
    facts = cluster(
        machines={"w1": {"unreached": "no route"}, "w2": {"swap": True}, "cp1": {"api_ready": "500"}},
        nodes={"cp3": {"ready": False}},
        etcd=members(cp2=etcd_facts.unreached("cp2")),
    )
    assert {one.subject for one in plan(facts, "1.38.0", nodes=("w7", *ALL)).refusals} >= {
        *("version", "--nodes", "w1", "w2", "cp1", "cp2", "cp3", "etcd"),
    }


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
        ("w2", "it is not Ready", "check its kubelet (`journalctl -u kubelet`)"),
    ]
    assert {skip.subject: skip.reason for skip in planned.skips}["w2"] == "it is not one of --nodes"


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


def test_control_planes_that_are_not_named_are_told_and_keep_the_addons() -> None:
    """Of three, one is done already, one is asked for, and one stays behind."""
    planned = plan(cluster(machines=upgraded("cp1"), nodes=upgraded("cp1")), nodes=("cp2",))
    assert planned.left_behind == ("cp3",)
    assert told(planned.cautions) == [
        (
            "--nodes",
            "cp3 would stay older: CoreDNS and kube-proxy are moved with the last control plane node",
            "run it again for cp3 soon",
        )
    ]
    assert plan(cluster(machines=upgraded("cp1"), nodes=upgraded("cp1"))).left_behind == ()


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


@pytest.mark.parametrize("leader", ["cp1", "cp2", "cp3"])
@pytest.mark.parametrize("done", [("cp1",), ("cp1", "cp3"), ("cp1", "cp2"), ("cp1", "cp2", "cp3", "w1")])
def test_what_is_left_of_an_approved_upgrade_is_a_part_of_it(done: tuple[str, ...], leader: str) -> None:
    """Whoever leads etcd by then, and so comes last: an upgrade moves the leadership itself."""
    approved = approved_of(plan(cluster()))
    new = {"kubeadm_version": NEW, "version": NEW, "workloads": (workload("kube-system/coredns"), kube_proxy(NEW))}
    left = plan(cluster(machines=upgraded(*done), nodes=upgraded(*done), api=new, etcd=members(leader)))
    assert {step.subject for step in left.steps} == set(ALL) - set(done)
    assert is_part_of(left, approved)
    assert not is_part_of(plan(cluster()), approved_of(left))
