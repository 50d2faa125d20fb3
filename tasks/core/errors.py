"""Defines the errors. Their type decides what happens next.

`Refused` and `FailedForGood` are never retried. `NotYet` is retried, unless it is a `TimedOut`.
"""

from collections.abc import Iterable


class RunbookError(Exception):
    """This error states a problem with its numbers, and the next step as `hint`.

    A run may be refused for several reasons. Then `problem` has a line for each, and `hint` has as many lines.

    It survives pickling between processes.

    Subclasses add no `__init__`: an exception that builds its message there does not survive pickling.
    """

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(f"{one} -> {step}" if step else one for one, step in each_problem(self.problem, self.hint))


def in_one_line(text: str) -> str:
    """Returns a text without line ends, for an error that has a line for each problem."""
    return " ".join(text.split())


def in_lines(found: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Returns the text for `problem` and the text for `hint` of an error with these problems and their next steps."""
    pairs = tuple(dict.fromkeys(found))
    if len(pairs) == 1:
        return pairs[0]
    return "\n".join(in_one_line(one) for one, _ in pairs), "\n".join(in_one_line(step) for _, step in pairs)


def each_problem(problem: str, hint: str) -> tuple[tuple[str, str], ...]:
    """Returns each problem of an error, or of a report, with its own next step.

    It is one pair, unless both texts have the same number of lines.
    """
    problems, hints = problem.split("\n"), hint.split("\n")
    return tuple(zip(problems, hints, strict=True)) if len(problems) == len(hints) else ((problem, hint),)


class Refused(RunbookError):
    """A rule forbids the run, or the input is wrong; trying again changes nothing.

    Nothing was changed except what the error states.
    """


class FailedForGood(RunbookError):
    """The work failed, and to do it again would do harm. The report's next step does not offer a retry."""


class NotTrusted(Refused):
    """A server's certificate is not valid for the CA, the name or the current time."""


class NotYet(RunbookError):
    """The state may still change: a server is away, a member restarts, a store is slow.

    Prefect retries it until the time or the attempts of the task are used up.
    """


class TimedOut(NotYet):
    """A wait reached its limit. It checked again and again until then, so Prefect does not retry the whole task.

    It is a `NotYet`, so a longer wait around it continues.
    """


class CommandFailed(RunbookError):
    """A remote command exited with a status that its caller did not expect. It is not retried blindly."""
