"""The first lines of the reports of patches."""

from datetime import timedelta

from tasks.os_patch.models.outcome import NodePatched, Waits
from tasks.os_patch.summary import summarize_patch, summarize_patch_plan
from tests.facts.patch import PATCHED, clean, cluster, plan, rules
from tests.facts.upgrade import ALL, NOW

SECOND = timedelta(seconds=1)


def test_a_plan_that_did_nothing_says_why() -> None:
    """Outside of a window, with no time left, with nothing to do, or because it was only a plan."""
    closed = summarize_patch_plan(plan(cluster(), rules(("22:00", "23:00"))))
    assert closed == (
        "skipped: no maintenance window is open; the next one opens at 2026-11-24 22:00 UTC (each day 22:00 to 23:00 UTC)",
    )
    short = summarize_patch_plan(plan(cluster(), rules(("11:00", "12:10"))))
    assert short[0] == "skipped: no time is left for cp1, cp3, cp2, w1, w2"
    assert len(short) == 6
    assert summarize_patch_plan(plan(cluster(patches=clean(*ALL))))[:2] == (
        "nothing to do",
        "cp1: nothing to install, and no reboot is pending",
    )
    only = summarize_patch_plan(plan(cluster(patches=clean("cp1"))))
    assert only[0] == "nothing was done: the plan has 4 nodes"
    assert only[-1].startswith("to do it: ")


def test_a_patch_tells_what_each_node_took_and_what_was_proven() -> None:
    """Who waits, who failed, and what is left."""
    pending = NodePatched(node="w2", run_id="r", at=NOW, reboot_pending=("the system asks for a reboot",), took=SECOND)
    late = plan(cluster(), rules(("11:00", "14:10")))
    waits = (Waits(node="w3", reason="it would end 4 min after 14:10 UTC, when the window closes"),)
    lines = summarize_patch(late, [PATCHED, pending], waits, {"w4": "no kernel"})
    assert lines[:3] == (
        "2 nodes done, 2 packages changed, 1 reboot, 1 node failed",
        "w1: 1 min 35 s (drain 8 s, reboot 40 s), 2 packages, rebooted (the system asks for a reboot), away for 40 s, 1 pod evicted; "
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
    assert summarize_patch(plan(cluster()), [], (), {})[0] == "0 nodes done, 0 packages changed, 0 reboots"
