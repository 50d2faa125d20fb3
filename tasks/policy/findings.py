"""What rules say of a plan: a refusal stops it, a caution is for a person to look at."""

from collections.abc import Collection, Iterable, Iterator

from tasks.models.drain import DrainForecast, Treatment, Verdict
from tasks.models.health import Symptom
from tasks.models.plan import Caution, Refusal, figure

REPAIR = "repair it first: the proof afterwards would fail, and leave the node cordoned"
SHOWN = 10
"""Names that a line lists."""

Finding = Refusal | Caution


def refused(subject: str, problem: str, next_step: str) -> Refusal:
    """A rule says no."""
    return Refusal(subject=subject, problem=problem, next_step=next_step)


def cautioned(subject: str, problem: str, next_step: str = "", *, lasting: str = "") -> Caution:
    """It does not stop the run. `lasting` is what an approval holds for, where the words of the problem change by the minute."""
    return Caution(subject=subject, problem=problem, next_step=next_step, lasting=lasting)


def softened(finding: Finding) -> Caution:
    """Of a run that does nothing."""
    return Caution(**finding.model_dump())


def listed(names: tuple[str, ...] | list[str], most: int = SHOWN) -> str:
    """`a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def findings_of_proof(
    name: str, symptoms: Iterable[Symptom], *, grave_stops: bool = True, known: Collection[str] | None = None
) -> Iterator[Finding]:
    """What the proof of a node would find wrong before the act: named now, and no news afterwards. What is grave stops it.

    Where a run has begun, only what it has written down as `known` is no news.
    """
    for one in symptoms:
        is_news = known is not None and one.of not in known
        if one.grave and grave_stops:
            yield refused(name, one.problem, REPAIR)
        elif one.grave or is_news:
            step = "the proof waits until that is over"
            yield cautioned(name, f"now: {one.problem}", step, lasting=f"now: {one.of}")
        else:
            step = "the proof asks whether it is no worse afterwards"
            yield cautioned(name, f"already before: {one.problem}", step, lasting=f"already before: {one.of}")


def findings_of_drain(name: str, forecast: DrainForecast | None) -> Iterator[Finding]:
    """Before the first cordon: pods that would never go, budgets that will be waited for, and what may hurt."""
    if forecast is None:
        yield cautioned(name, "what its drain meets is not known", "it is looked at right before the drain")
        return
    for verdict in forecast.blocked:
        yield refused(name, f"{verdict.pod} cannot be evicted: {verdict.reason}", verdict.next_step)
    for wait in forecast.waits:  # it comes and goes with every rollout
        yield cautioned(name, figure(wait), "the drain waits for it, up to options.drain.limit")
    for caution in forecast.cautions:
        yield cautioned(name, caution)
    for loss, owners in _losses(forecast).items():  # pods move from node to node: an approval holds for `evicted_by`
        told = figure(f"evicted for good ({loss}): {', '.join(owners)}")
        yield cautioned(name, told, "options.drain says so")


def evicted_by(forecasts: Iterable[DrainForecast | None]) -> tuple[str, ...]:
    """Controllers whose pods these drains evict, each once, and what is lost. Jobs are not among them: they come and go by the minute."""
    verdicts = [verdict for one in forecasts if one for verdict in one.verdicts if verdict.owner]
    moved = {one.owner for one in verdicts if one.treatment is Treatment.EVICT}
    lost = {_in_words(one) for one in verdicts if one.treatment is Treatment.EVICT_FOR_GOOD}
    return tuple(sorted(moved | lost))


def _in_words(verdict: Verdict) -> str:
    return f"{verdict.owner} for good ({verdict.loss or verdict.reason})"


def _losses(forecast: DrainForecast) -> dict[str, list[str]]:
    """What is lost to whose pods: all of them."""
    found: dict[str, set[str]] = {}
    for one in forecast.verdicts:
        if one.treatment is Treatment.EVICT_FOR_GOOD:
            found.setdefault(one.loss or one.reason, set()).add(one.owner or one.pod)
    return {loss: sorted(owners) for loss, owners in sorted(found.items())}
