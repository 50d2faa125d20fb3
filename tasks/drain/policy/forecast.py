"""What a drain will do to each pod of a node, and whether it will ever end: kubectl's filters in its order, then ours.

Beyond kubectl: a pod that is on its way out already is only waited for; a pod that its budget will never let go, or
that could run nowhere else, is told before the first cordon. Resources are not counted.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from tasks.drain.models import DrainForecast, DrainOptions, Treatment, Verdict
from tasks.drain.policy.selectors import holds_labels, not_understood, selects, suits, tolerates, untolerated
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import Budget, DrainFacts, Pod, Volume

DNS = {"k8s-app": "kube-dns"}
UNSCHEDULABLE = "node.kubernetes.io/unschedulable=:NoSchedule"
"""The taint of a cordoned node, as the scheduler's own filter of cordons knows it, too."""

NODES_NAMED = 5
"""In a sentence about all of them."""

EVICTED = frozenset({Treatment.EVICT, Treatment.EVICT_FOR_GOOD})


def forecast_drain(node: str, facts: DrainFacts, options: DrainOptions) -> DrainForecast:
    """Of one node; of a node that the API does not know there is nothing but a caution."""
    return forecast_drains([node], facts, options)[0]


def forecast_drains(nodes: Sequence[str], facts: DrainFacts, options: DrainOptions) -> tuple[DrainForecast, ...]:
    """Of each node as if it were drained alone."""
    scene = _Scene(facts, options)
    return tuple(_forecast(name, scene) for name in nodes)


def matching(pod: Pod, budgets: Sequence[Budget]) -> list[Budget]:
    """Those that protect the pod; the API server evicts no pod that has more than one."""
    return [one for one in budgets if one.namespace == pod.namespace and selects(one.selector, pod.labels)]


def needs_budget(pod: Pod) -> bool:
    """The API server asks no budget for a pod that is not running yet or any more."""
    return pod.stops_by is None and pod.phase not in {"Pending", "Succeeded", "Failed"}


def lets_go(budget: Budget, pod: Pod) -> bool:
    """Now, as the API server decides it."""
    if pod.ready:
        return budget.allowed > 0
    return budget.always_allows_unready or budget.healthy >= budget.needed > 0 or budget.allowed > 0


def is_overdue(pod: Pod, options: DrainOptions, now: datetime) -> bool:
    """It should have stopped so long ago that it is not waited for."""
    return bool(pod.stops_by and options.skip_deleting_after and now - pod.stops_by > options.skip_deleting_after)


class _Scene:
    """The facts, in the order in which they are asked for."""

    def __init__(self, facts: DrainFacts, options: DrainOptions) -> None:
        self.facts = facts
        self.options = options
        self.nodes = {node.name: node for node in facts.nodes}

    @cached_property
    def on_node(self) -> dict[str, list[Pod]]:
        found = defaultdict(list)
        for pod in self.facts.pods:
            found[pod.node].append(pod)
        return found

    @cached_property
    def budgets(self) -> dict[str, list[Budget]]:
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
        return {volume.claim: volume for volume in self.facts.volumes}

    @cached_property
    def dns(self) -> list[Pod]:
        return [
            pod
            for pod in self.facts.pods
            if pod.namespace == "kube-system" and pod.ready and holds_labels(DNS, pod.labels)
        ]


class _Told(NamedTuple):
    """What one rule says of a pod."""

    treatment: Treatment
    reason: str
    next_step: str = ""
    loss: str = ""
    """What goes for good, in words that do not change by the minute; empty for the reason."""


Rule = Callable[[Pod, _Scene], _Told | None]


def _forecast(name: str, scene: _Scene) -> DrainForecast:
    node = scene.nodes.get(name)
    if node is None:
        return DrainForecast(node=name, cautions=("the API does not know this node",))
    pods = scene.on_node[name]
    verdicts = tuple(_verdict(pod, scene) for pod in pods)
    leaving = [pod for pod, verdict in zip(pods, verdicts, strict=True) if verdict.treatment in EVICTED]
    return DrainForecast(
        node=name,
        verdicts=verdicts,
        waits=tuple(_waits(leaving, scene)),
        cautions=(*_of_node(node, leaving), *_of_pods(leaving, scene), *_of_services(node, leaving, scene)),
    )


