"""What people read first of certificates made from nothing."""

from collections.abc import Sequence

from tasks.certificate_issue.models import IssuedAll, IssuePlan


def summarize_issue_plan(plan: IssuePlan) -> tuple[str, ...]:
    """For the report of a plan of certificates, or where there is nothing to make."""
    if not plan.steps:
        return ("nothing to do: every machine has all of its certificates, as they are asked for",)
    return (
        f"nothing was done: {len(plan.steps)} things are to be made on {', '.join(one.name for one in plan.machines)}",
    )


def summarize_issue(issued: IssuedAll, proven: Sequence[str]) -> tuple[str, ...]:
    """For the report of certificates from nothing."""
    return (
        *(f"{name}: {origin}" for name, origin in issued.authorities.items()),
        *(f"{one.name}: {len(one.written)} files are in place" for one in issued.machines),
        f"proven: {len(proven)} certificates are as asked for, have their keys, and are good for it by openssl's judgement",
        *(
            f"{one.name}: what was there before is in {one.kept}; remove it when you are sure"
            for one in issued.machines
            if one.kept
        ),
        "nothing was started or restarted: what runs there already reads its files when it starts anew",
    )
