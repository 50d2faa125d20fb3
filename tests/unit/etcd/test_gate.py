"""Right before a defragmentation the lock is asked for: questions to members that hang take longer than a lock lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from tasks.cluster import Cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.models.etcd import ListedMember, Member, MemberStatus
from tasks.core.models.profile import ClusterProfile, EtcdEndpoint, Route
from tasks.etcd.gate import gate_member
from tasks.run.locks import Check
from tests.facts.etcd import member

MEMBERS = tuple(member(name, is_leader=name == "m2") for name in ("m1", "m2", "m3"))
PROFILE = ClusterProfile.model_validate(
    {
        "name": "prod",
        "nodes": [{"name": "cp1", "address": "192.0.2.1"}],
        "etcd": {
            "endpoints": [{"url": one.url} for one in MEMBERS],
            "client": {"ca": "file:/ca", "certificate": "file:/crt", "key": "file:/key"},
        },
        "kubernetes": {"kubeconfig": "file:/admin.conf"},
        "store": {"bucket": "backups"},
    }
)


class Client:
    """Of a member."""

    def __init__(self, own: Member) -> None:
        self._own = own

    def status(self) -> tuple[str, str, MemberStatus | None]:
        """What it says of itself."""
        return "c1", self._own.id, self._own.status

    def members(self) -> tuple[ListedMember, ...]:
        """All."""
        return tuple(ListedMember(one.id, one.name, learner=False, urls=(one.url,)) for one in MEMBERS)


class Asked:
    """A cluster that writes down what it is asked for: members of etcd, and nodes of the API."""

    def __init__(self, *, silent: str = "", cordoned: str = "") -> None:
        self.profile, self.kube = PROFILE, self
        self.questions: list[str] = []
        self._silent, self._cordoned = silent, cordoned

    @contextmanager
    def etcd(self, endpoint: EtcdEndpoint, route: Route) -> Iterator[Client]:
        """A member by its URL."""
        assert route is Route.DIRECT
        self.questions.append("members")
        (own,) = (one for one in MEMBERS if one.url == endpoint.url)
        if own.name == self._silent:
            raise NotYet(f"{own.name}: no answer")
        yield Client(own)

    def items(self, path: str) -> list[dict[str, object]]:
        """Of the API: nodes with the names of the members."""
        self.questions.append("nodes")
        if "nodes" not in path:
            return []
        role = {"node-role.kubernetes.io/control-plane": ""}
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        return [
            {
                "metadata": {"name": one.name, "labels": role},
                "spec": {"unschedulable": one.name == self._cordoned},
                "status": ready,
            }
            for one in MEMBERS
        ]


def gate(asked: Asked, check: Check = lambda: None) -> None:
    """For the first member."""
    gate_member(cast("Cluster", asked), "auto", MEMBERS[0], check, allow_downtime=False)


def test_the_lock_is_asked_for_after_all_other_questions() -> None:
    """One that was lost meanwhile forbids the act."""
    asked = Asked()

    def check() -> None:
        asked.questions.append("lock")
        raise Refused("this run has lost the lock")

    with pytest.raises(Refused, match="lost the lock"):
        gate(asked, check)
    assert asked.questions == [*["members"] * 3, "nodes", "nodes", "lock"]


def test_a_member_that_does_not_answer_may_be_at_work_for_an_earlier_attempt() -> None:
    """It is asked again; nobody is asked for the lock before."""
    with pytest.raises(NotYet, match="m1: direct did not work: m1: no answer -> it may still be defragmenting"):
        gate(Asked(silent="m1"))


@pytest.mark.parametrize("asked", [Asked(silent="m2"), Asked(cordoned="m2")])
def test_a_member_that_the_others_need_is_left_alone(asked: Asked) -> None:
    """For as long as another one is missing, or on a node that may go any moment."""
    with pytest.raises(NotYet, match=r"without m1 1 of 3 voting members would be left.*m2 \("):
        gate(asked)


def test_a_member_that_can_be_spared_is_let_go() -> None:
    """With the facts that say so."""
    gate(Asked())
