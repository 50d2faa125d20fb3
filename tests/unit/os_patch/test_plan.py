"""Which nodes are patched, in which order, what fits into a window, and what a person is told before."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.drain.models import Treatment, Verdict
from tasks.drain.policy.findings import ASKED
from tasks.node_work.models.controllers import COMPONENTS, Leader
from tasks.node_work.models.health import Symptom
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models.facts import Earlier
from tasks.os_patch.models.packages import Change
from tasks.os_patch.models.plan import PatchPlan
from tasks.run.policy.approval import digest_of
from tests.facts import etcd as etcd_facts
from tests.facts.patch import (
    CLEAN,
    CURL,
    KERNEL,
    MINUTE,
    OPENSSL,
    OURS,
    RUN,
    clean,
    cluster,
    earlier,
    intent,
    plan,
    rules,
    updates,
)
from tests.facts.upgrade import ALL, controllers, forecast, members, workload

INSTALL = "install 2 packages (curl 7.88.1-10 to 7.88.1-14, openssl 3.0.20 to 3.0.22; 50b7477e)"
WORK = f"drain, {INSTALL}, reboot if they ask for it"
ANY_TIME = rules()


def acts(planned: PatchPlan) -> list[tuple[str, str]]:
    """Who, what."""
    return [(step.subject, step.act) for step in planned.steps]


def skips(planned: PatchPlan) -> dict[str, str]:
    """Who, why not."""
    return {skip.subject: skip.reason for skip in planned.skips}


def refusals(planned: PatchPlan) -> list[tuple[str, str]]:
    """Who, what is in the way."""
    return [(one.subject, one.problem) for one in planned.refusals]


def cautions(planned: PatchPlan) -> list[tuple[str, str]]:
    """Who, what is worth a look."""
    return [(one.subject, one.problem) for one in planned.cautions]


# --- order


def test_control_planes_by_name_the_leader_last_then_workers_in_waves() -> None:
    """With what would change, why a reboot may come, and how long it takes."""
    planned = plan(cluster(earlier=earlier(cp1=4, w1=2)))
    assert acts(planned) == [
        ("cp1", WORK),
        ("cp3", WORK),
        ("cp2", f"move etcd's leadership away, {WORK}"),
        ("w1", f"wave 1: {WORK}"),
        ("w2", f"wave 2: {WORK}"),
    ]
    assert [step.reason for step in planned.steps[:1] + planned.steps[3:]] == [
        "control plane; 2 of 2 are security updates; evicts 1 pod; about 4 min by its last run, 50 % on top make 6 min",
        "worker; the canary: the others wait for it; 2 of 2 are security updates; evicts 1 pod; about 2 min by its last run, "
        "50 % on top make 3 min",
        "worker; 2 of 2 are security updates; evicts 1 pod; about 20 min by maintenance.expected_duration, 50 % on top make 30 min",
    ]
    assert (refusals(planned), cautions(planned), skips(planned)) == ([], [], {})
    assert [node.name for node in planned.nodes] == ["cp1", "cp3", "cp2", "w1", "w2"]
    assert planned.nodes[0].evicted == ("shop/cp1-a",)
    assert f"{planned.until:%m-%d %H:%M}" == "11-25 00:00"


def test_nodes_with_nothing_to_do_are_skips() -> None:
    """With the reason, and with what has an update that it does not get."""
    held = {"updates": CLEAN.model_copy(update={"kept_back": ("gpu", "tzdata"), "held": ("gpu",)})}
    facts = cluster(patches=clean("cp1", "cp2", "cp3") | {"w1": held})
    planned = plan(facts, nodes=("cp1", "w1", "w2"))
    assert acts(planned) == [("w2", f"wave 1: {WORK}")]
    assert skips(planned) == {
        "cp1": "nothing to install, and no reboot is pending",
        "cp2": "it is not one of --nodes",
        "cp3": "it is not one of --nodes",
        "w1": "nothing to install, and no reboot is pending; kept back: gpu (on hold), tzdata",
    }


def test_nothing_to_do_at_all_is_a_plan_of_skips() -> None:
    """What is wrong with the cluster is worth a look then, and no more."""
    facts = cluster(patches=clean(*ALL), alerts=("DiskFull",))
    planned = plan(facts)
    assert (planned.steps, refusals(planned)) == ((), [])
    assert cautions(planned) == [("blocker", "an alert fires: DiskFull")]
    assert len(planned.skips) == 5


@pytest.mark.parametrize(
    ("rule", "patch", "act", "reason"),
    [
        ("needed", {"updates": CLEAN, "reboot_required": True}, "drain, reboot", "the system asks for a reboot"),
        ("always", {"updates": CLEAN}, "drain, reboot", "a reboot was asked for"),
        ("never", {}, f"drain, {INSTALL}", ""),
        (
            "needed",
            {"updates": updates(changes=(KERNEL,))},
            "drain, install 1 package (linux-image-6.1.0-27-amd64 6.1.115-1 (new); fdde8c53), reboot",
            "linux-image-6.1.0-27-amd64 takes effect with a reboot",
        ),
    ],
)
def test_a_node_is_rebooted_where_it_is_needed_or_asked(
    rule: str, patch: dict[str, Any], act: str, reason: str
) -> None:
    """A reboot alone is work, too."""
    (step,) = plan(cluster(patches={"w1": patch}), nodes=("w1",), reboot=rule).steps
    assert step.act == f"wave 1: {act}"
    assert reason in step.reason


def test_a_pending_reboot_that_nobody_wants_is_said() -> None:
    """In the skip."""
    new = "6.1.0-27-amd64"
    facts = cluster(patches={"w1": {"updates": CLEAN, "newest_kernel": new, "default_kernel": new}})
    assert skips(plan(facts, nodes=("w1",), reboot="never"))["w1"] == (
        "nothing to install; --reboot=never, although kernel 6.1.0-26-amd64 runs, 6.1.0-27-amd64 is installed"
    )


PINNED = "kernel 6.1.0-26-amd64 runs, 6.1.0-27-amd64 is installed, and the boot loader starts 6.1.0-26-amd64"


def test_a_kernel_that_is_pinned_is_no_reason_for_a_reboot() -> None:
    """It would be the same one again. With something else to do it is a caution."""
    pinned = {"newest_kernel": "6.1.0-27-amd64"}
    facts = cluster(patches={"w1": {"updates": CLEAN, **pinned}, "w2": pinned})
    planned = plan(facts, nodes=("w1", "w2"))
    assert skips(planned)["w1"] == f"nothing to install, and no reboot is pending; {PINNED}"
    assert (acts(planned), cautions(planned)) == ([("w2", f"wave 1: {WORK}")], [("w2", PINNED)])


def test_where_the_boot_loader_says_nothing_no_kernel_is_promised() -> None:
    """Only where one may come; with one that is known, it is."""
    silent = {"updates": updates(changes=(KERNEL,)), "default_kernel": ""}
    told = "which kernel its boot loader starts by default is not known"
    assert cautions(plan(cluster(patches={"w1": silent}), nodes=("w1",))) == [("w1", told)]
    assert cautions(plan(cluster(patches={"w1": {**silent, "newest_kernel": ""}}), nodes=("w1",))) == []
    other = {"updates": CLEAN, "default_kernel": "", "reboot_required": True}
    assert cautions(plan(cluster(patches={"w1": other}), nodes=("w1",))) == []
    newer = {"updates": CLEAN, "default_kernel": "", "newest_kernel": "6.1.0-27-amd64"}
    assert cautions(plan(cluster(patches={"w1": newer}), nodes=("w1",))) == [("w1", told)]


def test_an_approval_holds_for_these_versions() -> None:
    """Not for others, nor for other waves; what changes by the minute is in none of them."""
    base = plan(cluster())
    newer = CURL.model_copy(update={"after": "7.88.1-15"})
    for other in (
        plan(cluster(patches={"w1": {"updates": updates(changes=(newer, OPENSSL))}})),
        plan(cluster(), reboot="never"),
        plan(cluster(), waves={"max_unavailable": "2", "canary": False}),
        plan(cluster(etcd=members(leader="cp1"))),
    ):
        assert digest_of(other) != digest_of(base)
    same = plan(cluster(earlier=earlier(w1=3), forecasts=tuple(map(forecast, ALL))))
    assert digest_of(same) == digest_of(base)


def test_many_packages_are_counted() -> None:
    """The first six are named, all are in the digest."""
    changes = tuple(Change(package=f"p{number}", before="1", after="2") for number in range(9))
    act = plan(cluster(patches={"w1": {"updates": updates(changes=changes)}}), nodes=("w1",)).steps[0].act
    assert "install 9 packages (p0 1 to 2, p1 1 to 2, p2 1 to 2, p3 1 to 2, p4 1 to 2, p5 1 to 2 and 3 more; " in act


def test_a_percentage_that_is_less_than_one_worker_is_said() -> None:
    """And a profile without any window."""
    planned = plan(cluster(), ANY_TIME, waves={"max_unavailable": "10%"})
    assert [subject for subject, _ in cautions(planned)] == ["--max-unavailable", "window"]
    assert (planned.until, planned.closed, planned.opens) == (None, "", None)


# --- windows


def test_outside_of_a_window_nothing_is_done_and_the_next_one_is_told() -> None:
    """Not a failure: what is in the way is a caution."""
    facts = cluster(nodes={"w2": {"ready": False, "ready_message": "gone"}})
    planned = plan(facts, rules(("22:00", "04:00")))
    assert (planned.steps, refusals(planned)) == ((), [])
    assert planned.closed == (
        "no maintenance window is open; the next one opens at 2026-11-24 22:00 UTC (each day 22:00 to 04:00 UTC)"
    )
    assert f"{planned.opens:%d %H:%M}" == "24 22:00"
    assert skips(planned)["w1"] == f"{planned.closed}; to do: {WORK}"
    assert ("blocker", "node w2 is not Ready: gone") in cautions(planned)
    anyway = plan(cluster(), rules(("22:00", "04:00")), outside_window=True)
    assert (len(anyway.steps), anyway.until) == (5, None)


@pytest.mark.parametrize(
    ("window", "names", "waits"),
    [
        (("11:00", "14:30"), "cp1 cp3 cp2 w1 w2", {}),  # 150 minutes are needed, 150 are left
        (("11:00", "14:29"), "cp1 cp3 cp2 w1", {"w2": 29}),
        (("11:00", "13:00"), "cp1 cp3", {"cp2": 0, "w1": 0, "w2": 0}),
        (("11:00", "12:29"), "", {"cp1": 29, "cp2": 29, "cp3": 29, "w1": 29, "w2": 29}),
    ],
)
def test_nothing_begins_that_would_not_end_in_time(window: tuple[str, str], names: str, waits: dict[str, int]) -> None:
    """20 minutes each and 50 % on top, at noon; who waits is told how much was left, and when the next window opens."""
    planned = plan(cluster(), rules(window))
    assert [node.name for node in planned.nodes] == names.split()
    for name, left in waits.items():
        told = f"{left} min" if left else "0 s"
        assert skips(planned)[name] == (
            f"it waits: it needs 30 min (20 min and 50 %), {told} are left when its turn comes; the next one opens at "
            f"2026-11-25 11:00 UTC (each day {window[0]} to {window[1]} UTC)"
        )


def test_a_short_node_is_done_where_a_long_one_has_to_wait() -> None:
    """By their last runs: cp1 needs 45 minutes, w1 3; the longest duration of a run counts, too."""
    window = [{"from": "11:00", "to": "18:00", "max_duration": "40m"}]
    facts = cluster(earlier=earlier(cp1=30, w1=2), names=("cp1", "w1"), etcd=members(leader="cp1")[:1])
    planned = plan(facts, rules(windows=window), allow_downtime=True)
    assert [node.name for node in planned.nodes] == ["w1"]
    assert "it needs 45 min (30 min and 50 %), 40 min are left" in skips(planned)["cp1"]
    assert planned.nodes[0].needs == 3 * MINUTE


def test_a_last_run_without_a_reboot_says_little_of_one_with() -> None:
    """Then it is the time of a node that is not known, or its own if that was longer."""
    facts = {name: Earlier(took=minutes * MINUTE, rebooted=False) for name, minutes in (("w1", 1), ("w2", 25))}
    kernel = {name: {"updates": updates(changes=(KERNEL,))} for name in ("w1", "w2")}
    planned = plan(cluster(earlier=facts, patches=kernel), nodes=("w1", "w2"))
    assert [node.expected for node in planned.nodes] == [20 * MINUTE, 25 * MINUTE]
    calm = plan(cluster(earlier=facts), nodes=("w1", "w2"))
    assert [node.expected for node in calm.nodes] == [1 * MINUTE, 25 * MINUTE]


# --- a run that died


def test_a_node_that_is_under_way_comes_first() -> None:
    """Patched, and not rebooted yet: only that is left. The one of the other wave is not the canary any more."""
    begun = {"updates": CLEAN, "intent": intent(changes=(KERNEL,)), "patched_boot": "b1", "reboot_required": True}
    facts = cluster(patches={"w2": begun}, nodes={"w2": {"cordoned": True, "annotations": OURS}})
    planned = plan(facts, nodes=("w1", "w2"))
    assert acts(planned) == [("w2", "wave 1: drain, reboot"), ("w1", f"wave 2: {WORK}")]
    assert "an earlier run has begun with it; the system asks for a reboot" in planned.steps[0].reason
    assert (planned.nodes[0].begun, planned.nodes[1].begun) == (True, False)


def test_a_node_that_came_back_late_is_recognised() -> None:
    """Rebooted, cordoned by us: nothing is disturbed any more, so that no window and no alert is in the way."""
    back = {"updates": CLEAN, "intent": intent(), "patched_boot": "b1", "boot_id": "b2", "reboot_required": True}
    failed = OURS | {"kube-runbooks.io/failed": "w2 did not come back"}
    facts = cluster(patches={"w2": back}, nodes={"w2": {"cordoned": True, "annotations": failed}}, alerts=("NodeDown",))
    planned = plan(facts, rules(("22:00", "04:00")))
    assert acts(planned) == [("w2", "wave 1: prove that it is healthy, uncordon")]
    assert refusals(planned) == []
    assert ("w2", "an earlier run left it cordoned: w2 did not come back") in cautions(planned)
    assert planned.nodes[0].needs == timedelta()
    assert set(skips(planned)) == {"cp1", "cp2", "cp3", "w1"}


def test_a_retry_goes_on_with_a_node_that_somebody_had_cordoned() -> None:
    """Which no annotation tells: the word that this run has written down there does. An older run's does not."""
    back = {"updates": CLEAN, "intent": intent(run_id=RUN), "boot_id": "b2"}
    facts = cluster(patches={"w1": back}, nodes={"w1": {"cordoned": True}})
    assert acts(plan(facts, nodes=("w1",), allow_cordoned=True)) == [
        ("w1", "wave 1: prove that it is healthy, uncordon")
    ]
    assert plan(facts.model_copy(update={"run_id": "run-2"}), nodes=("w1",), allow_cordoned=True).steps == ()


