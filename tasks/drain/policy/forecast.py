"""Forecasts what a drain will do to each pod of a node, and whether the drain will ever finish.

kubectl's filters come first, in their order, then those of this project. Two things go beyond kubectl. A pod that
is already being deleted is only waited for. A pod that its PodDisruptionBudget will never let go, or that could
run nowhere else, is reported before the first cordon. Resources are not counted.
"""

from collections.abc import Sequence

from tasks.drain.models import DrainForecast, DrainOptions, Treatment, Verdict
from tasks.drain.policy.budgets import asked_budgets, awaited_budgets, never_let_go
from tasks.drain.policy.cautions import of_node, of_pods, of_services
from tasks.drain.policy.filters import local_data, not_waited_for, of_daemon_set, of_kubelet, unreplicated
from tasks.drain.policy.lookup import Lookup, Rule, Ruling
from tasks.drain.policy.places import nowhere_else
from tasks.drain.policy.selectors import tolerates
from tasks.nodes.models.pods import DrainFacts, Pod

UNSCHEDULABLE = "node.kubernetes.io/unschedulable=:NoSchedule"
"""This is the taint of a cordoned node. The scheduler's own filter for cordons uses it, too."""

EVICTED = frozenset({Treatment.EVICT, Treatment.EVICT_FOR_GOOD})

RULES: tuple[Rule, ...] = (
    not_waited_for,
    of_daemon_set,
    of_kubelet,
    local_data,
    unreplicated,
    never_let_go,
    nowhere_else,
)
"""Lists the rules, kubectl's first. The first rule that does not let a pod go decides."""


def forecast_drain(node: str, facts: DrainFacts, options: DrainOptions) -> DrainForecast:
    """Forecasts the drain of one node. If the API does not know the node, the forecast has only a caution."""
    return forecast_drains([node], facts, options)[0]


def forecast_drains(nodes: Sequence[str], facts: DrainFacts, options: DrainOptions) -> tuple[DrainForecast, ...]:
    """Forecasts the drain of each node as if it were drained alone."""
    lookup = Lookup(facts, options)
    return tuple(_forecast(name, lookup) for name in nodes)


def _forecast(name: str, lookup: Lookup) -> DrainForecast:
    node = lookup.nodes.get(name)
    if node is None:
        return DrainForecast(node=name, cautions=("no Node object with this name",))
    pods = lookup.on_node[name]
    verdicts = tuple(_verdict(pod, lookup) for pod in pods)
    leaving = [pod for pod, verdict in zip(pods, verdicts, strict=True) if verdict.treatment in EVICTED]
    return DrainForecast(
        node=name,
        verdicts=verdicts,
        waits=tuple(awaited_budgets(leaving, lookup)),
        asks=tuple(asked_budgets(leaving, lookup)),
        cautions=(*of_node(node, leaving), *of_pods(leaving, lookup), *of_services(node, leaving, lookup)),
    )


def _verdict(pod: Pod, lookup: Lookup) -> Verdict:
    """Returns the verdict for a pod. A pod without a controller has no successor that could return."""
    told = _treatment(pod, lookup)
    comes_again = pod.controller is not None and tolerates(pod.tolerations, UNSCHEDULABLE)
    return Verdict(pod=pod.id, uid=pod.uid, owner=_owner(pod), comes_again=comes_again, **told._asdict())


def _treatment(pod: Pod, lookup: Lookup) -> Ruling:
    losses = []
    for rule in RULES:
        told = rule(pod, lookup)
        if told and told.treatment not in EVICTED:
            return told
        if told:
            losses.append(told)
    return Ruling(
        Treatment.EVICT_FOR_GOOD if losses else Treatment.EVICT,
        "; ".join(one.reason for one in losses) or _why_it_goes(pod),
        loss="; ".join(one.loss or one.reason for one in losses),
    )


def _owner(pod: Pod) -> str:
    """Returns the name by which a person who has to approve the eviction knows the pod.

    It is empty for a Job's pod, for a finished pod, and for a pod without a controller that is being deleted.
    """
    if pod.is_finished or (pod.controller is None and pod.stops_by):
        return ""
    return "" if pod.controller and pod.controller.kind == "Job" else pod.kin


def _why_it_goes(pod: Pod) -> str:
    if pod.is_finished:
        return "it has finished"
    return "it is on its way out already" if pod.stops_by else ""
