"""Reports what the proof of a node would already find wrong before the act."""

from collections.abc import Collection, Iterable, Iterator

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.node_work.models.health import Symptom

REPAIR = "repair it first: the proof afterwards would fail, and leave the node cordoned"


def findings_of_proof(
    name: str, symptoms: Iterable[Symptom], *, grave_stops: bool = True, known: Collection[str] | None = None
) -> Iterator[Finding]:
    """Yields what the proof of a node would find wrong before the act.

    A problem that is reported now is not new afterwards. A grave symptom refuses the run. If an earlier run has
    begun, only the symptoms that it recorded as `known` are not new.
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
