"""Which member of etcd is on a node, and what it means if none is known."""

from datetime import UTC, datetime

from tasks.core.models.etcd import EtcdFacts, Member
from tasks.node_work.policy.gates import member_on, what_member_lacks
from tests.facts.shapes import shape_of


def test_the_member_on_a_node() -> None:
    """By what is known of it, else by the name that kubeadm gave it; a member of another node is none."""
    here, nameless = Member(id="1", name="x", node="cp1"), Member(id="2", name="cp2")
    facts = EtcdFacts(
        cluster_id="c",
        observed_at=datetime(2026, 11, 24, tzinfo=UTC),
        members=(here, nameless, Member(id="3", name="cp3", node="cp9")),
    )
    assert (member_on(facts, "cp1"), member_on(facts, "cp2"), member_on(facts, "cp3")) == (here, nameless, None)


def test_a_member_that_is_not_known_is_no_reason_to_go_on() -> None:
    """Where the node runs etcd: its quorum was not asked for then. Not where its manifest is put away, or it has none."""
    member = Member(id="1", name="x", node="cp1")
    shape = shape_of("cp1")
    found = what_member_lacks(None, shape)
    assert str(found).startswith("no member of etcd is known to be on cp1, which has a manifest of one")
    assert what_member_lacks(member, shape) is None
    assert what_member_lacks(None, shape_of("w1", pods={})) is None
    assert shape.etcd
    parked = shape.etcd.model_copy(update={"pod": shape.etcd.pod.model_copy(update={"parked": True})})
    assert what_member_lacks(None, shape.model_copy(update={"etcd": parked})) is None
