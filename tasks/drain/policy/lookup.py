"""The facts of a drain, found by what its rules ask for, and what a rule answers."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

from tasks.drain.models import DrainOptions, Treatment
from tasks.drain.policy.selectors import holds_labels, selects
from tasks.nodes.models.pods import Budget, DrainFacts, Pod, Volume

DNS = {"k8s-app": "kube-dns"}


class Lookup:
    """The facts, in the order in which they are asked for."""

    def __init__(self, facts: DrainFacts, options: DrainOptions) -> None:
        self.facts = facts
        self.options = options
        self.nodes = {node.name: node for node in facts.nodes}

    @cached_property
    def on_node(self) -> dict[str, list[Pod]]:
        """Node to its pods."""
        """Node to its pods."""
        found = defaultdict(list)
        for pod in self.facts.pods:
            found[pod.node].append(pod)
        return found

    @cached_property
    def budgets(self) -> dict[str, list[Budget]]:
        """Namespace to its budgets."""
        """Namespace to its budgets."""
        found = defaultdict(list)
        for budget in self.facts.budgets:
            found[budget.namespace].append(budget)
        return found

    @cached_property
    def counted(self) -> dict[str, int]:
        """Budget to its pods, by its own count or by ours: a pod that is just made again is in one of them."""
        found = {budget.id: budget.expected for budget in self.facts.budgets}
        for budget in self.facts.budgets:
            if budget.allowed <= 0:
                ours = sum(bool(matching(pod, [budget])) for pod in self.facts.pods if not pod.is_finished)
                found[budget.id] = max(budget.expected, ours)
        return found

    @cached_property
    def volumes(self) -> dict[str, Volume]:
        """Claim to its volume, as namespace/name."""
        """Claim to its volume, as namespace/name."""
        return {volume.claim: volume for volume in self.facts.volumes}

    @cached_property
    def dns(self) -> list[Pod]:
        """Ready pods of the cluster's DNS."""
        """Ready pods of the cluster's DNS."""
        return [
            pod
            for pod in self.facts.pods
            if pod.namespace == "kube-system" and pod.ready and holds_labels(DNS, pod.labels)
        ]


class Ruling(NamedTuple):
    """What one rule says of a pod."""

    treatment: Treatment
    reason: str
    next_step: str = ""
    loss: str = ""
    """What goes for good, in words that do not change by the minute; empty for the reason."""


Rule = Callable[[Pod, Lookup], Ruling | None]


def matching(pod: Pod, budgets: Sequence[Budget]) -> list[Budget]:
    """Those that protect the pod; the API server evicts no pod that has more than one."""
    return [one for one in budgets if one.namespace == pod.namespace and selects(one.selector, pod.labels)]
