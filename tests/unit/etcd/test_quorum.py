"""Whether a member may go away: the others have to be a quorum, and healthy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.models.etcd import Member
from tasks.etcd.policy.quorum import is_fit, unhealthy_members, what_ails, why_quorum_needs
from tests.facts.etcd import member, unreached


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_those_that_stay_are_always_a_healthy_quorum(healthy: list[bool], data: st.DataObject) -> None:
    """For every size of cluster, and whoever is ill."""
    members = [member(f"m{number}", healthy=fine) for number, fine in enumerate(healthy)]
    leaving = data.draw(st.sampled_from(members))
    stay = sum(is_fit(one) for one in members if one is not leaving)
    assert (why_quorum_needs(leaving, members) is None) == (stay >= len(members) // 2 + 1)


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ((), "without m1 0 of 1 voting members would be left, a quorum is 1"),
        ((member("m2"),), "without m1 1 of 2 voting members would be left, a quorum is 2"),
        ((member("m2"), member("m3")), ""),
        ((member("m2"), unreached("m3")), "not counted: m3 (connection refused)"),
        ((member("m2"), member("m3", alarms=("CORRUPT",))), "m3 (its alarm CORRUPT says that its data differs)"),
        ((member("m2"), member("m3", healthy=False)), "m3 (it does not answer a linearizable read)"),
        ((member("m2"), member("m3", learner=True)), "1 of 2 voting members would be left, a quorum is 2"),
    ],
)
def test_the_reason_names_numbers_and_members(others: tuple[Member, ...], told: str) -> None:
    """A learner does not vote."""
    leaving = member("m1")
    found = why_quorum_needs(leaving, [leaving, *others])
    assert told in str(found)
    assert bool(told) == bool(found)


def test_a_learner_may_always_go_and_a_silent_member_is_called_so() -> None:
    """It is not needed for anything."""
    learner = member("m1", learner=True)
    assert why_quorum_needs(learner, [learner, member("m2")]) is None
    assert str(what_ails(Member(id="1", name="m1"))) == "it did not answer"


def test_members_on_nodes_that_may_go_any_moment_are_not_counted() -> None:
    """By the node that they are on."""
    m1, m2, m3 = (member(name).model_copy(update={"node": f"n-{name}"}) for name in ("m1", "m2", "m3"))
    assert why_quorum_needs(m1, [m1, m2, m3], out=("n-m1",)) is None
    found = why_quorum_needs(m1, [m1, m2, m3], out=("n-m2",))
    assert str(found).endswith("a quorum is 2; not counted: m2 (its node n-m2 is cordoned or not Ready)")


def test_who_is_unhealthy_is_told_with_the_reason() -> None:
    """Except those that nobody is asked about."""
    ill, silent = member("m2", healthy=False), unreached("m3")
    found = unhealthy_members([member("m1"), ill, silent], besides=(silent.id,))
    assert [(one.name, str(ails)) for one, ails in found] == [("m2", "it does not answer a linearizable read")]


def test_a_learner_that_serves_no_linearizable_read_is_well() -> None:
    """It never does; one that sees no leader is not."""
    assert what_ails(member("m1", learner=True, healthy=False)) is None
    lost = what_ails(member("m1", learner=True, healthy=False, has_leader=False))
    assert lost
    assert lost.text == "it is a learner, and sees no leader"
