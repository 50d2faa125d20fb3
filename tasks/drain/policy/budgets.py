"""What PodDisruptionBudgets let go: now, later, or never."""

from collections import defaultdict
from collections.abc import Sequence

from tasks.drain.models import Treatment
from tasks.drain.policy.lookup import Lookup, Ruling, matching
from tasks.nodes.models.pods import Budget, Pod


def needs_budget(pod: Pod) -> bool:
    """The API server asks no budget for a pod that is not running yet or any more."""
    return pod.stops_by is None and pod.phase not in {"Pending", "Succeeded", "Failed"}


def lets_go(budget: Budget, pod: Pod) -> bool:
    """Now, as the API server decides it."""
    if pod.ready:
        return budget.allowed > 0
    return budget.always_allows_unready or budget.healthy >= budget.needed > 0 or budget.allowed > 0


def never_let_go(pod: Pod, lookup: Lookup) -> Ruling | None:
    """By its budget, whatever other pods do."""
    if not needs_budget(pod):
        return None
    budgets = matching(pod, lookup.budgets[pod.namespace])
    if len(budgets) > 1:
        names = ", ".join(budget.id for budget in budgets)
        return Ruling(
            Treatment.BLOCKED,
            f"{len(budgets)} budgets protect it ({names}): the API server evicts no pod with more than one",
            "let their selectors not overlap",
        )
    if budgets and not lets_go(budgets[0], pod) and budgets[0].is_counted:
        return _if_permanent(budgets[0], pod, lookup)
    return None


def _if_permanent(budget: Budget, pod: Pod, lookup: Lookup) -> Ruling | None:
    if budget.problem:
        return Ruling(
            Treatment.BLOCKED,
            f"budget {budget.id} ({budget.rule}) cannot be counted: {budget.problem}",
            f"give {budget.id} a minAvailable that is a number, or its pods a controller with a scale",
        )
    if budget.needed < lookup.counted[budget.id]:
        return None
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
    """Budgets that allow nothing now, with the pods that wait for them."""
    waiting: dict[str, list[Pod]] = defaultdict(list)
    found: dict[str, Budget] = {}
    for pod in leaving:
        for budget in matching(pod, lookup.budgets[pod.namespace]) if needs_budget(pod) else ():
            if not lets_go(budget, pod) or not budget.is_counted:
                found[budget.id] = budget
                waiting[budget.id].append(pod)
    return [f"{found[name].figures}: {_who_waits(found[name], pods)}" for name, pods in waiting.items()]


def _who_waits(budget: Budget, pods: Sequence[Pod]) -> str:
    names = ", ".join(pod.name for pod in pods)
    unready = ", ".join(pod.name for pod in pods if not pod.ready)
    if not unready or budget.always_allows_unready:
        return f"{names} would wait for it"
    return f"{names} would wait for it ({unready} would not with unhealthyPodEvictionPolicy AlwaysAllow)"