def test_a_job_that_still_runs_is_gone_on_with() -> None:
    """What the package manager says meanwhile is half of the truth: the plan is that of the run that has begun."""
    facts = cluster(
        machines={"w1": {"jobs": ("patch-50b7477e-0a1b2c3d",)}},
        patches={"w1": {"intent": intent(), "updates": updates(changes=(), broken=("curl",))}},
    )
    planned = plan(facts, nodes=("w1",))
    assert acts(planned) == [("w1", f"wave 1: {WORK}")]
    assert (planned.nodes[0].begun, refusals(planned)) == (True, [])


def test_a_cordon_without_a_word_of_a_patch_is_of_another_runbook() -> None:
    """It is not taken over; the word of a run that nobody has cordoned for is an old one."""
    facts = cluster(nodes={"w1": {"cordoned": True, "annotations": OURS}})
    assert ("w1", "another runbook has it out of service: node_os_patch") in refusals(plan(facts, nodes=("w1",)))
    old = {"intent": intent(), "patched_boot": "b0", "updates": CLEAN, "reboot_required": True}
    assert acts(plan(cluster(patches={"w1": old}), nodes=("w1",))) == [("w1", "wave 1: drain, reboot")]


@pytest.mark.parametrize(
    ("owner", "reason", "is_begun"),
    [
        ("run-0", "INC-7: a reboot", True),
        ("run-9", "INC-7: a reboot", True),
        ("run-5", "left by an earlier run of node_os_patch", True),
        ("run-5", "node_reboot failed here", True),
        ("run-5", "rolling_upgrade to v1.37.2", False),
    ],
)
def test_a_cordon_is_of_the_runs_that_have_had_to_do_with_it(owner: str, reason: str, *, is_begun: bool) -> None:
    """By their ids, or by their words; nobody else's is taken over, whatever is written down on the node."""
    word = {"updates": CLEAN, "intent": intent(later=("run-9",)), "boot_id": "b2"}
    notes = {"kube-runbooks.io/cordoned-by": owner, "kube-runbooks.io/cordon-reason": reason}
    facts = cluster(patches={"w1": word}, nodes={"w1": {"cordoned": True, "annotations": notes}})
    assert bool(plan(facts, nodes=("w1",)).steps) == is_begun
    busy = cluster(patches={"w1": {"intent": word["intent"]}}, nodes={"w1": {"cordoned": True, "annotations": notes}})
    told = ("w1", f"another runbook has it out of service: {reason}")
    assert (told in refusals(plan(busy, nodes=("w1",)))) != is_begun


