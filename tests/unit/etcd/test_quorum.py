"""Whether a member may go away: the others have to be a quorum, and healthy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.models.etcd import Member
from tasks.etcd.policy.quorum import is_fit, what_ails, what_keeps_it
from tests.facts.etcd import member, unreached


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_those_that_stay_are_always_a_healthy_quorum(healthy: list[bool], data: st.DataObject) -> None:
    """For every size of cluster, and whoever is ill."""
    members = [member(f"m{number}", healthy=fine) for number, fine in enumerate(healthy)]
    leaving = data.draw(st.sampled_from(members))
    stay = sum(is_fit(one) for one in members if one is not leaving)
    assert (not what_keeps_it(leaving, members)) == (stay >= len(members) // 2 + 1)


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
    found = what_keeps_it(leaving, [leaving, *others])
    assert told in found
    assert bool(told) == bool(found)


def test_a_learner_may_always_go_and_a_silent_member_is_called_so() -> None:
    """It is not needed for anything."""
    learner = member("m1", learner=True)
    assert what_keeps_it(learner, [learner, member("m2")]) == ""
    assert what_ails(Member(id="1", name="m1")) == "it did not answer"