def _verdict(pod: Pod, scene: _Scene) -> Verdict:
    """A pod without a controller has no successor that could come again."""
    told = _treatment(pod, scene)
    comes_again = pod.controller is not None and tolerates(pod.tolerations, UNSCHEDULABLE)
    return Verdict(pod=pod.id, uid=pod.uid, owner=_owner(pod), comes_again=comes_again, **told._asdict())


def _treatment(pod: Pod, scene: _Scene) -> _Told:
    losses = []
    for rule in RULES:
        told = rule(pod, scene)
        if told and told.treatment not in EVICTED:
            return told
        if told:
            losses.append(told)
    return _Told(
        Treatment.EVICT_FOR_GOOD if losses else Treatment.EVICT,
        "; ".join(one.reason for one in losses) or _of_eviction(pod),
        loss="; ".join(one.loss or one.reason for one in losses),
    )


def _owner(pod: Pod) -> str:
    """What a person knows it by who is asked whether it may go."""
    if pod.is_finished or (pod.controller is None and pod.stops_by):
        return ""
    return "" if pod.controller and pod.controller.kind == "Job" else pod.kin


def _of_eviction(pod: Pod) -> str:
    if pod.is_finished:
        return "it has finished"
    return "it is on its way out already" if pod.stops_by else ""


def _given_up(pod: Pod, scene: _Scene) -> _Told | None:
    if is_overdue(pod, scene.options, scene.facts.observed_at):
        return _Told(Treatment.LEAVE, f"it should have stopped by {pod.stops_by:%Y-%m-%dT%H:%M:%SZ}: not waited for")
    return None


def _of_daemon_set(pod: Pod, scene: _Scene) -> _Told | None:
    owner = pod.controller
    if owner is None or (owner.kind, owner.api_version) != ("DaemonSet", "apps/v1") or pod.is_finished:
        return None
    if f"{pod.namespace}/{owner.name}" in scene.facts.daemon_sets:
        return _Told(Treatment.LEAVE, f"of the DaemonSet {owner.name}, which would bring it back at once")
    if scene.options.force or pod.stops_by:
        return _Told(Treatment.EVICT_FOR_GOOD, f"its DaemonSet {owner.name} is gone")
    return _Told(
        Treatment.BLOCKED,
        f"its DaemonSet {owner.name} is gone: nothing brings it back",
        "delete it, or allow it with force of the drain's options",
    )


def _of_kubelet(pod: Pod, scene: _Scene) -> _Told | None:
    del scene
    return _Told(Treatment.LEAVE, "a static pod of the kubelet") if pod.mirror else None


def _local_data(pod: Pod, scene: _Scene) -> _Told | None:
    if not pod.empty_dirs or pod.is_finished or pod.stops_by:
        return None
    data = f"the content of its emptyDir {', '.join(pod.empty_dirs)}"
    if scene.options.delete_emptydir_data:
        return _Told(Treatment.EVICT_FOR_GOOD, f"{data} is lost")
    return _Told(
        Treatment.BLOCKED,
        f"{data} would be lost",
        "allow it with delete_emptydir_data of the drain's options",
    )


def _unreplicated(pod: Pod, scene: _Scene) -> _Told | None:
    if pod.controller or pod.is_finished or pod.stops_by:
        return None
    if scene.options.force:
        return _Told(Treatment.EVICT_FOR_GOOD, "no controller brings it back")
    return _Told(
        Treatment.BLOCKED, "no controller brings it back", "delete it, or allow it with force of the drain's options"
    )


def _never_let_go(pod: Pod, scene: _Scene) -> _Told | None:
    """By its budget, whatever other pods do."""
    if not needs_budget(pod):
        return None
    budgets = matching(pod, scene.budgets[pod.namespace])
    if len(budgets) > 1:
        names = ", ".join(budget.id for budget in budgets)
        return _Told(
            Treatment.BLOCKED,
            f"{len(budgets)} budgets protect it ({names}): the API server evicts no pod with more than one",
            "let their selectors not overlap",
        )
    if budgets and not lets_go(budgets[0], pod) and budgets[0].is_counted:
        return _if_permanent(budgets[0], pod, scene)
    return None


def _if_permanent(budget: Budget, pod: Pod, scene: _Scene) -> _Told | None:
    if budget.problem:
        return _Told(
            Treatment.BLOCKED,
            f"budget {budget.id} ({budget.rule}) cannot be counted: {budget.problem}",
            f"give {budget.id} a minAvailable that is a number, or its pods a controller with a scale",
        )
    if budget.needed < scene.counted[budget.id]:
        return None
    return _Told(Treatment.BLOCKED, f"{budget.figures}: never one", _relaxed(budget, pod))


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


