"""Workers at once: an act on each of a wave, within the error budget of the run."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tasks.core.at_once import on_all
from tasks.core.errors import CommandFailed, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.node_work.policy.waves import may_go_on

N = TypeVar("N")
R = TypeVar("R")


def on_wave(
    wave: Sequence[N], act: Callable[[N], R], name_of: Callable[[N], str], *, failed_before: int, budget: int
) -> tuple[list[R], dict[str, str]]:
    """An act on the workers of a wave at once: what came of it, and why it failed, by name.

    Raises `CommandFailed` when more workers of the run failed than its error budget allows, and `Refused` where a rule said no
    to each of them.
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
    """Of the workers of a wave: more failed than may."""
    told = "; ".join(error.problem for error in failed.values())
    hints = "; ".join(dict.fromkeys(error.hint for error in failed.values() if error.hint))
    more = f"{before + len(failed)} workers failed, the error budget is {budget}" if budget or before else ""
    kind = Refused if all(isinstance(error, Refused) for error in failed.values()) else CommandFailed
    return kind("; ".join(part for part in (more, told) if part), hint=hints)
