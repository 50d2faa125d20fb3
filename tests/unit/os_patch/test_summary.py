"""The first lines of the reports of patches and of single nodes."""

from datetime import timedelta

from tasks.core.models.plan import Plan, Skip, Step
from tasks.core.models.report import Took
from tasks.drain.models import Drained
from tasks.node_service.models import Request, Uncordoned
from tasks.node_service.summary import summarize_drain, summarize_reboot, summarize_service, summarize_uncordon
from tasks.os_patch.models import NodePatched, Waits
from tasks.os_patch.summary import summarize_patch, summarize_patch_plan
from tests.facts.patch import CURL, KERNEL, clean, plan, rules, situation
from tests.facts.upgrade import ALL, NOW

WANTED = Request(node="w1", reason="its disk is failing", ticket="INC-7", run_id="r")
SECOND = timedelta(seconds=1)
DONE = NodePatched(
    node="w1",
    run_id="r",
    at=NOW,
    changes=(CURL, KERNEL),
    rebooted=True,
    reboot_reason="the system asks for a reboot",
    boot_before="aaaaaaaa-1",
    boot_after="bbbbbbbb-2",
    away=40 * SECOND,
    kernel_after="6.1.0-27-amd64",
    evicted=("n/a",),
    leader_moved_to="cp3",
    drained_again=True,
    stays_cordoned=True,
    parts=(Took(what="drain", took=8 * SECOND), Took(what="reboot", took=40 * SECOND)),
    took=95 * SECOND,
    record="s3://b/record.json",
)


def test_a_plan_that_did_nothing_says_why() -> None:
    """Outside of a window, with no time left, with nothing to do, or because it was only a plan."""
    closed = summarize_patch_plan(plan(situation(), rules(("22:00", "23:00"))))
    assert closed == (
        "skipped: no maintenance window is open; the next one opens at 2026-11-24 22:00 UTC (each day 22:00 to 23:00 UTC)",
    )
    short = summarize_patch_plan(plan(situation(), rules(("11:00", "12:10"))))
    assert short[0] == "skipped: no time is left for cp1, cp3, cp2, w1, w2"
    assert len(short) == 6
    assert summarize_patch_plan(plan(situation(patches=clean(*ALL))))[:2] == (
        "nothing to do",
        "cp1: nothing to install, and no reboot is pending",
    )
    only = summarize_patch_plan(plan(situation(patches=clean("cp1"))))
    assert only[0] == "nothing was done: 4 nodes are in the plan"
    assert only[-1].startswith("to do it: ")


def test_a_patch_tells_what_each_node_took_and_what_was_proven() -> None:
    """Who waits, who failed, and what is left."""
    pending = NodePatched(node="w2", run_id="r", at=NOW, reboot_pending=("the system asks for a reboot",), took=SECOND)
    late = plan(situation(), rules(("11:00", "14:10")))
    waits = (Waits(node="w3", reason="it would end 4 min after 14:10 UTC, when the window closes"),)
    lines = summarize_patch(late, [DONE, pending], waits, {"w4": "no kernel"})
    assert lines[:3] == (
        "2 nodes done, 2 packages changed, 1 reboots, 1 nodes failed",
        "w1: 95 s (drain 8 s, reboot 40 s), 2 packages, rebooted (the system asks for a reboot), away for 40 s, 1 pods evicted; "
        "cp3 leads etcd since; somebody had uncordoned it meanwhile, it was drained again",
        "w2: 1 s (), 0 packages, 0 pods evicted",
    )
    assert "proven of w1: boot aaaaaaaa to bbbbbbbb, also in the API; kernel 6.1.0-27-amd64" in lines
    assert "record of w1: s3://b/record.json" in lines
    assert "NOT done: w4: no kernel" in lines
    assert "w3 waits: it would end 4 min after 14:10 UTC, when the window closes" in lines
    assert any(line.startswith("w2: it waits: it needs 30 min") for line in lines)
    assert "w2: a reboot is pending: the system asks for a reboot" in lines
    assert lines[-1] == "w1 was cordoned before the run, and stays so"
    assert summarize_patch(plan(situation()), [], (), {})[0] == "0 nodes done, 0 packages changed, 0 reboots"


def test_a_single_node_is_told_with_its_ticket() -> None:
    """And how it comes back."""
    step = Plan(steps=(Step(subject="w1", act="cordon, drain", reason="x"),))
    assert summarize_service(WANTED, step)[0] == (
        "nothing was done: cordon, drain w1 is the plan, for INC-7: its disk is failing"
    )
    assert summarize_service(WANTED, Plan(skips=(Skip(subject="w1", reason="it is in service"),))) == (
        "w1: it is in service",
    )
    drained = Drained(node="w1", cordoned_before=False, evicted=("n/a",), waited_for=("budget",), took=9 * SECOND)
    assert summarize_drain(WANTED, drained, "prod") == (
        "w1 is out of service for INC-7: its disk is failing; back: prefect deployment run node_uncordon/node-uncordon "
        "-p cluster=prod -p node=w1 -p reason=...",
        "1 pods evicted in 9 s, 0 stay",
        "budget",
    )
    stuck = drained.model_copy(update={"still_attached": ("volume pv is still attached",)})
    assert summarize_drain(WANTED, stuck, "prod")[-1] == "volume pv is still attached"
    before = drained.model_copy(update={"cordoned_before": True})
    assert summarize_drain(WANTED, before, "prod")[0] == "w1 was cordoned before, by somebody else, and stays so"
    back = Uncordoned(node="w1", was_cordoned=True, reason="INC-6: a fan", took=11 * SECOND)
    assert summarize_uncordon(WANTED, back)[0] == (
        "w1 is in service, for INC-7: its disk is failing; it was cordoned: INC-6: a fan"
    )
    assert summarize_reboot(WANTED, [DONE])[0] == "w1 was rebooted for INC-7: its disk is failing"
    ill = {"noticed": ("pod n/net is not ready, as before",)}
    told = f"{DONE.node}: noticed, not a failure: pod n/net is not ready, as before"
    assert summarize_reboot(WANTED, [DONE.model_copy(update=ill)])[-1] == told
    assert summarize_uncordon(WANTED, back.model_copy(update=ill))[-1] == told.replace(DONE.node, "w1")