def _nowhere(pod: Pod, scene: _Scene) -> _Told | None:
    """Its controller's next pod would have no node: every other one is away, repels it, or has not its volume."""
    if pod.controller is None or pod.is_finished or pod.stops_by:
        return None
    others = [node for node in scene.facts.nodes if node.name != pod.node]
    volumes = [
        scene.volumes[f"{pod.namespace}/{claim}"] for claim in pod.claims if f"{pod.namespace}/{claim}" in scene.volumes
    ]
    reason = _pinned(volumes, others) or _no_node(pod, volumes, others)
    if not reason:
        return None
    if scene.options.allow_pending:
        away = "away until this node is back"
        return _Told(Treatment.EVICT_FOR_GOOD, f"{reason}: {away}", loss=away)
    return _Told(
        Treatment.BLOCKED,
        reason,
        "make room for it on another node, or allow with allow_pending of the drain's options that it is away meanwhile",
    )


def _pinned(volumes: Sequence[Volume], others: Sequence[KubeNode]) -> str:
    here = [one.name for one in volumes if not any(suits(one.node_terms, node) for node in others)]
    return f"its volume {', '.join(here)} is on no other node" if here else ""


def _no_node(pod: Pod, volumes: Sequence[Volume], others: Sequence[KubeNode]) -> str:
    reasons = []
    for node in others:
        reason = _why_not(pod, volumes, node)
        if not reason:
            return ""
        reasons.append(f"{node.name} {reason}")
    more = len(reasons) - NODES_NAMED
    told = "; ".join(reasons[:NODES_NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"no other node can take it: {told}" if reasons else "there is no other node"


def _why_not(pod: Pod, volumes: Sequence[Volume], node: KubeNode) -> str:
    if not node.ready:
        return "is not Ready"
    if node.cordoned:
        return "is cordoned"
    if not holds_labels(pod.node_labels, node.labels) or not suits(pod.node_terms, node):
        return "has not the labels that it wants"
    if taint := untolerated(node, pod.tolerations):
        strange = ", ".join(not_understood(pod.tolerations))
        return f"has the taint {taint}{f' (the operator {strange} of its tolerations is not known)' if strange else ''}"
    return "" if all(suits(volume.node_terms, node) for volume in volumes) else "has not its volume"


RULES: tuple[Rule, ...] = (
    _given_up,
    _of_daemon_set,
    _of_kubelet,
    _local_data,
    _unreplicated,
    _never_let_go,
    _nowhere,
)
"""kubectl's first; the first that does not let a pod go ends it."""


def _waits(leaving: Sequence[Pod], scene: _Scene) -> list[str]:
    """Budgets that allow nothing now, with the pods that wait for them."""
    waiting: dict[str, list[Pod]] = defaultdict(list)
    found: dict[str, Budget] = {}
    for pod in leaving:
        for budget in matching(pod, scene.budgets[pod.namespace]) if needs_budget(pod) else ():
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


def _of_node(node: KubeNode, leaving: Sequence[Pod]) -> list[str]:
    if node.ready or not leaving:
        return []
    return [
        f"{node.name} is not Ready: nobody there confirms that its pods have stopped; skip_deleting_after of the drain's "
        f"options does not wait for them"
    ]


def _of_pods(leaving: Sequence[Pod], scene: _Scene) -> list[str]:
    limit, given = scene.options.limit, scene.options.grace_period
    told = []
    for pod in leaving:
        grace = pod.grace_period if given is None else given
        if pod.finalizers:
            told.append(f"{pod.kin} stays until somebody removes its finalizers {', '.join(pod.finalizers)}")
        if grace >= limit and not pod.is_finished:
            told.append(f"{pod.kin} may take {_seconds(grace)} to stop, the limit of the drain is {_seconds(limit)}")
    return list(dict.fromkeys(told))


def _of_services(node: KubeNode, leaving: Sequence[Pod], scene: _Scene) -> list[str]:
    told = []
    going = {pod.uid for pod in leaving}
    if scene.dns and all(pod.uid in going for pod in scene.dns):
        told.append(f"all ready pods of the cluster's DNS are on {node.name}: names fail for a moment")
    told += [
        f"webhook {hook.name}: all ready pods of {hook.service} are on {node.name}: what it checks is refused for a moment"
        for hook in scene.facts.webhooks
        if leaving and hook.backends == (node.name,)
    ]
    return told


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} s"
