"""Members put together from what each endpoint answered."""

import pytest

from tasks.core.errors import NotYet, Refused
from tasks.core.models.etcd import ListedMember
from tasks.core.models.profile import EtcdEndpoint, Route
from tasks.etcd.policy.members import Answer, assemble, at_its_node, choose_endpoints, has_no_leader, is_near
from tests.facts.etcd import status


def endpoint(name: str) -> EtcdEndpoint:
    """Of a node with that name."""
    return EtcdEndpoint(url=f"https://{name}:2379", node=name)


def listed(*names: str, learner: bool = False) -> tuple[ListedMember, ...]:
    """Members with their own name as id."""
    return tuple(ListedMember(f"id-{name}", name, learner, (f"https://{name}:2379",)) for name in names)


def answer(name: str, *known: ListedMember, cluster: str = "c1", healthy: bool = True) -> Answer:
    """From a member that was reached."""
    return Answer(
        endpoint(name),
        route=Route.DIRECT,
        cluster_id=cluster,
        member_id=f"id-{name}",
        status=status(healthy=healthy),
        listed=known,
    )


def silent_answer(name: str, reason: str) -> Answer:
    """From a member that was not reached."""
    return Answer(endpoint(name), failed=((Route.DIRECT, NotYet(reason)),))


def test_members_come_in_the_clusters_order_with_their_status() -> None:
    """Matched by the id that the member gave itself, not by URL."""
    known = listed("a", "b")
    cluster, members = assemble([answer("b", *known), answer("a", *known)])
    assert (cluster, [member.name for member in members]) == ("c1", ["a", "b"])
    assert all(member.status for member in members)


def test_a_silent_endpoint_is_recognised_by_its_client_url() -> None:
    """It keeps name and id, so that the report can speak of it."""
    silent = silent_answer("b", "connection refused")
    _, members = assemble([answer("a", *listed("a", "b")), silent])
    assert (members[1].id, members[1].unreached, members[1].node) == (
        "id-b",
        "direct did not work: connection refused",
        "b",
    )


def test_a_member_without_an_endpoint_and_an_endpoint_without_a_member_are_both_shown() -> None:
    """One is missing in the profile, the other is a stranger in it."""
    silent = silent_answer("old", "no route to host")
    _, members = assemble([answer("a", *listed("a", "new")), silent])
    assert [member.name for member in members] == ["a", "new", "old"]
    assert "neither etcd.endpoints of the profile nor its nodes lead to it" in members[1].unreached
    assert members[2].unreached == "direct did not work: no route to host"


def test_the_membership_is_taken_from_a_member_with_quorum() -> None:
    """A partitioned member may not know of a change yet."""
    stale, fresh = answer("a", *listed("a"), healthy=False), answer("b", *listed("a", "b"))
    assert [member.name for member in assemble([stale, fresh])[1]] == ["a", "b"]


def test_endpoints_of_two_clusters_are_refused() -> None:
    """A copied profile with one old address must not back up the wrong cluster."""
    with pytest.raises(Refused, match="different clusters: https://a:2379 is of c1, https://b:2379 is of c2"):
        assemble([answer("a", *listed("a")), answer("b", *listed("b"), cluster="c2")])


AFAR = EtcdEndpoint(url="https://10.0.0.21:2379", node="cp1")
NEAR = EtcdEndpoint(url="https://[::1]:2379", node="cp3")


def test_a_node_whose_own_member_is_not_understood_is_asked_by_the_loopback_of_its_api_server() -> None:
    """Beside the members of the others; a URL from afar is an external etcd's, and asked where there is no other."""
    own = endpoint("cp1")
    assert choose_endpoints([((own,), (AFAR,)), ((), (NEAR,)), ((), ())]) == (own, NEAR)
    assert choose_endpoints([((own,), ()), ((), (AFAR,))]) == (own,)
    assert choose_endpoints([((), (AFAR,)), ((), (AFAR,))]) == (AFAR, AFAR)
    assert (is_near(NEAR.url), is_near(AFAR.url)) == (True, False)


def test_the_member_of_a_node_is_meant_by_whatever_address_the_profile_has() -> None:
    """Of an external etcd the one with the same URL; none where there is none."""
    own, other = endpoint("cp1"), EtcdEndpoint(url="https://10.0.0.22:2379", node="cp1")
    assert at_its_node("https://lb:2379", (own,), ()) == own
    assert at_its_node(other.url, (), (AFAR, other)) == other
    assert at_its_node("https://lb:2379", (), (AFAR, other)) is None


def test_a_node_that_was_not_asked_is_named_beside_the_member_that_nobody_leads_to() -> None:
    """It may be its."""
    _, members = assemble([answer("a", *listed("a", "b"))], {"cp2": NotYet("cp2: no route to host")})
    assert members[1].unreached == (
        "neither etcd.endpoints of the profile nor its nodes lead to it; not asked: cp2: no route to host"
    )


def test_nobody_leads_only_if_every_endpoint_says_so() -> None:
    """One that does not answer may be the leader."""
    follower, leader = answer("a"), Answer(endpoint("b"), status=status(is_leader=True))
    assert has_no_leader([follower, answer("c")])
    assert not has_no_leader([follower, leader])
    assert not has_no_leader([follower, silent_answer("b", "connection refused")])
    assert not has_no_leader([])
