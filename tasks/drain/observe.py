"""Observes what a drain will meet.

It reads the facts of the cluster in parallel, and forecasts what the drain will do.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.core.at_once import on_all
from tasks.core.errors import Refused, in_lines
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.core.settings import Settings
from tasks.core.words import counted
from tasks.drain.cordon import NODES, answer_of_api
from tasks.drain.models import DrainForecast, DrainOptions
from tasks.drain.policy.budgets import shut_pods
from tasks.drain.policy.forecast import forecast_drain, forecast_drains
from tasks.drain.policy.lookup import Lookup
from tasks.nodes.models.pods import Behind, Controller, DrainFacts, Pod
from tasks.nodes.probes.api_facts import nodes_of_services, parse_node, parse_nodes, parse_webhooks
from tasks.nodes.probes.pods import controller_of, parse_behind, parse_budget, parse_pod, parse_volume

JSON = dict[str, Any]

SECOND_LOOK = timedelta(seconds=3)
"""This is the delay before a forecast that looked hopeless is checked again.

A pod that was just recreated makes its PodDisruptionBudget look hopeless for a moment.
"""

PODS = "/api/v1/pods"
BUDGETS = "/apis/policy/v1/poddisruptionbudgets"
DAEMON_SETS = "/apis/apps/v1/daemonsets"
VOLUMES = "/api/v1/persistentvolumes"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
HOOKS = tuple(
    f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations" for kind in ("validating", "mutating")
)

CONTROLLERS = {
    (version, kind): f"/{'api' if version == 'v1' else 'apis'}/{version}/namespaces/{{}}/{kind.lower()}s/{{}}"
    for version, kinds in {
        "apps/v1": ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"),
        "batch/v1": ("Job", "CronJob"),
        "v1": ("ReplicationController",),
    }.items()
    for kind in kinds
}
"""Maps version and kind of Kubernetes' own pod controllers to the API path of one such controller."""

DEPTH = 3
"""Limits the search above a pod's own controller.

A ReplicaSet has a Deployment, which may have a custom resource.
"""


def observe_drain_facts(kube: KubeClient) -> DrainFacts:
    """Reads the facts for forecasting all drains of the cluster: eight lists, read in parallel."""
    paths = (NODES, PODS, BUDGETS, DAEMON_SETS, VOLUMES, SLICES, *HOOKS)
    now = datetime.now(UTC)
    found = dict(zip(paths, on_all(kube.items, paths), strict=True))
    pods = tuple(parse_pod(raw) for raw in found[PODS])
    hooks = [one for path in HOOKS for one in found[path]]
    return _facts(now, found, pods).model_copy(
        update={"webhooks": parse_webhooks(hooks, nodes_of_services(found[SLICES]))}
    )


def observe_forecasts(kube: KubeClient, nodes: Sequence[str], options: DrainOptions) -> tuple[DrainForecast, ...]:
    """Forecasts the drain of each node as if it were drained alone, in the order of `nodes`.

    If a forecast looks hopeless, all are checked again after some seconds.
    """

    def look() -> tuple[DrainForecast, ...]:
        facts = with_behind(kube, nodes, observe_drain_facts(kube), options)
        return forecast_drains(nodes, facts, options)

    return _confirmed(look)


def what_came_back(kube: KubeClient, node: str, options: DrainOptions) -> tuple[str, ...]:
    """Returns why a drained node is no longer out of service.

    Somebody has uncordoned it, or pods that must be evicted are on it. It is empty if nothing has changed.
    """
    if not answer_of_api(lambda: parse_node(kube.get(f"{NODES}/{node}"), None), node).cordoned:
        return ("somebody has uncordoned it",)
    facts = answer_of_api(lambda: _facts_of(kube, node), node)
    forecast = forecast_drain(node, facts, options)
    return tuple(f"pod {pod} is there" for pod in forecast.in_the_way)


def where_i_run(kube: KubeClient) -> str:
    """Returns the node of this cluster that this process runs on. It is empty if the process runs on none of them.

    The setting `node` names it. Otherwise the pod with this hostname is searched for. A pod in the host's network has
    the node's hostname, which the node lists among its addresses.
    """
    settings = Settings()
    if settings.node:
        return settings.node
    if not settings.in_cluster or not settings.hostname:
        return ""
    for raw in kube.items(PODS, fieldSelector=f"metadata.name={settings.hostname}"):
        return outside.GivenPod.read(raw, name_of("pod", raw)).spec.node_name
    nodes = parse_nodes(kube.items(NODES), ())
    return next((one.name for one in nodes if settings.hostname in (one.name, *one.addresses)), "")


