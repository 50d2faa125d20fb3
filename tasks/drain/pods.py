"""Tracks the pods of a node during a drain: those that still have to go, those that are gone, and those that stay."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.drain.models import DrainForecast, DrainOptions, Treatment, Verdict, Waiting
from tasks.drain.policy.filters import is_overdue
from tasks.drain.progress import clock
from tasks.nodes.models.pods import Pod

CAME_AGAIN = "it tolerates a cordon, and was put on the node again"


@dataclass
class PodToGo:
    """Describes a pod that still has to go, why it is still there, and when its eviction may be requested again."""

    pod: Pod
    why: str
    since: datetime
    due: float = 0.0
    tries: int = 0
    by_budget: bool = False

    def waits(self, why: str, now: datetime, *, by_budget: bool = False) -> None:
        """Records why the pod is still there. The time starts again if the reason is a new one."""
        if (self.why, self.by_budget) != (why, by_budget) and not (self.by_budget and by_budget):
            self.since = now
        self.why, self.by_budget = why, by_budget

    @property
    def was_refused(self) -> bool:
        """True if the eviction of the pod was requested and the pod is not being deleted."""
        return self.pod.stops_by is None and (self.by_budget or self.tries > 0)

    @property
    def waiting(self) -> Waiting:
        """Returns what people see about this pod."""
        return Waiting(what=self.pod.id, why=self.why, since=self.since)


class PodsOfNode:
    """Holds what each reading of the node's pods changes."""

    def __init__(self, pods: Sequence[Pod], forecast: DrainForecast, now: datetime) -> None:
        going = set(forecast.evicted)
        self.asked = [pod for pod in pods if pod.id in going]
        """It lists all pods that went or have to go. The drain waits for their volumes."""
        self.staying = [pod for pod in pods if pod.id not in going]
        self.why_they_stay = [verdict for verdict in forecast.verdicts if verdict.treatment is Treatment.LEAVE]
        self.gone: list[str] = []
        self._to_go = {pod.uid: PodToGo(pod, "it is to be evicted", now) for pod in self.asked}
        self._known = {pod.uid for pod in pods}

    @property
    def to_go(self) -> tuple[PodToGo, ...]:
        """Lists the pods that still have to go."""
        return tuple(self._to_go.values())

    @property
    def all_to_go(self) -> int:
        """Returns how many pods had to go, including those that are gone."""
        return len(self.gone) + len(self._to_go)

    def see(self, pods: Iterable[Pod], options: DrainOptions, now: datetime) -> None:
        """Records which pods are gone, which are no longer waited for, and which are being deleted."""
        found = {pod.uid: pod for pod in pods}
        for uid, one in list(self._to_go.items()):
            if uid not in found:
                del self._to_go[uid]
                self.gone.append(one.pod.id)
            elif is_overdue(found[uid], options, now):
                del self._to_go[uid]
                self.staying.append(one.pod)
                self.why_they_stay.append(_not_waited_for(found[uid]))
            else:
                one.pod = found[uid]
                if one.pod.stops_by:
                    one.waits(_on_its_way(one.pod), now)

    def unknown_of(self, pods: Iterable[Pod]) -> Iterator[Pod]:
        """Returns the pods that came since the first reading. Each is returned until `let_be` or `let_go` decides about it."""
        return (pod for pod in pods if pod.uid not in self._known)

    def let_be(self, pod: Pod, verdict: Verdict) -> None:
        """Records that a new pod stays. If a drain would evict it, the report lists it."""
        self._known.add(pod.uid)
        self.staying.append(pod)
        if verdict.treatment is not Treatment.LEAVE:
            update = {"treatment": Treatment.LEAVE, "reason": CAME_AGAIN}
            self.why_they_stay.append(verdict.model_copy(update=update))

    def let_go(self, pod: Pod, now: datetime) -> None:
        """Records that a new pod has to go, too."""
        self._known.add(pod.uid)
        self.asked.append(pod)
        self._to_go[pod.uid] = PodToGo(pod, "it came just before the cordon", now)


def _on_its_way(pod: Pod) -> str:
    held = f", held by its finalizers {', '.join(pod.finalizers)}" if pod.finalizers else ""
    return f"it has until {clock(pod.stops_by)} to stop{held}" if pod.stops_by else ""


def _not_waited_for(pod: Pod) -> Verdict:
    return Verdict(pod=pod.id, uid=pod.uid, treatment=Treatment.LEAVE, reason=f"not waited for: {_on_its_way(pod)}")
