"""What rules say of a plan: a refusal stops it, a caution is for a person to look at."""

from tasks.core.models.base import Model
from tasks.core.models.plan import Caution, Refusal

SHOWN = 10
"""Names that a line lists."""


class Problem(Model):
    """Why something may not be, or is not as it has to be; the other answer of a rule is `None`."""

    text: str
    next_step: str = ""

    def __str__(self) -> str:
        return self.text


Finding = Refusal | Caution


def refused(subject: str, problem: str, next_step: str) -> Refusal:
    """A rule says no."""
    return Refusal(subject=subject, problem=problem, next_step=next_step)


def cautioned(subject: str, problem: str, next_step: str = "", *, lasting: str = "") -> Caution:
    """It does not stop the run.

    `lasting` is what an approval holds for, where all the words of the problem change by the minute; where a part of them does, that
    part is a `figure(...)` in the problem.
    """
    return Caution(subject=subject, problem=problem, next_step=next_step, lasting=lasting)


def softened(finding: Finding) -> Caution:
    """Of a run that does nothing."""
    return Caution(**finding.model_dump())


def listed(names: tuple[str, ...] | list[str], most: int = SHOWN) -> str:
    """`a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
