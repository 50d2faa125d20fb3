"""Which members are worth a defragmentation, in which order, and when an alarm may end."""

from typing import Any

import pytest

from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.findings import Problem
from tasks.etcd.models import MIB, ControlPlaneSeen, Worth
from tasks.etcd.policy.maintenance import plan_maintenance, what_forbids_defragmenting, what_forbids_disarming
from tests.facts.etcd import facts, member, unreached

FULL: dict[str, Any] = {"db_size": 400 * MIB, "db_size_in_use": 100 * MIB}
QUOTA: dict[str, Any] = {"db_quota": 100 * MIB}


def test_followers_by_name_then_the_leader() -> None:
    """Whose leadership is moved away first; those that are not worth it have their figures in the reason."""
    three = (member("c", **FULL), member("a", is_leader=True, **FULL), member("b", **FULL))
    plan = plan_maintenance(facts(*three, member("d")), Worth())
    assert [one.name for one in plan.defragment] == ["b", "c", "a"]
    assert [step.act for step in plan.steps] == ["defragment", "defragment", "move the leadership away, defragment"]
    assert plan.steps[0].reason == f"{300 * MIB} of {400 * MIB} bytes (75 %) are free pages"
    assert [(skip.subject, skip.reason) for skip in plan.skips] == [
        ("d", "4096 of 20480 bytes are free pages; worth it are 100 MiB and 50 %")
    ]
    assert plan.refusals == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"db_size": 199 * MIB, "db_size_in_use": 100 * MIB}, ""),
        ({"db_size": 300 * MIB, "db_size_in_use": 160 * MIB}, ""),
        ({"db_size": 200 * MIB, "db_size_in_use": 100 * MIB}, "(50 %) are free pages"),
        (QUOTA | {"db_size": 81 * MIB, "db_size_in_use": 60 * MIB}, "its database is near its quota, and "),
        (QUOTA | {"db_size": 81 * MIB, "db_size_in_use": 80 * MIB}, ""),
        ({"db_quota": 0, "db_size": 1700 * MIB, "db_size_in_use": 1000 * MIB}, "near its quota"),
    ],
)
def test_it_is_worth_it_by_bytes_and_percent_or_near_the_quota(changes: dict[str, Any], reason: str) -> None:
    """A member before 3.6 does not tell its quota: it is 2 GiB then."""
    plan = plan_maintenance(facts(member("a", **changes), member("b"), member("c")), Worth())
    assert reason in "".join(step.reason for step in plan.steps)
    assert bool(plan.steps) == bool(reason)


def test_nothing_is_begun_while_a_member_is_not_healthy_unless_there_is_nothing_to_do() -> None:
    """Each is needed while another one is away."""
    plan = plan_maintenance(facts(member("a", **FULL), unreached("b"), member("c", healthy=False)), Worth())
    assert [refusal.subject for refusal in plan.refusals] == ["b", "c"]
    idle = plan_maintenance(facts(member("a"), unreached("b"), member("c", learner=True)), Worth())
    assert idle.refusals == ()
    assert {skip.subject: skip.reason for skip in idle.skips if skip.subject != "a"} == {
        "b": "connection refused",
        "c": "it is a learner",
    }


def test_two_members_and_one_member() -> None:
    """Two bear no loss; of one it is known, and said with what it costs."""
    two = plan_maintenance(facts(member("a", **FULL), member("b")), Worth())
    assert "a quorum is 2" in two.refusals[0].problem
    assert "--allow-downtime" in plan_maintenance(facts(member("a", **FULL)), Worth()).refusals[0].next_step
    assert plan_maintenance(facts(member("a", **FULL)), Worth(), allow_downtime=True).refusals == ()


