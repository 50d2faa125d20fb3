"""Which member's snapshot is taken, and what is said of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backup.policy.sources import choose_source
from tasks.core.models.etcd import MAX_RAFT_LAG, Member
from tests.facts.etcd import facts, member, unreached


def test_a_follower_comes_before_the_leader_and_every_other_has_its_reason() -> None:
    """The long read is kept off the leader; nobody is passed over in silence."""
    plan = choose_source(facts(member("a", is_leader=True), member("b", raft_lag=7), member("c")))
    assert [source.name for source in plan.sources] == ["c", "b", "a"]
    assert plan.steps[0].subject == "c"
    assert {skip.subject: skip.reason for skip in plan.skips} == {
        "a": "it is the leader, and a follower is eligible",
        "b": "c comes before it by raft lag, then by name",
    }


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (member("x", learner=True), "learner"),
        (member("x", alarms=("NOSPACE",)), "alarm NOSPACE"),
        (member("x", alarms=("CORRUPT",), errors=("memberID:1 alarm:CORRUPT",)), "alarm CORRUPT"),
        (member("x", errors=("etcdserver: something else",)), "something else"),
        (member("x", raft_lag=MAX_RAFT_LAG + 1), f"{MAX_RAFT_LAG + 1} raft entries behind, {MAX_RAFT_LAG} are allowed"),
        (member("x", healthy=False), "does not answer a linearizable read"),
        (member("x", healthy=False, has_leader=False), "lost quorum"),
        (unreached("x"), "connection refused"),
    ],
)
def test_each_rule_excludes_a_member_and_says_why(bad: Member, reason: str) -> None:
    """Alone such a member is refused with its reason and a next step; beside a good one it is skipped with it."""
    beside = choose_source(facts(bad, member("good")))
    assert [source.name for source in beside.sources] == ["good"]
    assert reason in beside.skips[0].reason
    alone = choose_source(facts(bad))
    assert not alone.sources
    assert reason in alone.refusals[0].problem
    assert alone.refusals[0].next_step


def test_the_largest_allowed_lag_is_allowed() -> None:
    """The bound itself is inside."""
    assert choose_source(facts(member("x", raft_lag=MAX_RAFT_LAG))).sources


def test_without_quorum_only_allow_no_quorum_makes_the_survivor_acceptable() -> None:
    """A snapshot needs no quorum, but a person has to say so."""
    survivor = member("a", healthy=False, has_leader=False, errors=("etcdserver: no leader",))
    lost = facts(survivor, unreached("b"), unreached("c"))
    refused = choose_source(lost)
    assert [refusal.subject for refusal in refused.refusals] == ["a", "b", "c"]
    assert "--allow-no-quorum" in refused.refusals[0].next_step
    assert [source.name for source in choose_source(lost, allow_no_quorum=True).sources] == ["a"]


def test_a_member_can_be_asked_for_by_name_or_id_even_if_it_is_the_leader() -> None:
    """An operator's word wins over the preference, never over a rule."""
    cluster = facts(
        member("a", is_leader=True, id_="00000000000000aa"), member("b"), member("sick", alarms=("CORRUPT",))
    )
    assert choose_source(cluster, asked="a").sources[0].name == "a"
    assert [source.name for source in choose_source(cluster, asked="00000000000000AA").sources] == ["a"]
    assert "CORRUPT" in choose_source(cluster, asked="sick").refusals[0].problem


def test_an_unknown_member_lists_the_known_ones() -> None:
    """With name and id, so that the answer can be copied."""
    refusal = choose_source(facts(member("a", id_="00000000000000aa")), asked="cp9").refusals[0]
    assert refusal.problem == "member 'cp9' is unknown"
    assert "a (00000000000000aa)" in refusal.next_step


def test_a_name_that_two_members_have_asks_for_the_id() -> None:
    """Etcd lets two members have one name."""
    twins = facts(member("a", id_="00000000000000aa"), member("a", id_="00000000000000bb"))
    refusal = choose_source(twins, asked="a").refusals[0]
    assert refusal.problem == "member 'a' matches 2 members"
    assert refusal.next_step == "give the id: 00000000000000aa or 00000000000000bb"
    assert choose_source(twins, asked="00000000000000bb").sources[0].id == "00000000000000bb"


def test_what_a_person_should_look_at_is_told_and_stops_nothing() -> None:
    """A member that is down, an alarm, and a database near its quota."""
    plan = choose_source(facts(member("ok"), unreached("down"), member("full", db_size=80, db_quota=100)))
    assert plan.sources
    assert {caution.subject for caution in plan.cautions} == {"down", "full"}
    assert "80 % of its quota" in next(c.problem for c in plan.cautions if c.subject == "full")


members = st.builds(
    member,
    st.sampled_from("abcdefgh"),
    id_=st.uuids().map(lambda uuid: uuid.hex[:16]),
    learner=st.booleans(),
    healthy=st.booleans(),
    has_leader=st.booleans(),
    is_leader=st.booleans(),
    raft_lag=st.integers(0, 2 * MAX_RAFT_LAG),
    alarms=st.sampled_from([(), ("NOSPACE",)]),
) | st.builds(unreached, st.sampled_from("ijkl"))


@given(st.lists(members, min_size=1, max_size=7), st.booleans())
def test_a_source_is_never_ineligible_and_everybody_is_accounted_for(found: list[Member], allow: bool) -> None:  # noqa: FBT001
    """Whatever the cluster looks like: the chosen is fit, or all are refused; each other member has a reason."""
    plan = choose_source(facts(*found), allow_no_quorum=allow)
    for source in plan.sources:
        assert source.status is not None
        assert not source.learner
        assert not source.status.alarms
        assert source.status.raft_lag <= MAX_RAFT_LAG
        assert source.status.healthy or allow
    assert bool(plan.sources) != bool(plan.refusals)
    told = len(plan.steps) + len(plan.skips) if plan.sources else len(plan.refusals)
    assert told == len(found)
    assert all(skip.reason for skip in plan.skips)