def refuse_own_node(kube: KubeClient, node: str) -> None:
    """Refuses to drain the node that this worker runs on, because such a drain would never finish."""
    if answer_of_api(lambda: where_i_run(kube), node) == node:
        raise Refused(
            f"{node}: this worker runs on it, and would evict itself",
            hint="run the worker on another node or outside of the cluster; if it does not run there, set "
            "KUBE_RUNBOOKS_NODE to the name of its own node",
        )


def forecast_before_eviction(kube: KubeClient, node: str, options: DrainOptions) -> tuple[DrainForecast, DrainFacts]:
    """Forecasts the drain from the current state.

    Raises:
        Refused: a pod would never go.
    """
    facts: list[DrainFacts] = []

    def look() -> tuple[DrainForecast, ...]:
        facts.append(answer_of_api(lambda: with_behind(kube, [node], _facts_of(kube, node), options), node))
        return (forecast_drain(node, facts[-1], options),)

    (forecast,) = _confirmed(look)
    if blocked := forecast.blocked:
        of = f"{len(blocked)} of {counted(len(forecast.verdicts), 'pod')} would never go"
        each = [(f"{one.pod}: {one.reason}", one.next_step) for one in blocked]
        first, step = each[0]
        problem, hint = in_lines([(f"{node}: {of}", ""), *each] if each[1:] else [(f"{node}: {of}: {first}", step)])
        raise Refused(problem, hint=hint)
    return forecast, facts[-1]


def with_behind(kube: KubeClient, nodes: Sequence[str], facts: DrainFacts, options: DrainOptions) -> DrainFacts:
    """Adds what stands behind the controllers of pods whose PodDisruptionBudget allows no disruption.

    There are few of them, so each is queried separately.
    """
    asked = {(pod.namespace, pod.controller) for pod in shut_pods(nodes, Lookup(facts, options)) if pod.controller}
    found = on_all(lambda one: _behind(kube, *one), sorted(asked, key=str))
    return facts.model_copy(update={"behind": tuple(one for one in found if one)})


def _behind(kube: KubeClient, namespace: str, controller: Controller, depth: int = DEPTH) -> Behind | None:
    """Returns what stands behind a controller.

    It is None for a custom resource, whose kind says everything, and for a controller that no longer exists.
    """
    collection = CONTROLLERS.get((controller.api_version, controller.kind))
    raw = kube.find(collection.format(namespace, controller.name)) if collection else None
    if raw is None:
        return None
    found, parent = parse_behind(controller, raw), controller_of(raw)
    if found.operator or parent is None or not depth:
        return found
    above = _behind(kube, namespace, parent, depth - 1)
    return found.model_copy(update={"operator": above.operator if above else None})


def _confirmed(look: Callable[[], tuple[DrainForecast, ...]]) -> tuple[DrainForecast, ...]:
    found = look()
    if not any(one.blocked for one in found):
        return found
    time.sleep(SECOND_LOOK.total_seconds())
    return look()


def _facts_of(kube: KubeClient, node: str) -> DrainFacts:
    """Reads the facts for one drain, with the pods of this node only."""
    now = datetime.now(UTC)
    paths = (NODES, BUDGETS, DAEMON_SETS, VOLUMES)
    found = dict(zip(paths, on_all(kube.items, paths), strict=True))
    pods = kube.items(PODS, fieldSelector=f"spec.nodeName={node}")
    return _facts(now, found, tuple(parse_pod(raw) for raw in pods))


def _facts(now: datetime, found: dict[str, list[JSON]], pods: tuple[Pod, ...]) -> DrainFacts:
    volumes = (parse_volume(raw) for raw in found[VOLUMES])
    return DrainFacts(
        observed_at=now,
        nodes=parse_nodes(found[NODES], ()),
        pods=pods,
        budgets=tuple(parse_budget(raw) for raw in found[BUDGETS]),
        daemon_sets=tuple(outside.Placed.read(raw, name_of("DaemonSet", raw)).id for raw in found[DAEMON_SETS]),
        volumes=tuple(volume for volume in volumes if volume),
    )
