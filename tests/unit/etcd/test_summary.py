"""What people read first of a maintenance, and of etcd's health."""

from datetime import timedelta

from tasks.core.models.plan import Caution, Plan, Step
from tasks.etcd.models import Defragmented, Disarmed, MaintenancePlan
from tasks.etcd.summary import summarize_health, summarize_maintenance, summarize_maintenance_plan
from tests.facts.etcd import facts, member


def test_a_plan_says_how_to_do_it() -> None:
    """Or that there is nothing to do."""
    assert summarize_maintenance_plan(MaintenancePlan()) == (
        "nothing is worth a defragmentation, and there is no alarm",
    )
    steps = (Step(subject="m1", act="defragment", reason="free pages"),)
    assert summarize_maintenance_plan(MaintenancePlan(steps=steps))[0] == "nothing was done: the plan has 1 step"


def test_a_maintenance_is_told_with_its_figures() -> None:
    """Who leads now, where it was moved, and the alarm that is over."""
    done = [
        Defragmented(member="m1", before=9, after=4, took=timedelta(seconds=2)),
        Defragmented(member="m2", before=9, after=4, leader_moved_to="m1", took=timedelta(seconds=1)),
    ]
    assert summarize_maintenance(done, Disarmed(members=("m1",))) == (
        "defragmented: m1, m2; 18 bytes before, 8 after",
        "m1: 9 bytes before, 4 after, in 2 s",
        "m2: 9 bytes before, 4 after, in 1 s; m1 leads now",
        "the alarm NOSPACE of m1 is cleared: the cluster accepts writes again",
    )
    assert summarize_maintenance([], None) == ("nothing was worth a defragmentation, and there was no alarm",)


def test_a_healthy_etcd_is_told_with_its_leader() -> None:
    """And with what is worth a look."""
    seen = facts(member("m1", is_leader=True), member("m2"))
    plan = Plan(cautions=(Caution(subject="m2", problem="it lags", next_step="check its disk"),))
    assert summarize_health(seen, plan) == (
        "healthy: m1, m2; m1 leads, at revision 100",
        "check m2: it lags; check its disk",
    )
