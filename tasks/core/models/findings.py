"""Defines what rules report about a plan: a refusal stops it, a caution is for a person to check."""

from tasks.core.models.base import Model
from tasks.core.models.plan import Caution, Refusal

SHOWN = 10
"""Limits how many names a line lists."""


class Problem(Model):
    """This is the reason why something is not allowed or not as required.

    If there is no problem, a rule returns `None`.
    """

    text: str
    next_step: str = ""

    def __str__(self) -> str:
        return self.text


Finding = Refusal | Caution


def refused(subject: str, problem: str, next_step: str) -> Refusal:
    """Returns a refusal: a rule forbids the run."""
    return Refusal(subject=subject, problem=problem, next_step=next_step)


def cautioned(subject: str, problem: str, next_step: str = "", *, lasting: str = "") -> Caution:
    """Returns a caution, which does not stop the run.

    `lasting` is the text that an approval covers if the whole problem text changes every minute. If only a part
    changes, mark that part with `figure(...)` in the problem.
    """
    return Caution(subject=subject, problem=problem, next_step=next_step, lasting=lasting)


def softened(finding: Finding) -> Caution:
    """Returns the finding as a caution, for a run that changes nothing."""
    return Caution(**finding.model_dump())


def listed(names: tuple[str, ...] | list[str], most: int = SHOWN) -> str:
    """Returns the names as one text, for example `a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