def test_a_power_cut_in_dpkg_is_reported_or_repaired() -> None:
    """As the option says; what the run of before wanted is wanted still."""
    cut = {"updates": updates(changes=(OPENSSL,), broken=("curl",)), "intent": intent(), "boot_id": "b2"}
    facts = cluster(patches={"w1": cut}, nodes={"w1": {"cordoned": True, "annotations": OURS}})
    assert refusals(plan(facts, nodes=("w1",))) == [("w1", "not wholly installed, for example by a power cut: curl")]
    repaired = plan(facts, nodes=("w1",), repair=True, reboot="never")
    assert acts(repaired) == [("w1", f"wave 1: drain, dpkg --configure -a, {INSTALL}")]
    assert ("w1", "not wholly installed: curl") in cautions(repaired)
    assert repaired.nodes[0].repair
    only = cluster(patches={"w1": {"updates": updates(changes=(), broken=("curl",))}})
    assert acts(plan(only, nodes=("w1",), repair=True)) == [("w1", "wave 1: drain, dpkg --configure -a")]


@pytest.mark.parametrize(
    "patch",
    [
        {"last_run": RUN},
        {"intent": intent(run_id=RUN), "boot_id": "b2"},
        {"intent": intent(run_id=RUN), "patched_boot": "b1", "boot_id": "b2"},
    ],
)
def test_a_retry_does_not_reboot_again_what_was_only_to_be_rebooted(patch: dict[str, Any]) -> None:
    """Whether it died before or after it noted its end; another run does what it is told."""
    facts = cluster(patches={"w1": {"updates": CLEAN} | patch})
    assert skips(plan(facts, nodes=("w1",), reboot="always"))["w1"] == "this run has rebooted it already"
    another = facts.model_copy(update={"run_id": "run-2"})
    assert len(plan(another, nodes=("w1",), reboot="always").steps) == 1


