"""What a drain meets: the facts of the cluster, read at once, and the forecasts of what it will do."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import Refused
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.core.settings import Settings
from tasks.drain.cordon import CORDON_LIMIT, NODES
from tasks.drain.models import DrainForecast, DrainOptions
from tasks.drain.policy.forecast import forecast_drain, forecast_drains
from tasks.nodes.models.pods import DrainFacts, Pod
from tasks.nodes.probes.api_facts import nodes_of_services, parse_node, parse_nodes, parse_webhooks
from tasks.nodes.probes.pods import parse_budget, parse_pod, parse_volume

JSON = dict[str, Any]

SECOND_LOOK = timedelta(seconds=3)
"""After this, at what looked hopeless: a pod that is just made again makes its budget look so for a moment."""

PODS = "/api/v1/pods"
BUDGETS = "/apis/policy/v1/poddisruptionbudgets"
DAEMON_SETS = "/apis/apps/v1/daemonsets"
VOLUMES = "/api/v1/persistentvolumes"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
HOOKS = tuple(
    f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations" for kind in ("validating", "mutating")
)


def observe_drain_facts(kube: KubeClient) -> DrainFacts:
    """What all drains of the cluster are forecast from: eight lists, read at once."""
    paths = (NODES, PODS, BUDGETS, DAEMON_SETS, VOLUMES, SLICES, *HOOKS)
    now = datetime.now(UTC)
    found = dict(zip(paths, on_all(kube.items, paths), strict=True))
    pods = tuple(parse_pod(raw) for raw in found[PODS])
    hooks = [one for path in HOOKS for one in found[path]]
    return _facts(now, found, pods).model_copy(
        update={"webhooks": parse_webhooks(hooks, nodes_of_services(found[SLICES]))}
    )


def observe_forecasts(kube: KubeClient, nodes: Sequence[str], options: DrainOptions) -> tuple[DrainForecast, ...]:
    """Of each node as if it were drained alone, in that order; what looks hopeless is looked at again after some seconds."""

    def look() -> tuple[DrainForecast, ...]:
        return forecast_drains(nodes, observe_drain_facts(kube), options)

    return _confirmed(look)


def what_came_back(kube: KubeClient, node: str, options: DrainOptions) -> tuple[str, ...]:
    """Why a node that was drained is not out of service any more: somebody has uncordoned it, or pods to evict are there."""
    if not wait_for(lambda: parse_node(kube.get(f"{NODES}/{node}"), None), CORDON_LIMIT).cordoned:
        return ("somebody has uncordoned it",)
    facts = wait_for(lambda: _facts_of(kube, node), CORDON_LIMIT)
    forecast = forecast_drain(node, facts, options)
    return tuple(f"pod {pod} is there" for pod in forecast.in_the_way)


def where_i_run(kube: KubeClient) -> str:
    """The node of this cluster that this process runs on; empty when it runs on none of them.

    The setting `node` says it, else the pod of this name is looked for: a pod in the host's network has the node's name.
    """
    settings = Settings()
    if settings.node:
        return settings.node
    if not settings.in_cluster or not settings.hostname:
        return ""
    for raw in kube.items(PODS, fieldSelector=f"metadata.name={settings.hostname}"):
        return outside.GivenPod.read(raw, name_of("pod", raw)).spec.node_name
    return settings.hostname if kube.find(f"{NODES}/{settings.hostname}") else ""


def refuse_own_node(kube: KubeClient, node: str) -> None:
    """A worker that drains the node that it runs on would never end."""
    if wait_for(lambda: where_i_run(kube), CORDON_LIMIT) == node:
        raise Refused(
            f"{node}: this worker runs on it, and would evict itself",
            hint="run the worker on another node or outside of the cluster; if it does not run there, set "
            "KUBE_RUNBOOKS_NODE to the name of its own node",
        )


def forecast_before_eviction(kube: KubeClient, node: str, options: DrainOptions) -> tuple[DrainForecast, DrainFacts]:
    """Of what is there now; Refused when a pod would never go."""
    facts: list[DrainFacts] = []

    def look() -> tuple[DrainForecast, ...]:
        facts.append(wait_for(lambda: _facts_of(kube, node), CORDON_LIMIT))
        return (forecast_drain(node, facts[-1], options),)

    (forecast,) = _confirmed(look)
    if blocked := forecast.blocked:
        told = "; ".join(f"{one.pod}: {one.reason}" for one in blocked)
        raise Refused(
            f"{node}: {len(blocked)} of {len(forecast.verdicts)} pods would never go: {told}",
            hint="; ".join(dict.fromkeys(one.next_step for one in blocked)),
        )
    return forecast, facts[-1]


def _confirmed(look: Callable[[], tuple[DrainForecast, ...]]) -> tuple[DrainForecast, ...]:
    found = look()
    if not any(one.blocked for one in found):
        return found
    time.sleep(SECOND_LOOK.total_seconds())
    return look()


def _facts_of(kube: KubeClient, node: str) -> DrainFacts:
    """For one drain: with the pods of this node only."""
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
