"""Tracks the PodDisruptionBudgets that a drain waits for, with their figures."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import KubeClient
from tasks.core.errors import NotYet
from tasks.drain.pods import PodToGo
from tasks.drain.policy.lookup import matching
from tasks.drain.progress import clock
from tasks.nodes.models.pods import Budget, Pod
from tasks.nodes.probes.pods import parse_budget

BUDGETS_EVERY = timedelta(seconds=5)


class AwaitedBudgets:
    """Records each PodDisruptionBudget with its latest figures and the period in which the drain waited for it."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self._due = 0.0
        self._waited: dict[str, tuple[Budget, datetime, datetime]] = {}

    @property
    def in_words(self) -> tuple[str, ...]:
        """Describes the PodDisruptionBudgets for the report, one line each."""
        return tuple(
            f"{budget.figures}: from {clock(since)} to {clock(until)}" for budget, since, until in self._waited.values()
        )

    def count(self, pods: Sequence[PodToGo]) -> None:
        """Reads the figures of the PodDisruptionBudgets that pods wait for, at most every few seconds.

        Each waiting pod reports these figures from then on.
        """
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

    def more_than_one(self, pod: Pod) -> str:
        """Names the PodDisruptionBudgets that protect the pod if there are several.

        The API server never evicts such a pod. The text is empty if there is at most one, or if the API server does not
        answer.
        """
        try:
            found = matching(pod, self._budgets_in([pod.namespace]))
        except NotYet:
            return ""
        return (
            f"{len(found)} PodDisruptionBudgets protect it ({', '.join(one.id for one in found)})"
            if len(found) > 1
            else ""
        )

    def _budgets_in(self, namespaces: Sequence[str]) -> list[Budget]:
        paths = [f"/apis/policy/v1/namespaces/{one}/poddisruptionbudgets" for one in namespaces]
        return [parse_budget(raw) for path in paths for raw in self._kube.items(path)]
