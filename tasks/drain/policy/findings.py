"""Turns the forecast of a drain into the findings of a plan."""

from collections.abc import Iterable, Iterator

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import figure
from tasks.drain.models import DrainForecast, Treatment, Verdict

ASKED = (
    "the drain asks for it, up to --timeout; what is not let go until then ends it, and the node is uncordoned again"
)


def findings_of_drain(name: str, forecast: DrainForecast | None) -> Iterator[Finding]:
    """Yields the findings before the first cordon.

    They are pods that would never go, PodDisruptionBudgets that will be waited for, and possible harm.
    """
    if forecast is None:
        yield cautioned(name, "which pods its drain must evict is not known", "it is checked right before the drain")
        return
    for verdict in forecast.blocked:
        yield refused(name, f"{verdict.pod} cannot be evicted: {verdict.reason}", verdict.next_step)
    for wait in forecast.waits:  # it comes and goes with every rollout
        yield cautioned(name, figure(wait), "the drain waits for it, up to --timeout")
    for ask in forecast.asks:
        yield cautioned(name, figure(ask), ASKED)
    for caution in forecast.cautions:
        yield cautioned(name, caution)
    for loss, owners in _losses(forecast).items():  # pods move from node to node: an approval holds for `evicted_by`
        told = figure(f"evicted for good ({loss}): {', '.join(owners)}")
        yield cautioned(name, told, "an option of the drain allows it")


def evicted_by(forecasts: Iterable[DrainForecast | None]) -> tuple[str, ...]:
    """Lists the controllers whose pods these drains evict, each once, and what is lost.

    Jobs are left out, because they change every minute.
    """
    verdicts = [verdict for one in forecasts if one for verdict in one.verdicts if verdict.owner]
    moved = {one.owner for one in verdicts if one.treatment is Treatment.EVICT}
    lost = {_in_words(one) for one in verdicts if one.treatment is Treatment.EVICT_FOR_GOOD}
    return tuple(sorted(moved | lost))


def _in_words(verdict: Verdict) -> str:
    return f"{verdict.owner} for good ({verdict.loss or verdict.reason})"


def _losses(forecast: DrainForecast) -> dict[str, list[str]]:
    """Maps each loss to all owners whose pods have it."""
    found: dict[str, set[str]] = {}
    for one in forecast.verdicts:
        if one.treatment is Treatment.EVICT_FOR_GOOD:
            found.setdefault(one.loss or one.reason, set()).add(one.owner or one.pod)
    return {loss: sorted(owners) for loss, owners in sorted(found.items())}
