"""What people read first of a maintenance of etcd, and of its health."""

from collections.abc import Sequence

from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.plan import Plan
from tasks.etcd.models import Defragmented, Disarmed, MaintenancePlan


def summarize_maintenance_plan(plan: MaintenancePlan) -> tuple[str, ...]:
    """For the report of a plan that nobody has asked to apply."""
    if not plan.steps:
        return ("nothing is worth a defragmentation, and there is no alarm",)
    return (
        f"nothing was done: {len(plan.steps)} steps are in the plan",
        "to do them: the same parameters with mode=apply, or mode=approve to be asked first",
    )


def summarize_maintenance(done: Sequence[Defragmented], disarmed: Disarmed | None) -> tuple[str, ...]:
    """For the report of a maintenance."""
    lines = [
        f"{one.member}: {one.before} bytes before, {one.after} after, in {one.took.total_seconds():.1f} s"
        + (f"; {one.leader_moved_to} leads now" if one.leader_moved_to else "")
        for one in done
    ]
    if disarmed:
        lines.append(f"the alarm NOSPACE of {', '.join(disarmed.members)} is over: the cluster takes writes again")
    return tuple(lines) or ("nothing was worth a defragmentation, and there was no alarm",)


def summarize_health(facts: EtcdFacts, plan: Plan) -> tuple[str, ...]:
    """For the report of a healthy etcd."""
    leader = next((member.label for member in facts.members if member.status and member.status.is_leader), "")
    return (
        f"healthy: {', '.join(member.label for member in facts.members)}; {leader} leads, at revision {facts.newest_revision}",
        *(f"look at {caution.subject}: {caution.problem}; {caution.next_step}" for caution in plan.cautions),
    )
