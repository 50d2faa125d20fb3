"""What can go wrong, in two words that decide everything: `Refused` is never retried, `NotYet` is."""


class RunbookError(Exception):
    """A problem stated with its numbers, and the next step as `hint`. Survives pickling between processes.

    Subclasses add no `__init__`: an exception that builds its message there does not survive the trip.
    """

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem} -> {self.hint}" if self.hint else self.problem


class Refused(RunbookError):
    """A rule says no, or the input is wrong: trying again changes nothing. Nothing was touched beyond what it says."""


class NotYet(RunbookError):
    """The world may change: a server is away, a member restarts, a store is slow. Retried until its budget ends."""


class CommandFailed(RunbookError):
    """A remote command ended with an exit status that its caller did not expect. Not retried blindly."""
