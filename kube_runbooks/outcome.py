"""Defines how a command reports its result: its exit status, and the one JSON document that `-o json` prints."""

import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Literal

from cyclopts import Parameter

from tasks.core.errors import each_problem

Output = Literal["text", "json"]
"""Selects the format of standard output, which has only the result. Logs go to standard error."""

OUTPUT = Parameter(name=["--output", "-o"], help="json prints one document on standard output, also on a failure")

SCHEMA = 1


class Exit(IntEnum):
    """Lists the exit statuses. Treat any other status as a failure."""

    OK = 0
    """It means that the run completed or was skipped."""
    FAILED = 1
    USAGE = 2
    """It means that the command line or the profile is wrong."""
    REFUSED = 3
    WAITING = 4
    """It means that the run waits for an approval, or that a wait timed out."""
    CHECK_FAILED = 5
    """It means that `check` found a failure."""
    INTERRUPTED = 130
    TERMINATED = 143


_BY_OUTCOME = {"completed": Exit.OK, "skipped": Exit.OK, "refused": Exit.REFUSED, "waiting": Exit.WAITING}


def exit_of(outcome: str) -> Exit:
    """Returns the exit status for a report's outcome. An unknown outcome is a failure."""
    return _BY_OUTCOME.get(outcome, Exit.FAILED)


def document(
    outcome: str, *, problem: str = "", next_step: str = "", report: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Returns the JSON document of a run. It has the same fields for every outcome."""
    return {"schema": SCHEMA, "outcome": outcome, "problem": problem, "next_step": next_step, "report": report}


_WITHOUT_A_RUN = {Exit.USAGE: "usage", Exit.REFUSED: "refused"}


def give_up(ended: Exit, problem: str, next_step: str = "", output: Output = "text") -> Exit:
    """Reports why a command has no result, on standard error and in the JSON document, and returns its exit status."""
    complain(problem, next_step)
    if output == "json":
        show_json(document(_WITHOUT_A_RUN.get(ended, "failed"), problem=problem, next_step=next_step))
    return ended


def show_json(value: object) -> None:
    """Writes one JSON document to standard output."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def complain(problem: str, next_step: str = "") -> None:
    """Writes what went wrong, and what to do next, to standard error."""
    for one, step in each_problem(problem, next_step):
        print(f"{one}\nNext: {step}" if step else one, file=sys.stderr)