# --- what is in the way


def broken_member(name: str) -> tuple[Any, ...]:
    """A cluster of etcd with one member that does not answer."""
    return tuple(etcd_facts.unreached(name) if one.name == name else one for one in members())


Case = tuple[dict[str, Any], str, str]
BLOCKERS: list[Case] = [
    ({"nodes": {"cp3": {"ready": False, "ready_message": "gone"}}}, "blocker", "node cp3 is not Ready: gone"),
    ({"nodes": {"cp3": {"cordoned": True}}}, "blocker", "somebody has cordoned cp3"),
    ({"nodes": {"w1": {"cordoned": True}}}, "blocker", "somebody has cordoned w1"),
    (
        {"nodes": {"w2": {"cordoned": True, "annotations": OURS}}},
        "blocker",
        "another run of ours has w2 out of service: node_os_patch",
    ),
    ({"alerts": ("alertname=DiskFull",)}, "blocker", "an alert fires: alertname=DiskFull"),
    (
        {"workloads": (workload("shop/cart").model_copy(update={"rollout": "1 of 3 pods"}),)},
        "blocker",
        "Deployment shop/cart is being rolled out: 1 of 3 pods",
    ),
    ({"gates": ("gate site: closed",)}, "gates", "gate site: closed"),
    ({"machines": {"cp2": {"api_ready": "500"}}}, "cp2", "its API server's /readyz answers 500"),
    ({"machines": {"cp2": {"api_ready": ""}}}, "cp2", "its API server's /readyz answers nothing"),
    ({"etcd": broken_member("cp2")}, "cp2", "connection refused"),
    ({"machines": {"w1": {"unreached": "no route"}}}, "w1", "no route"),
    ({"patches": {"w1": {"unreached": "timed out"}}}, "w1", "timed out"),
    (
        {"machines": {"w1": {"jobs": ("kubeadm-1-37-2-aa",)}}},
        "w1",
        "jobs of another runbook run there: kubeadm-1-37-2-aa",
    ),
    ({"machines": {"w1": {"clock_offset": timedelta(seconds=40)}}}, "w1", "its clock is 40 s off the worker's"),
    (
        {"patches": {"w1": {"updates": updates(problem="E: no route")}}},
        "w1",
        "what would change is not known: E: no route",
    ),
    ({"patches": {"w1": {"updates": updates(removals=("old",))}}}, "w1", "would be removed: old"),
    (
        {"patches": {"w1": {"updates": updates(manager=PackageManager.NONE)}}},
        "w1",
        "it has neither apt nor dnf nor zypper",
    ),
    (
        {
            "forecasts": (
                forecast("w1").model_copy(
                    update={
                        "verdicts": (
                            Verdict(pod="n/p", uid="1", treatment=Treatment.BLOCKED, reason="no budget", next_step="x"),
                        )
                    }
                ),
            )
        },
        "w1",
        "n/p cannot be evicted: no budget",
    ),
]


