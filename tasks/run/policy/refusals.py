"""Says why a plan is refused: each problem has a line, and so has its next step."""

from collections.abc import Callable
from typing import TypeVar

from tasks.core.errors import in_lines
from tasks.core.models.plan import Plan
from tasks.run.policy.plan_rows import plan_rows

P = TypeVar("P", bound=Plan)


def with_commands(plan: P, filled: Callable[[str], str]) -> P:
    """Returns the plan with the names that its rules do not know in every next step.

    An approval does not cover a next step, so the digest stays the same.
    """
    return plan.model_copy(
        update={
            "cautions": tuple(one.model_copy(update={"next_step": filled(one.next_step)}) for one in plan.cautions),
            "refusals": tuple(one.model_copy(update={"next_step": filled(one.next_step)}) for one in plan.refusals),
        }
    )


def refused_by(plan: Plan) -> tuple[str, str]:
    """Returns the problem and the next step of a refused plan, with as many lines as it has different refusals."""
    return in_lines((f"{row.nodes}: {row.reason}", row.action) for row in plan_rows(plan) if row.kind == "refusal")
