"""Reads the room that there is for the pods of a rollout: in quotas, and on nodes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tasks.clients.kube import KubeClient, amount_of
from tasks.core.at_once import on_all
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.drain.policy.places import why_not
from tasks.nodes.models.pods import Pod
from tasks.nodes.probes.api_facts import parse_node
from tasks.nodes.probes.pods import parse_pod
from tasks.workloads.models.names import Kind, Ref
from tasks.workloads.models.room import Amounts, QuotaLeft, Room
from tasks.workloads.policy.rights import rights_to_forecast
from tasks.workloads.rights import lacking

JSON = Mapping[str, Any]

NAMELESS = {"name": "pod", "namespace": "any", "uid": "none"}
"""Stands for the metadata of a pod that does not exist yet."""

REQUESTS, LIMITS = "requests.", "limits."
QUOTA_NAMES = {"count/pods": "pods", **{name: f"{REQUESTS}{name}" for name in ("cpu", "memory", "ephemeral-storage")}}
"""Maps the older names in a quota to those of `Amounts`."""

ON_NODES = {"fieldSelector": "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"}


def read_room(kube: KubeClient, ref: Ref, before: JSON, after: JSON, admitted: JSON) -> Room:
    """Returns what one more pod of a workload needs, and what there is.

    Args:
        kube: the API
        ref: the workload
        before: a pod of its template now
        after: a pod of its new template
        admitted: the same as the API would admit it, with the defaults of the namespace
    """
    needs, old, new = (asks_of(one) for one in (admitted, before, after))
    found = Room(pod=needs, growth={name: new[name] - old.get(name, Decimal()) for name in new})
    if lacks := lacking(kube, rights_to_forecast(ref)):
        return found.model_copy(update={"unknown": "; ".join(one.in_words for one in lacks)})
    found = found.model_copy(update={"quotas": read_quotas(kube, ref.namespace)})
    return found if ref.kind is Kind.DAEMON_SET else found.model_copy(update=_on_nodes(kube, admitted, needs))


def asks_of(pod: JSON) -> Amounts:
    """Returns what a pod asks for. Init containers run before the others, so the larger of both counts."""
    spec = outside.Pod.read({**pod, "metadata": NAMELESS}, "the pod of a template").spec
    together = [*spec.containers, *(one for one in spec.init_containers if one.restart_policy == "Always")]
    alone = [one for one in spec.init_containers if one.restart_policy != "Always"]
    total = _added(_asks_of(one) for one in together)
    for one in alone:
        total |= {name: max(value, total.get(name, value)) for name, value in _asks_of(one).items()}
    overhead = {f"{kind}{name}": amount_of(text) for kind in (REQUESTS, LIMITS) for name, text in spec.overhead.items()}
    kept = {name: value for name, value in overhead.items() if name.startswith(REQUESTS) or name in total}
    return {"pods": Decimal(1), **_added([total, kept])}


def _asks_of(one: outside.Container) -> Amounts:
    limits = {name: amount_of(text) for name, text in one.resources.limits.items()}
    requests = limits | {name: amount_of(text) for name, text in one.resources.requests.items()}
    return {f"{REQUESTS}{name}": value for name, value in requests.items()} | {
        f"{LIMITS}{name}": value for name, value in limits.items()
    }


def _added(amounts: Iterable[Mapping[str, Decimal]]) -> Amounts:
    found: Amounts = {}
    for one in amounts:
        for name, value in one.items():
            found[name] = found.get(name, Decimal()) + value
    return found


def read_quotas(kube: KubeClient, namespace: str) -> tuple[QuotaLeft, ...]:
    """Returns what the quotas of a namespace have left. A quota with a scope counts only some pods, and is left out."""
    told = [
        outside.ResourceQuota.read(raw, name_of("ResourceQuota", raw))
        for raw in kube.items(f"/api/v1/namespaces/{namespace}/resourcequotas")
    ]
    return tuple(
        QuotaLeft(
            name=one.metadata.name,
            left={
                QUOTA_NAMES.get(name, name): amount_of(hard) - amount_of(one.status.used.get(name, 0))
                for name, hard in one.status.hard.items()
            },
        )
        for one in told
        if not one.spec.scopes and not one.spec.scope_selector
    )


def _on_nodes(kube: KubeClient, pod: JSON, needs: Amounts) -> dict[str, object]:
    nodes, pods = on_all(lambda one: kube.items(one[0], **one[1]), (("/api/v1/nodes", {}), ("/api/v1/pods", ON_NODES)))
    wanted = parse_pod({**pod, "metadata": NAMELESS})
    used: dict[str, list[Amounts]] = {}
    for raw in pods:
        used.setdefault(raw["spec"]["nodeName"], []).append(asks_of({"spec": raw["spec"]}))
    free = [_free(raw, used) for raw in nodes if _takes(raw, wanted)]
    asked = {name: value for name, value in needs.items() if not name.startswith(LIMITS)}
    return {
        "nodes": len(free),
        "fits": any(all(one.get(name, Decimal()) >= value for name, value in asked.items()) for one in free),
        "most": {name: max(one.get(name, Decimal()) for one in free) for name in asked} if free else {},
    }


def _takes(raw: JSON, pod: Pod) -> bool:
    return not why_not(pod, (), parse_node(raw, None), unknown=True)


def _free(raw: JSON, used: Mapping[str, list[Amounts]]) -> Amounts:
    told = outside.Node.read(raw, name_of("node", raw))
    allocatable = {
        name if name == "pods" else f"{REQUESTS}{name}": amount_of(text)
        for name, text in told.status.allocatable.items()
    }
    taken = _added(used.get(told.metadata.name, []))
    return {name: value - taken.get(name, Decimal()) for name, value in allocatable.items()}