@pytest.mark.parametrize(("changes", "subject", "problem"), BLOCKERS)
def test_each_thing_in_the_way_is_named(changes: dict[str, Any], subject: str, problem: str) -> None:
    """And nothing else; each with a next step."""
    planned = plan(cluster(**changes), nodes=("w1",))
    assert refusals(planned) == [(subject, problem)]
    assert all(one.next_step for one in planned.refusals)


def test_a_budget_that_an_operator_opens_when_asked_stops_no_patch() -> None:
    """Whoever approves the plan reads what the drain asks for, and what becomes of the node (F3)."""
    asks = forecast("w1").model_copy(update={"asks": ("PodDisruptionBudget shop/pg: 1 of 1",)})
    planned = plan(cluster(forecasts=(asks,)), nodes=("w1",))
    assert refusals(planned) == []
    assert ("w1", "PodDisruptionBudget shop/pg: 1 of 1", ASKED) in [
        (one.subject, one.problem, one.next_step) for one in planned.cautions
    ]


LAME = Symptom(of="DaemonSet n/net", problem="pod n/net-x is not ready")
DEAD = Symptom(of="unit kubelet", problem="kubelet does not run", grave=True)
ASKED_ELSEWHERE = Symptom(of="Ready", problem="not Ready: gone", grave=True)


