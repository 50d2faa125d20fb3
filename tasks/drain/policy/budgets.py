"""Decides which pods a PodDisruptionBudget lets go: now, later, once its operator is asked, or never."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tasks.drain.models import Treatment
from tasks.drain.policy.lookup import Lookup, Ruling, matching
from tasks.drain.policy.operators import who_may_open
from tasks.nodes.models.pods import Budget, Pod


def needs_budget(pod: Pod) -> bool:
    """Checks whether the API server consults PodDisruptionBudgets before it evicts the pod.

    It consults none for a pod that is not running yet, no longer runs, or is already being deleted.
    """
    return pod.stops_by is None and pod.phase not in {"Pending", "Succeeded", "Failed"}


def lets_go(budget: Budget, pod: Pod) -> bool:
    """Checks whether the PodDisruptionBudget lets the pod go now, by the rules of the API server."""
    if pod.ready:
        return budget.allowed > 0
    return budget.always_allows_unready or budget.healthy >= budget.needed > 0 or budget.allowed > 0


def never_let_go(pod: Pod, lookup: Lookup) -> Ruling | None:
    """Blocks a pod that its PodDisruptionBudget never lets go, whatever other pods do.

    It returns None if an operator may open the PodDisruptionBudget.
    """
    if not needs_budget(pod):
        return None
    budgets = matching(pod, lookup.budgets[pod.namespace])
    if len(budgets) > 1:
        names = ", ".join(budget.id for budget in budgets)
        return Ruling(
            Treatment.BLOCKED,
            f"{len(budgets)} PodDisruptionBudgets protect it ({names}): the API server evicts no pod with more than one",
            "let their selectors not overlap",
        )
    for budget in budgets:
        if is_shut(budget, pod, lookup) and not who_may_open(budget, pod, lookup):
            return _shut(budget, pod)
    return None


def is_shut(budget: Budget, pod: Pod, lookup: Lookup) -> bool:
    """Checks whether the PodDisruptionBudget never lets this pod go, by its own figures.

    One whose pods are not counted yet may still let it go.
    """
    if lets_go(budget, pod) or not budget.is_counted:
        return False
    return bool(budget.problem) or budget.needed >= lookup.counted[budget.id]


def shut_pods(nodes: Sequence[str], lookup: Lookup) -> Iterator[Pod]:
    """Yields the pods of these nodes that a PodDisruptionBudget never lets go, by its own figures."""
    for pod in (pod for name in nodes for pod in lookup.on_node[name] if needs_budget(pod)):
        if any(is_shut(one, pod, lookup) for one in matching(pod, lookup.budgets[pod.namespace])):
            yield pod


def _shut(budget: Budget, pod: Pod) -> Ruling:
    if budget.problem:
        return Ruling(
            Treatment.BLOCKED,
            f"PodDisruptionBudget {budget.id} ({budget.rule}) cannot be counted: {budget.problem}",
            f"give {budget.id} a minAvailable that is a number, or its pods a controller with a scale",
        )
    return Ruling(Treatment.BLOCKED, f"{budget.figures}: never one", _relaxed(budget, pod))


def _relaxed(budget: Budget, pod: Pod) -> str:
    if budget.max_unavailable:
        steps = [f"set maxUnavailable of {budget.id} to 1 or more"]
    elif budget.min_available.endswith("%"):
        steps = [f"lower minAvailable of {budget.id}"]
    else:
        steps = [
            f"scale to {budget.needed + 1} pods",
            f"lower minAvailable of {budget.id} to {max(budget.expected - 1, 0)}",
        ]
    if not pod.ready:
        steps.append(f"set unhealthyPodEvictionPolicy of {budget.id} to AlwaysAllow: this pod is not ready")
    return ", or ".join(steps)


def awaited_budgets(leaving: Sequence[Pod], lookup: Lookup) -> list[str]:
    """Describes the PodDisruptionBudgets that allow no disruption now, with the pods that wait for them."""
    waiting: dict[str, list[Pod]] = defaultdict(list)
    found: dict[str, Budget] = {}
    for pod, budget in _unopened(leaving, lookup):
        if not is_shut(budget, pod, lookup):
            found[budget.id] = budget
            waiting[budget.id].append(pod)
    return [f"{found[name].figures}: {_who_waits(found[name], pods)}" for name, pods in waiting.items()]


def asked_budgets(leaving: Sequence[Pod], lookup: Lookup) -> list[str]:
    """Describes the PodDisruptionBudgets that allow no disruption by their own figures.

    Each line names the pod and who may open the PodDisruptionBudget once the drain asks.
    """
    return [
        f"{budget.figures}: {pod.name} goes only if {who_may_open(budget, pod, lookup)} lets it go once the node is cordoned"
        for pod, budget in _unopened(leaving, lookup)
        if is_shut(budget, pod, lookup)
    ]


def _unopened(leaving: Sequence[Pod], lookup: Lookup) -> Iterator[tuple[Pod, Budget]]:
    for pod in leaving:
        for budget in matching(pod, lookup.budgets[pod.namespace]) if needs_budget(pod) else ():
            if not lets_go(budget, pod) or not budget.is_counted:
                yield pod, budget


def _who_waits(budget: Budget, pods: Sequence[Pod]) -> str:
    names = ", ".join(pod.name for pod in pods)
    unready = ", ".join(pod.name for pod in pods if not pod.ready)
    if not unready or budget.always_allows_unready:
        return f"{names} would wait for it"
    return f"{names} would wait for it ({unready} would not with unhealthyPodEvictionPolicy AlwaysAllow)"
