"""Shows the members of etcd as an artifact."""

from prefect.artifacts import create_table_artifact

from tasks.core.models.etcd import EtcdFacts, Member
from tasks.run.reports import shown_if_possible


def show_members(cluster: str, facts: EtcdFacts) -> None:
    """Publishes the members' table in the Prefect UI."""
    shown_if_possible(
        create_table_artifact,
        key=f"{cluster}-etcd-members",
        table=[_member_row(member) for member in facts.members],
        description=f"etcd members of {cluster} at {facts.observed_at:%Y-%m-%dT%H:%M:%SZ}",
    )


def _member_row(member: Member) -> dict[str, object]:
    status = member.status
    row: dict[str, object] = {"member": member.label, "id": member.id, "node": member.node or "", "url": member.url}
    if status is None:
        return row | {"state": f"not reached: {member.unreached}"}
    return row | {
        "state": "healthy" if status.healthy else "NOT healthy",
        "role": "learner" if member.learner else "leader" if status.is_leader else "follower",
        "route": str(member.route),
        "version": status.version,
        "revision": status.revision,
        "raft lag": status.raft_lag,
        "database bytes": status.db_size,
        "in use": status.db_size_in_use,
        "alarms": ", ".join(status.alarms),
    }
