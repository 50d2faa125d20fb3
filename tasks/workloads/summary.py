"""Writes what people read first about workloads."""

from collections.abc import Sequence

from tasks.core.commands import TO_DO_IT
from tasks.core.models.plan import Plan
from tasks.core.words import counted, duration_in_words
from tasks.workloads.models.history import HistoriesFound, Revision
from tasks.workloads.models.rollback import RolledBack
from tasks.workloads.models.rollout import GroupRolled
from tasks.workloads.models.state import StatusFound
from tasks.workloads.policy.gates import gates_in_words
from tasks.workloads.policy.status import problem_of


def summarize_status(found: StatusFound) -> tuple[str, ...]:
    """Summarizes the status of workloads of which none has failed."""
    done = [one for one in found.workloads if one.standing.done]
    lines = [f"{len(done)} of {len(found.workloads)} workloads of {found.namespace} are rolled out and available"]
    for one in found.workloads:
        counts = f"{one.updated} updated, {one.available} available, of {one.replicas}"
        lines.append(f"{one.workload}: {counts}" + ("" if one.standing.done else f"; {problem_of(one, one.troubles)}"))
        lines += [f"  log of {each.where}: {line}" for each in one.troubles for line in each.log]
    return tuple(lines)


def summarize_history(found: HistoriesFound) -> tuple[str, ...]:
    """Summarizes the revisions of workloads, the newest of each first."""
    count = sum(len(one.revisions) for one in found.histories)
    lines = [f"{count} revisions of {len(found.histories)} workloads of {found.namespace}"]
    for history in found.histories:
        if not history.revisions:
            lines.append(f"{history.workload}: its controller has created no revision yet")
        for one in history.revisions:
            lines += [f"{history.workload} {_line(one)}", *(f"  {change}" for change in one.changes)]
    return tuple(lines)


def _line(one: Revision) -> str:
    when = f"{one.created:%Y-%m-%d %H:%M:%S} UTC" if one.created else "at an unknown time"
    who = f", by {one.who}" if one.who else ""
    cause = f"; {one.cause}" if one.cause else ""
    images = ", ".join(f"{name}={image}" for name, image in one.images.items())
    runs = ", runs now" if one.runs else ""
    return f"revision {one.number} ({one.name}{runs}, {one.pods} pods): {when}{who}; {images}{cause}"


def summarize_rollout_plan(plan: Plan) -> tuple[str, ...]:
    """Summarizes a plan that was not requested to be applied, or that has nothing to do."""
    if not plan.steps:
        return ("there is nothing to do", *(f"{skip.subject}: {skip.reason}" for skip in plan.skips))
    return (
        f"nothing was done: the plan has {counted(len(plan.steps), 'workload')}",
        TO_DO_IT,
    )


def summarize_rollout(done: Sequence[GroupRolled]) -> tuple[str, ...]:
    """Summarizes a rollout that was proven."""
    count = sum(len(group.workloads) for group in done)
    lines = [f"{count} workloads are rolled out and proven, in {len(done)} groups"]
    for group in done:
        for one in group.workloads:
            resumed = "" if one.changed else "; an earlier attempt had changed it"
            took = f"{group.took.total_seconds():.0f} s"
            lines.append(f"{one.workload}: revision {one.revision}, {one.pods} pods, proven in {took}{resumed}")
            if one.left_out:
                lines.append(f"{one.workload}: not in its snapshot: the Secrets {', '.join(one.left_out)}")
        if group.gates:
            names, length = ", ".join(group.gates), duration_in_words(group.baked)
            lines.append(f"group {group.group}: all gates ({names}) stayed open for {length}")
    return tuple(lines)


def summarize_rollback(done: Sequence[RolledBack]) -> tuple[str, ...]:
    """Summarizes a rollback that was proven."""
    lines = [f"rolled back and proven: {counted(len(done), 'workload')}"]
    for one in done:
        images = ", ".join(f"{name}={image}" for name, image in one.images.items())
        resumed = "" if one.changed else "; an earlier attempt had changed it"
        took = f"{one.took.total_seconds():.0f} s"
        lines.append(f"{one.workload}: back to {one.to}, runs {images}, proven in {took}{resumed}")
        if one.config:
            lines.append(f"{one.workload}: with their content of then: {', '.join(one.config)}")
        if one.unstuck:
            lines.append(f"{one.workload}: pods that blocked it were deleted: {', '.join(one.unstuck)}")
    if done and (said := gates_in_words(done[-1].gates, done[-1].closed)):
        lines.append(said)
    return tuple(lines)
