"""Writes what Prefect shows of an unsuccessful run, in its state and its events.

It is one line for each problem, short enough for a page or a phone.
"""

import textwrap

from tasks.core.errors import each_problem

LIMIT = 200
"""Limits the characters of a line; the report and the log have the full text."""

MOST = 5
"""Limits the lines of a message."""

NEXT_STEP_LIMIT = 110
"""Limits the characters of a next step; a longer one is left out, because half of a command is worse than none."""

ELSEWHERE = "see the report"


def end_message(problem: str, next_step: str = "") -> str:
    """Returns each problem with its next step.

    A long problem is cut between words. A next step is never cut.
    """
    pairs = each_problem(problem, next_step)
    more = [f"{len(pairs) - MOST} more: {ELSEWHERE}"] if len(pairs) > MOST else []
    return "\n".join([*(_line(one, step) for one, step in pairs[:MOST]), *more])


def _line(problem: str, next_step: str) -> str:
    said, then = " ".join(problem.split()), " ".join(next_step.split())
    whole = f"{said.rstrip('.')}. Next: {then}" if then else said
    if len(whole) <= LIMIT:
        return whole
    end = f" Next: {then if then and len(then) <= NEXT_STEP_LIMIT else ELSEWHERE}"
    return textwrap.shorten(said, LIMIT - len(end), placeholder=" …") + end
