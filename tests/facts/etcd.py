"""Members and facts for tests of policies."""

from tasks.core.models.etcd import EtcdFacts, Member, MemberStatus
from tasks.core.models.profile import Route

NOW = "2026-11-23T12:00:00Z"


def status(**changes: object) -> MemberStatus:
    """A healthy follower's status, with changes."""
    healthy = {
        "version": "3.6.16",
        "storage_version": "3.6.0",
        "is_leader": False,
        "has_leader": True,
        "healthy": True,
        "revision": 100,
        "raft_lag": 0,
        "db_size": 20_480,
        "db_size_in_use": 16_384,
        "db_quota": 2**31,
    }
    return MemberStatus.model_validate(healthy | changes)


def member(name: str, *, id_: str = "", learner: bool = False, **changes: object) -> Member:
    """A member that was reached, with changes to its status."""
    return Member(
        id=id_ or f"{abs(hash(name)) % 16**16:016x}",
        name=name,
        url=f"https://{name}:2379",
        learner=learner,
        route=Route.DIRECT,
        status=status(**changes),
    )


def unreached(name: str) -> Member:
    """A member that did not answer."""
    return Member(id=f"{abs(hash(name)) % 16**16:016x}", name=name, unreached="connection refused")


def facts(*members: Member) -> EtcdFacts:
    """A cluster of these."""
    return EtcdFacts(cluster_id="c1", observed_at=NOW, members=members)
