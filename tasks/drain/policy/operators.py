"""Finds operators that open a PodDisruptionBudget once they are asked.

The cordon of the node asks them, or an eviction that the PodDisruptionBudget forbids. CloudNativePG, Zalando's
Postgres operator, Longhorn and KubeVirt protect a pod by a PodDisruptionBudget that allows no disruption. They
move the pod's work elsewhere when its node is cordoned or its eviction is requested. Then they let the pod go.
Before that, the figures look as hopeless as those of a PodDisruptionBudget that was written wrong.
"""

from collections.abc import Iterator, Sequence

from tasks.core.models.findings import Problem
from tasks.drain.policy.lookup import Lookup, matching
from tasks.nodes.models.pods import Behind, Budget, Controller, Pod
from tasks.nodes.policy.selectors import selects

BY_KUBERNETES = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "controller-revision-hash",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Lists the labels that Kubernetes' own controllers add to pods, besides those of their template."""


def operator_of(pod: Pod, lookup: Lookup) -> Controller | None:
    """Returns the custom resource that recreates the pod, or that owns the pod's controller."""
    if pod.controller and pod.controller.is_custom:
        return pod.controller
    behind = lookup.behind(pod)
    return behind.operator if behind else None


def who_may_open(budget: Budget, pod: Pod, lookup: Lookup) -> str:
    """Names who may let a pod go that the figures of its PodDisruptionBudget never let go.

    It is empty if nobody is known who would. A PodDisruptionBudget that cannot be counted is opened only by the
    operator that created it. Otherwise it is an error of its author.
    """
    if budget.operator:
        return f"the operator of {budget.operator}"
    if budget.problem:
        return ""
    if operator := operator_of(pod, lookup):
        return f"the operator of {operator}"
    behind = lookup.behind(pod)
    given = ", ".join(_given_later(budget, pod, behind)) if behind else ""
    return f"whoever gives its pods the label {given}" if given else ""


def _given_later(budget: Budget, pod: Pod, behind: Behind) -> Iterator[str]:
    """Yields labels of the pod that the PodDisruptionBudget selects and no template sets.

    Somebody moves such labels from pod to pod.
    """
    by_kubernetes = {name: value for name, value in pod.labels.items() if name in BY_KUBERNETES}
    if selects(budget.selector, behind.labels | by_kubernetes):
        return
    wanted = budget.selector
    names = {*wanted.labels, *(one.key for one in wanted.expressions)} if wanted else set()
    given = behind.labels | by_kubernetes
    yield from sorted(name for name in names if name in pod.labels and pod.labels[name] != given.get(name))


def held_by_operators(pods: Sequence[Pod], lookup: Lookup) -> list[Problem]:
    """Returns which of the pods that were asked to go are kept by an operator, and what to inspect."""
    found = []
    for pod in pods:
        budgets = matching(pod, lookup.budgets[pod.namespace])
        owners = [*(one.operator for one in budgets), operator_of(pod, lookup)]
        who = next((who for one in budgets if (who := who_may_open(one, pod, lookup))), "")
        operator = next((one for one in owners if one), None)
        if who or operator:
            text = f"{who or f'the operator of {operator}'} has not let {pod.id} go"
            found.append(Problem(text=text, next_step=_describe(pod.namespace, operator, budgets)))
    return found


def in_vain(held: Sequence[Problem]) -> str:
    """Returns the next step for a drain that an operator kept from finishing."""
    looks = ", ".join(dict.fromkeys(one.next_step for one in held))
    return f"find out why it does not: {looks}, and the operator's log; then run it again, with a longer limit if it needs more time"


def _describe(namespace: str, operator: Controller | None, budgets: Sequence[Budget]) -> str:
    if operator:
        group = operator.api_version.partition("/")[0]
        return f"`kubectl -n {namespace} describe {operator.kind.lower()}.{group} {operator.name}`"
    return f"`kubectl -n {namespace} describe poddisruptionbudget {' '.join(one.name for one in budgets)}`"
