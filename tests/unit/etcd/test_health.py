"""What is healthy, and what is worth a look."""

from typing import Any

import pytest

from tasks.core.models.etcd import Member
from tasks.etcd.models import MIB
from tasks.etcd.policy.health import plan_health
from tests.facts.etcd import facts, member, unreached

QUOTA: dict[str, Any] = {"db_quota": 100 * MIB}


@pytest.mark.parametrize(
    ("ill", "told"),
    [
        (unreached("c"), "connection refused"),
        (member("c", healthy=False), "it does not answer a linearizable read"),
        (member("c", alarms=("NOSPACE",)), "alarm NOSPACE"),
        (member("c", alarms=("CORRUPT",)), "its alarm CORRUPT says that its data differs"),
    ],
)
def test_what_is_not_healthy_is_refused(ill: Member, told: str) -> None:
    """With the member's name and the next step."""
    refusals = plan_health(facts(member("a", is_leader=True), member("b"), ill)).refusals
    assert refusals[0].subject == "c"
    assert refusals[0].problem == told
    assert all(refusal.next_step for refusal in refusals)


def test_what_is_worth_a_look_is_a_caution() -> None:
    """Versions that differ, an even number of members, a lag, a database near its quota."""
    odd = member("b", version="3.5.21", raft_lag=5000, db_size=90 * MIB, **QUOTA)
    plan = plan_health(facts(member("a", is_leader=True), odd))
    assert plan.refusals == ()
    told = " / ".join(caution.problem for caution in plan.cautions)
    for part in ("90 % of its quota", "5000 raft entries", "3.5.21 and 3.6.16", "2 voting members bear no more"):
        assert part in told
    assert (
        plan_health(facts(member("a"), member("b"), member("c"))).refusals[0].problem == "no member that answers leads"
    )
    assert plan_health(facts(member("a", is_leader=True), member("b"), member("c"))).cautions == ()