def test_what_the_proof_would_find_wrong_is_named_before_the_act() -> None:
    """What an act must not leave is refused, unless a run has begun there: then the proof waits for it."""
    facts = cluster(symptoms={"w1": (LAME, DEAD, ASKED_ELSEWHERE), "w2": (DEAD,)})
    planned = plan(facts, nodes=("w1",))
    assert refusals(planned) == [("w1", "kubelet does not run")]
    assert cautions(planned) == [("w1", "already before: pod n/net-x is not ready")]
    under_way: dict[str, Any] = {
        "nodes": {"w1": {"cordoned": True, "annotations": OURS}},
        "patches": {"w1": {"intent": intent()}},
    }
    begun = plan(cluster(symptoms={"w1": (DEAD, LAME)}, **under_way), nodes=("w1",))
    told = [("w1", "now: kubelet does not run"), ("w1", "now: pod n/net-x is not ready")]
    assert (refusals(begun), cautions(begun)) == ([], told)
    for note, word in (('["DaemonSet n/net"]', "already before"), ("[]", "now"), ("{", "now"), ("{}", "now")):
        noted = OURS | {"kube-runbooks.io/unhealthy-before": note}
        under_way["nodes"] = {"w1": {"cordoned": True, "annotations": noted}}
        again = plan(cluster(symptoms={"w1": (LAME,)}, **under_way), nodes=("w1",))
        assert cautions(again) == [("w1", f"{word}: pod n/net-x is not ready")]


