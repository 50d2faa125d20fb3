"""Summarizes what a run gave and took away, or how a cluster differs: what people read first."""

from tasks.access_apply.models import Act, Applied, Comparison, Proven
from tasks.core.commands import TO_DO_IT
from tasks.core.models.findings import listed
from tasks.core.models.plan import Plan
from tasks.core.words import counted


def summarize_apply_plan(found: Comparison, plan: Plan) -> tuple[str, ...]:
    """Returns the report text of a plan that was not carried out, or that has nothing to do."""
    if not plan.steps:
        return (f"nothing to change: {counted(found.same, 'object')} as the policy wants", *_cells(found))
    acts = [f"{act} {count}" for act in Act if (count := sum(step.act == act for step in plan.steps))]
    return (f"Nothing was changed. The plan is: {', '.join(acts)}", *_cells(found), TO_DO_IT)


def summarize_apply(applied: Applied, deleted: Applied, proven: Proven) -> tuple[str, ...]:
    """Returns the report text of a run that changed objects."""
    done = (*applied.done, *deleted.done)
    failing = [f"cells that failed before, and still fail: {listed(proven.failing)}"] if proven.failing else []
    return (
        f"{counted(len(done), 'object')} changed: {listed(done)}" if done else "all objects were already as planned",
        f"read back: {counted(proven.same, 'object')} as the policy wants",
        f"cells of the matrix that hold: {proven.holding} of {proven.holding + len(proven.failing)}",
        *failing,
    )


def summarize_drift(found: Comparison, plan: Plan) -> tuple[str, ...]:
    """Returns the report text of a cluster that is as its policy wants."""
    return (
        f"no difference: {counted(found.same, 'object')} as the policy wants",
        *_cells(found),
        f"{len(plan.cautions)} to check",
    )


def _cells(found: Comparison) -> tuple[str, ...]:
    if not found.cells:
        return ("the policy has no cell for the matrix",)
    return (f"cells of the matrix that hold: {sum(one.holds for one in found.cells)} of {len(found.cells)}",)
