"""Summarizes certificates from nothing: what people read first."""

from collections.abc import Sequence

from tasks.certificate_issue.models import IssuedAll, IssuePlan
from tasks.core.commands import TO_DO_IT
from tasks.core.words import counted


def summarize_issue_plan(plan: IssuePlan) -> tuple[str, ...]:
    """Returns the report text for a plan, or for a request with nothing to make."""
    if not plan.steps:
        return ("nothing to do: every machine already has the requested certificates",)
    return (
        f"nothing was done: the plan makes {counted(len(plan.steps), 'file')} on {', '.join(one.name for one in plan.machines)}",
        TO_DO_IT,
    )


def summarize_issue(issued: IssuedAll, proven: Sequence[str]) -> tuple[str, ...]:
    """Returns the report text for issued certificates."""
    return (
        f"certificates issued on {', '.join(one.name for one in issued.machines)}",
        *(f"{name}: {origin}" for name, origin in issued.authorities.items()),
        *(f"{one.name}: {counted(len(one.written), 'file')} in place" for one in issued.machines),
        f"proven: {counted(len(proven), 'certificate')}, each as asked for, with its own key, and valid for its purpose by openssl's check",
        *(
            f"{one.name}: the previous files are in {one.kept}; remove them when you are sure"
            for one in issued.machines
            if one.kept
        ),
        "nothing was restarted: running processes read the new files at their next start",
    )