def test_a_member_that_has_much_to_catch_up_is_named_before_the_act() -> None:
    """The proof of a control plane node asks for it."""
    slow = members(cp3=etcd_facts.member("cp3", raft_lag=5000))
    told = ("cp3", "it is more than 1000 entries behind")
    assert cautions(plan(cluster(etcd=slow), nodes=("cp1",))) == [told]
    assert cautions(plan(cluster(etcd=slow), nodes=("w1",))) == []


@pytest.mark.parametrize("state", ["starting", ""])
def test_a_system_that_never_comes_to_its_end_is_named_before_the_act(state: str) -> None:
    """A job that waits for ever was proven for five minutes afterwards, and left the node cordoned."""
    planned = plan(cluster(patches={"w1": {"system_state": state}}), nodes=("w1",))
    assert cautions(planned) == [("w1", f"already before: systemd says {state or 'nothing'}")]


def test_another_scheduler_and_controller_manager_have_to_go_on() -> None:
    """For a control plane node that is disturbed; a patch that is under way may be why they do not."""
    alone = controllers(
        "cp1", cp2="its pod is not Ready: CrashLoopBackOff", cp3="its pod is not Ready: CrashLoopBackOff"
    )
    planned = plan(cluster(controllers=alone), nodes=("cp1", "w1"))
    assert [subject for subject, _ in refusals(planned)] == ["cp1", "cp1"]
    assert refusals(planned)[0][1].startswith("no other kube-scheduler is ready: cp2 (its pod is not Ready")
    assert refusals(plan(cluster(controllers=alone), nodes=("w1",))) == []
    assert refusals(plan(cluster(controllers=alone), nodes=("cp2",))) == []
    dead = alone.model_copy(
        update={"leaders": (Leader(component="kube-scheduler", lease="kube-system/x", seconds=15, is_alive=False),)}
    )
    assert ("control plane", "no kube-scheduler leads: the Lease kube-system/x has no holder") in refusals(
        plan(cluster(controllers=dead), nodes=("cp2",))
    )
    under_way: dict[str, Any] = {
        "nodes": {"cp2": {"cordoned": True, "annotations": OURS}},
        "patches": {"cp2": {"intent": intent()}},
    }
    begun = plan(cluster(controllers=alone, **under_way), nodes=("cp1", "cp2"))
    assert (refusals(begun), len(cautions(begun))) == ([], 2)
    one = ("cp1", "w1")
    single = plan(cluster(names=one, controllers=controllers(cp1="x"), etcd=()), allow_downtime=True)
    assert refusals(single) == []
    out = cluster(nodes={name: {"cordoned": True} for name in ("cp2", "cp3")}, etcd=())
    stays = plan(out, nodes=("cp1",), allow_cordoned=True)
    assert len(refusals(stays)) == len(COMPONENTS)
    assert refusals(plan(out, nodes=("cp1",), allow_cordoned=True, allow_downtime=True)) == []


@pytest.mark.parametrize("due", [True, False])
def test_a_machine_that_does_not_say_how_it_is_has_not_nothing_to_do(*, due: bool) -> None:
    """Its failed units and its half-installed packages are not known, so it is not left alone as one that is well."""
    changes = {} if due else {"updates": updates(changes=())}
    facts = cluster(patches={"w1": {"unseen": ("which units have failed: no bus",), **changes}})
    assert ("w1", "not known: which units have failed: no bus") in refusals(plan(facts, nodes=("w1",)))


