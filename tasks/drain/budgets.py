"""The budgets that a drain waits for, with their figures."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import KubeClient
from tasks.drain.pods import PodToGo
from tasks.drain.policy.lookup import matching
from tasks.drain.progress import clock
from tasks.nodes.models.pods import Budget
from tasks.nodes.probes.pods import parse_budget

BUDGETS_EVERY = timedelta(seconds=5)


class AwaitedBudgets:
    """Each with its last figures, and from when to when it was waited for."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self._due = 0.0
        self._waited: dict[str, tuple[Budget, datetime, datetime]] = {}

    @property
    def in_words(self) -> tuple[str, ...]:
        """For the report."""
        return tuple(
            f"{budget.figures}: from {clock(since)} to {clock(until)}" for budget, since, until in self._waited.values()
        )

    def count(self, pods: Sequence[PodToGo]) -> None:
        """The figures of those that pods wait for, each some seconds; the pods say them from then on."""
        waiting = [one for one in pods if one.by_budget]
        if not waiting or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + BUDGETS_EVERY.total_seconds()
        budgets = self._budgets_in(sorted({one.pod.namespace for one in waiting}))
        for one in waiting:
            for budget in matching(one.pod, budgets):
                now = datetime.now(UTC)
                one.waits(budget.figures, now, by_budget=True)
                since = self._waited[budget.id][1] if budget.id in self._waited else one.since
                self._waited[budget.id] = (budget, since, now)

    def _budgets_in(self, namespaces: Sequence[str]) -> list[Budget]:
        paths = [f"/apis/policy/v1/namespaces/{one}/poddisruptionbudgets" for one in namespaces]
        return [parse_budget(raw) for path in paths for raw in self._kube.items(path)]
