"""Writes what people read first about the maintenance of etcd and about its health."""

from collections.abc import Sequence

from tasks.core.commands import TO_DO_IT
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.plan import Plan
from tasks.core.words import counted, duration_in_words
from tasks.etcd.models import Defragmented, Disarmed, MaintenancePlan


def summarize_maintenance_plan(plan: MaintenancePlan) -> tuple[str, ...]:
    """Returns the summary for the report of a plan that nobody has asked to apply."""
    if not plan.steps:
        return ("nothing is worth a defragmentation, and there is no alarm",)
    return (
        f"nothing was done: the plan has {counted(len(plan.steps), 'step')}",
        TO_DO_IT,
    )


def summarize_maintenance(done: Sequence[Defragmented], disarmed: Disarmed | None) -> tuple[str, ...]:
    """Returns the summary for the report of a maintenance."""
    members = ", ".join(one.member for one in done)
    before, after = sum(one.before for one in done), sum(one.after for one in done)
    lines = [f"defragmented: {members}; {before} bytes before, {after} after"] if done else []
    lines += [
        f"{one.member}: {one.before} bytes before, {one.after} after, in {duration_in_words(one.took)}"
        + (f"; {one.leader_moved_to} leads now" if one.leader_moved_to else "")
        for one in done
    ]
    if disarmed:
        lines.append(f"the alarm NOSPACE of {', '.join(disarmed.members)} is cleared: the cluster accepts writes again")
    return tuple(lines) or ("nothing was worth a defragmentation, and there was no alarm",)


def summarize_health(facts: EtcdFacts, plan: Plan) -> tuple[str, ...]:
    """Returns the summary for the report of a healthy etcd."""
    leader = next((member.label for member in facts.members if member.status and member.status.is_leader), "")
    return (
        f"healthy: {', '.join(member.label for member in facts.members)}; {leader} leads, at revision {facts.newest_revision}",
        *(f"check {caution.subject}: {caution.problem}; {caution.next_step}" for caution in plan.cautions),
    )
