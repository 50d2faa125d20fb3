"""What the proof of a node would find wrong already before the act."""

from collections.abc import Collection, Iterable, Iterator

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.node_work.models.health import Symptom

REPAIR = "repair it first: the proof afterwards would fail, and leave the node cordoned"


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
