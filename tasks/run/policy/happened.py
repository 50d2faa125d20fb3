"""Says what happened in a run in three lines: the outcome, what was done and proven, what is left."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.core.errors import each_problem
from tasks.core.models.report import Outcome, Report
from tasks.core.words import counted, duration_in_words
from tasks.run.policy.node_states import is_left

PROVEN = "proven"
LEFT = ("NOT ", "not proven", "check ", "to do it", "next: ", "left in the store")
"""Lists the first words of a summary's lines about what is left."""

ROOM = 300
"""Limits how many characters of proofs the second line has. The details have all of them."""
LONGEST_PROBLEM = 300
"""Limits how many characters of the problem the first line has."""
MOST_PROBLEMS = 10
"""Limits how many problems are listed below the first line."""
NAMES = 8
"""Limits how many nodes a line names."""


class Happened(NamedTuple):
    """Holds the three lines, without their titles, and what is below the first one."""

    outcome: str
    problems: tuple[tuple[str, str], ...]
    """It has the first problems, each with its next step, if there are several."""
    done: str
    left: str


def happened(report: Report, states: Mapping[str, str]) -> Happened:
    """Returns the three lines, from a report and the state of each node."""
    return Happened(_outcome(report), _several(report)[:MOST_PROBLEMS], _done(report, states), _left(report, states))


def _outcome(report: Report) -> str:
    took = f" after {duration_in_words(report.ended_at - report.started_at)}" if report.ended_at else ""
    step = f", in the step `{report.doing}`" if report.doing else ""
    if several := _several(report):
        more = f"; the first {MOST_PROBLEMS} (the details have all of them)" if has_more(report) else ""
        return f"{report.outcome}{took}{step}, for {len(several)} reasons{more}"
    problem = report.problem.strip().partition("\n")[0][:LONGEST_PROBLEM]
    more = "… (the details have all of it)" if has_more(report) else ""
    return f"{report.outcome}{took}{step}" + (f": {problem}{more}" if problem else "")


def has_more(report: Report) -> bool:
    """Checks whether the problem is longer than what the first lines show of it."""
    problem = report.problem.strip()
    if several := _several(report):
        return len(several) > MOST_PROBLEMS
    return "\n" in problem or len(problem) > LONGEST_PROBLEM


def _several(report: Report) -> tuple[tuple[str, str], ...]:
    """Returns each problem with its next step. It is empty unless there are several."""
    found = each_problem(report.problem, report.next_step)
    return found if len(found) > 1 else ()


def _done(report: Report, states: Mapping[str, str]) -> str:
    if report.outcome in {Outcome.COMPLETED, Outcome.SKIPPED, Outcome.WAITING} and report.summary:
        return "; ".join((report.summary[0], *_proofs(report.summary[1:])))
    changed = [node for node, state in states.items() if not is_left(state) and not state.startswith("left alone")]
    if changed:
        planned = len([state for state in states.values() if not state.startswith("left alone")])
        done = dict.fromkeys(states[node].partition(",")[0] for node in changed)
        return f"{len(changed)} of {planned} nodes: {_names(changed)} ({', '.join(done)})"
    steps = tuple(dict.fromkeys(step.step for step in report.done))
    told = f"finished steps: {', '.join(steps)}" if steps else "no step was finished"
    return f"no node was finished; {told}" if states else told


def _proofs(lines: Sequence[str]) -> tuple[str, ...]:
    """Returns the proofs that fit into the line, and how many more the details have."""
    proofs = [line for line in lines if line.startswith(PROVEN)]
    shown = list(proofs)
    while len("; ".join(shown)) > ROOM:
        shown.pop()
    more = len(proofs) - len(shown)
    return (*shown, f"{more} more in the details") if more else tuple(shown)


def _left(report: Report, states: Mapping[str, str]) -> str:
    nodes = [node for node, state in states.items() if is_left(state)]
    lines = [line for line in report.summary if line.startswith(LEFT)]
    told = [f"{counted(len(nodes), 'node', 'nodes')}: {_names(nodes)}"] if nodes and not lines else []
    told += lines[:3]
    if lines[3:]:
        told.append(f"{len(lines) - 3} more in the details")
    if _several(report):
        told.append("each reason has its next step")
    elif report.next_step:
        told.append(f"next: {report.next_step}")
    return "; ".join(told) or "nothing"


def _names(nodes: Sequence[str]) -> str:
    more = f" and {len(nodes) - NAMES} more" if nodes[NAMES:] else ""
    return f"{', '.join(nodes[:NAMES])}{more}"