def test_nospace_is_ended_when_free_pages_are_enough() -> None:
    """Else the next step says what helps."""
    alarm: dict[str, Any] = {"alarms": ("NOSPACE",)} | QUOTA
    fragmented = member("a", **alarm, db_size=99 * MIB, db_size_in_use=20 * MIB)
    plan = plan_maintenance(facts(fragmented, member("b"), member("c")), Worth())
    assert plan.nospace == (fragmented.id,)
    assert [step.act for step in plan.steps] == ["defragment", "clear the alarm NOSPACE"]
    assert "NOSPACE" in plan.steps[0].reason
    filled = member("a", **alarm, db_size=99 * MIB, db_size_in_use=98 * MIB)
    refused = plan_maintenance(facts(filled, member("b"), member("c")), Worth()).refusals
    assert "are in use" in refused[0].problem
    assert "etcdctl compact" in refused[0].next_step


def test_an_alarm_stays_while_a_member_is_full_or_silent() -> None:
    """With the figures."""
    full = member("a", **QUOTA, db_size=91 * MIB)
    assert str(what_forbids_disarming([full, unreached("b")])) == (
        f"a uses {91 * MIB} of {100 * MIB} bytes; b: connection refused"
    )
    assert what_forbids_disarming([member("a")]) is None


def test_members_on_nodes_that_may_go_any_moment_do_not_count() -> None:
    """A cordoned control plane node may be somebody's who takes it down now; kubeadm names members as their nodes."""
    three = facts(member("cp1", **FULL), member("cp2"), member("cp3"))
    seen = ControlPlaneSeen(names=("cp1", "cp2", "cp3"), out={"cp2": "cordoned"})
    refused = plan_maintenance(three, Worth(), seen).refusals
    assert [one.subject for one in refused] == ["cp1"]
    assert "without cp1 1 of 3 voting members would be left, a quorum is 2" in refused[0].problem
    assert "cp2 (its node cp2 is cordoned or not Ready)" in refused[0].problem
    assert refused[0].problem.endswith("; cp2 is cordoned")
    assert refused[0].next_step == "bring the nodes named back, and uncordon them"
    assert plan_maintenance(three, Worth(), ControlPlaneSeen(names=seen.names)).refusals == ()
    own = ControlPlaneSeen(names=seen.names, out={"cp1": "not Ready: gone"})
    assert plan_maintenance(three, Worth(), own).refusals == ()
    five = facts(*three.members, member("cp4"), member("cp5"))
    assert plan_maintenance(five, Worth(), seen).refusals == ()


def test_an_api_that_cannot_be_asked_is_named() -> None:
    """Nobody knows then who is cordoned; a profile that has no way to any API says so, and goes on."""
    three = facts(member("a", **FULL), member("b"), member("c"))
    silent = plan_maintenance(three, Worth(), ControlPlaneSeen(unseen="no API server answers")).refusals
    assert [one.subject for one in silent] == ["API"]
    assert silent[0].problem == (
        "the API does not say which control plane nodes are cordoned or not Ready: no API server answers"
    )
    no_way = plan_maintenance(three, Worth(), ControlPlaneSeen(no_way=True))
    assert no_way.refusals == ()
    assert "no lock is taken, and no control plane node is seen" in no_way.cautions[0].problem
    idle = facts(member("a"), member("b"), member("c"))
    assert plan_maintenance(idle, Worth(), ControlPlaneSeen(no_way=True)).cautions == ()
    assert plan_maintenance(idle, Worth(), ControlPlaneSeen(unseen="gone")).refusals == ()


def test_what_forbids_the_act_is_looked_at_again() -> None:
    """Right before it."""
    full = member("cp1", **FULL)
    three, alone = facts(full, member("cp2"), member("cp3")), facts(full)
    names = ("cp1", "cp2", "cp3")

    def forbidden(found: EtcdFacts, seen: ControlPlaneSeen, *, allow_downtime: bool = False) -> Problem | None:
        return what_forbids_defragmenting(full, found, seen, allow_downtime=allow_downtime)

    assert forbidden(three, ControlPlaneSeen(names=names)) is None
    assert "a quorum is 2" in str(forbidden(three, ControlPlaneSeen(names=names, out={"cp3": "cordoned"})))
    assert "no API server answers" in str(forbidden(three, ControlPlaneSeen(unseen="no API server answers")))
    assert "a quorum is 1" in str(forbidden(alone, ControlPlaneSeen(names=names)))
    assert forbidden(alone, ControlPlaneSeen(names=names), allow_downtime=True) is None
