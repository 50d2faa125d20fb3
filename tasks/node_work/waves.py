"""Acts on several workers at once, one wave after the other, within the max_failed of the run."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tasks.core.at_once import on_all
from tasks.core.errors import CommandFailed, Refused, RunbookError, in_lines
from tasks.core.logs import log_about
from tasks.core.words import counted
from tasks.node_work.policy.waves import may_go_on

N = TypeVar("N")
R = TypeVar("R")


def on_wave(
    wave: Sequence[N], act: Callable[[N], R], name_of: Callable[[N], str], *, failed_before: int, budget: int
) -> tuple[list[R], dict[str, str]]:
    """Acts on all workers of a wave at once.

    It returns the results, and the failures by worker name. Raises `CommandFailed` when more workers of the run
    failed than `budget` allows. Raises `Refused` instead if a rule refused every failed worker of the wave.
    """

    def one(node: N) -> R | RunbookError:
        try:
            return act(node)
        except RunbookError as error:
            log_about(name_of(node)).error("%s", error)
            return error

    came = on_all(one, wave)
    failed = {name_of(node): end for node, end in zip(wave, came, strict=True) if isinstance(end, RunbookError)}
    if failed and not may_go_on(failed_before + len(failed), budget):
        raise _over_budget(failed, failed_before, budget)
    return [end for end in came if not isinstance(end, RunbookError)], {n: str(error) for n, error in failed.items()}


def _over_budget(failed: Mapping[str, RunbookError], before: int, budget: int) -> RunbookError:
    """Builds the error for a wave in which more workers failed than max_failed allows."""
    more = f"{counted(before + len(failed), 'worker')} failed, --max-failed is {budget}" if budget or before else ""
    kind = Refused if all(isinstance(error, Refused) for error in failed.values()) else CommandFailed
    if len(failed) == 1 and not more:
        return next(iter(failed.values()))
    told = [(error.problem, error.hint) for error in failed.values()]
    problem, hint = in_lines([*told, (more, "")] if more else told)
    return kind(problem, hint=hint)
