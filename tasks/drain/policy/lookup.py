"""Indexes the facts of a drain by what its rules ask for, and defines the answer of a rule."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

from tasks.drain.models import DrainOptions, Treatment
from tasks.nodes.models.pods import Behind, Budget, Controller, DrainFacts, Pod, Volume
from tasks.nodes.policy.selectors import holds_labels, selects

DNS = {"k8s-app": "kube-dns"}


class Lookup:
    """Holds the facts, indexed by what the rules ask for."""

    def __init__(self, facts: DrainFacts, options: DrainOptions) -> None:
        self.facts = facts
        self.options = options
        self.nodes = {node.name: node for node in facts.nodes}

    @cached_property
    def on_node(self) -> dict[str, list[Pod]]:
        """Maps each node to its pods."""
        found = defaultdict(list)
        for pod in self.facts.pods:
            found[pod.node].append(pod)
        return found

    @cached_property
    def budgets(self) -> dict[str, list[Budget]]:
        """Maps each namespace to its PodDisruptionBudgets."""
        found = defaultdict(list)
        for budget in self.facts.budgets:
            found[budget.namespace].append(budget)
        return found

    @cached_property
    def counted(self) -> dict[str, int]:
        """Maps each PodDisruptionBudget to its number of pods.

        If it allows no disruption, this is the larger of its own count and ours. A pod that was just recreated is in one
        of them.
        """
        found = {budget.id: budget.expected for budget in self.facts.budgets}
        for budget in self.facts.budgets:
            if budget.allowed <= 0:
                ours = sum(bool(matching(pod, [budget])) for pod in self.facts.pods if not pod.is_finished)
                found[budget.id] = max(budget.expected, ours)
        return found

    @cached_property
    def _behind(self) -> dict[tuple[str, Controller], Behind]:
        return {(one.namespace, one.controller): one for one in self.facts.behind}

    def behind(self, pod: Pod) -> Behind | None:
        """Returns what stands behind the pod's controller, or None if that was not queried."""
        return self._behind.get((pod.namespace, pod.controller)) if pod.controller else None

    @cached_property
    def volumes(self) -> dict[str, Volume]:
        """Maps each claim, as namespace/name, to its volume."""
        return {volume.claim: volume for volume in self.facts.volumes}

    @cached_property
    def dns(self) -> list[Pod]:
        """Lists the ready pods of the cluster's DNS."""
        return [
            pod
            for pod in self.facts.pods
            if pod.namespace == "kube-system" and pod.ready and holds_labels(DNS, pod.labels)
        ]


class Ruling(NamedTuple):
    """Holds the answer of one rule about a pod."""

    treatment: Treatment
    reason: str
    next_step: str = ""
    loss: str = ""
    """It says what is lost for good, in words that do not change every minute. If empty, `reason` says it."""


Rule = Callable[[Pod, Lookup], Ruling | None]


def matching(pod: Pod, budgets: Sequence[Budget]) -> list[Budget]:
    """Returns the PodDisruptionBudgets that protect the pod. The API server evicts no pod that has more than one."""
    return [one for one in budgets if one.namespace == pod.namespace and selects(one.selector, pod.labels)]