def test_all_refusals_are_told_at_once() -> None:
    """Each once."""
    facts = cluster(alerts=("a", "b"), gates=("gate site: closed",), patches={"w1": {"unreached": "no route"}})
    assert len(plan(facts).refusals) == 4
    assert refusals(plan(cluster(), nodes=("w9",))) == [("--nodes", "not in the profile: w9")]


@pytest.mark.parametrize(
    ("changes", "caution"),
    [
        (
            {"machines": {"w1": {"clock_offset": timedelta(seconds=20)}}, "patches": {"w1": {"clock_synced": False}}},
            "its clock is not in sync with a time service",
        ),
        ({"patches": {"w1": {"failed_units": ("a.service",)}}}, "failed already: a.service"),
        (
            {"patches": {"w1": {"reboot_unknown": "dnf: no database"}}},
            "whether it needs a reboot is not known: dnf: no database",
        ),
        (
            {"patches": {"w1": {"updates": updates(locked_by="apt (process 7)")}}},
            "apt (process 7) has the package manager's lock",
        ),
        (
            {"patches": {"w1": {"inhibitors": ("apt block",), "reboot_required": True}}},
            "a shutdown is blocked now: apt block",
        ),
        ({"patches": {"w1": {"updates": updates(manager=PackageManager.DNF)}}}, "dnf: not proven end to end, apt is"),
        ({"forecasts": ()}, "which pods its drain must evict is not known"),
    ],
)
def test_what_does_not_stop_it_is_worth_a_look(changes: dict[str, Any], caution: str) -> None:
    """Of the nodes that are disturbed."""
    planned = plan(cluster(**changes), nodes=("w1",))
    assert (refusals(planned), cautions(planned)) == ([], [("w1", caution)])


def test_a_cordon_of_somebody_may_be_allowed() -> None:
    """It is said, and stays."""
    planned = plan(cluster(nodes={"w2": {"cordoned": True}}), allow_cordoned=True)
    assert (refusals(planned), cautions(planned)) == ([], [("blocker", "somebody has cordoned w2")])


def test_an_earlier_failure_of_a_machine_that_is_away_is_told() -> None:
    """With what to look at."""
    failed = OURS | {"kube-runbooks.io/failed": "w1 did not come back"}
    facts = cluster(
        machines={"w1": {"unreached": "no route"}},
        nodes={"w1": {"cordoned": True, "annotations": failed, "ready": False, "ready_message": "gone"}},
    )
    planned = plan(facts)
    assert ("w1", "no route; an earlier run left it cordoned: w1 did not come back") in refusals(planned)
    assert skips(planned)["w1"] == "not known: no route"


def test_nodes_that_only_one_side_knows() -> None:
    """The profile's is refused, the API's is worth a look."""
    facts = cluster()
    planned = plan(facts.model_copy(update={"nodes": facts.nodes[:-1]}))
    assert ("w2", "no Node object with this name") in refusals(planned)
    fewer = facts.model_copy(update={"machines": facts.machines[:-1], "patches": facts.patches[:-1]})
    assert ("nodes", "not in the profile, and not patched: w2") in cautions(plan(fewer))


def test_the_only_control_plane_needs_a_word() -> None:
    """As in an upgrade."""
    alone = cluster(names=("cp1", "w1"), etcd=members(leader="cp1")[:1])
    assert refusals(plan(alone)) == [("cp1", "the only control plane node: the API does not answer while it reboots")]
    assert refusals(plan(alone, allow_downtime=True)) == []
    assert plan(alone, allow_downtime=True).steps[0].act == WORK


def test_quorum_is_counted_for_each_control_plane() -> None:
    """Two members of etcd are one too few."""
    two = cluster(names=("cp1", "cp2", "w1"), etcd=members()[:2])
    assert [subject for subject, _ in refusals(plan(two))] == ["cp1", "cp2"]
    assert "a quorum is 2" in refusals(plan(two))[0][1]
