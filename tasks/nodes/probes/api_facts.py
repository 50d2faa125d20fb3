"""Parses what an upgrade reads from a cluster's API: its JSON and its metrics.

All parsers are pure. Each raises `NotYet`, with the object's name and the field, if an answer could not be parsed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tasks.core.models import outside
from tasks.core.models.kubeadm import CONTROL_PLANE
from tasks.core.models.outside import from_yaml, name_of
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.workloads import Webhook, Workload

JSON = Mapping[str, Any]

PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
KINDS = {
    "Deployment": ("available_replicas", "updated_replicas"),
    "StatefulSet": ("ready_replicas", "updated_replicas"),
    "DaemonSet": ("number_ready", "updated_number_scheduled"),
}
"""Maps each kind to two fields of its status.

The first counts the pods that are there, the second those of the newest template.
"""


def parse_node(node: JSON, lease: JSON | None) -> KubeNode:
    """Parses a node and its lease."""
    told = outside.Node.read(node, name_of("node", node))
    renewed = outside.Lease.read(lease, name_of("lease", lease)).spec.renew_time if lease else None
    conditions = {one.type: one for one in told.status.conditions}
    ready = conditions.get("Ready", outside.Condition(message="it has no condition Ready"))
    return KubeNode(
        name=told.metadata.name,
        ready=ready.status == "True",
        ready_message="" if ready.status == "True" else ready.message or f"its condition Ready is {ready.status}",
        heartbeat=_newest(ready.last_heartbeat_time, renewed),
        cordoned=told.spec.unschedulable,
        kubelet=told.status.node_info.kubelet_version.removeprefix("v"),
        boot_id=told.status.node_info.boot_id,
        runtime=told.status.node_info.container_runtime_version,
        addresses=tuple(one.address for one in told.status.addresses),
        control_plane=CONTROL_PLANE in told.metadata.labels,
        pressures=tuple(name for name in PRESSURES if name in conditions and conditions[name].status == "True"),
        labels=told.metadata.labels,
        annotations=told.metadata.annotations,
        taints=tuple(f"{one.key}={one.value}:{one.effect}" for one in told.spec.taints),
    )


def parse_nodes(nodes: Iterable[JSON], leases: Iterable[JSON]) -> tuple[KubeNode, ...]:
    """Parses all nodes, with their leases from kube-node-lease, and sorts them by name."""
    by_name = {outside.Lease.read(lease, name_of("lease", lease)).metadata.name: lease for lease in leases}
    found = (
        parse_node(node, by_name.get(outside.Node.read(node, name_of("node", node)).metadata.name)) for node in nodes
    )
    return tuple(sorted(found, key=lambda node: node.name))


def parse_workload(kind: str, item: JSON) -> Workload:
    """Parses a controller of one of the kinds in `KINDS`."""
    told = outside.Controller.read(item, name_of(kind, item))
    there, updated = (int(getattr(told.status, field)) for field in KINDS[kind])
    desired = told.status.desired_number_scheduled if kind == "DaemonSet" else told.spec.replicas
    return Workload(
        kind=kind,
        name=f"{told.metadata.namespace}/{told.metadata.name}",
        desired=desired,
        ready=there,
        images=tuple(container.image for container in told.spec.template.spec.containers),
        by_hand=_by_hand(told.spec),
        rolled_out=told.status.observed_generation >= told.metadata.generation and desired <= updated,
        rollout=_rollout(told, desired, updated),
    )


def _rollout(told: outside.Controller, desired: int, updated: int) -> str:
    """Describes how far the rollout is; empty if none is in progress.

    It is also empty if the pods are replaced by hand, or if the rollout has given up.
    """
    strategy = told.spec.update_strategy
    if _by_hand(told.spec):
        return ""
    if any(one.reason == "ProgressDeadlineExceeded" for one in told.status.conditions):
        return ""
    if told.status.observed_generation < told.metadata.generation:
        return "its newest specification is not taken up yet"
    wanted = desired - strategy.rolling_update.partition
    return f"{updated} of {wanted} pods are of its newest specification" if updated < wanted else ""


def _by_hand(spec: outside.ControllerSpec) -> bool:
    """Checks whether nothing replaces the pods automatically."""
    return spec.paused or spec.update_strategy.type == "OnDelete"


def unavailable_apis(items: Iterable[JSON]) -> dict[str, str]:
    """Maps each APIService that is not Available to the reason.

    It includes those whose availability no API server has determined.
    """
    found = {}
    for item in items:
        service = outside.ApiService.read(item, name_of("APIService", item))
        one = next((one for one in service.status.conditions if one.type == "Available"), None)
        if one is None:
            found[service.metadata.name] = "it has no condition Available"
        elif one.status != "True":
            found[service.metadata.name] = f"{one.reason}: {one.message}"
    return found


def parse_webhooks(items: Iterable[JSON], endpoints: Mapping[str, Sequence[str]]) -> tuple[Webhook, ...]:
    """Parses the webhooks that block requests when they do not answer.

    `endpoints` maps each service to the nodes of its ready pods.
    """
    configurations = (outside.WebhookConfiguration.read(item, name_of("webhook configuration", item)) for item in items)
    return tuple(
        Webhook(name=hook.name, service=service, backends=tuple(sorted(set(endpoints.get(service, ())))))
        for configuration in configurations
        for hook in configuration.webhooks
        if hook.failure_policy == "Fail"
        for service in [_service_of(hook.client_config)]
    )


def nodes_of_services(slices: Iterable[JSON]) -> dict[str, list[str]]:
    """Maps each service, as namespace/name, to the nodes of its ready endpoints, from EndpointSlices."""
    found: dict[str, list[str]] = {}
    for item in slices:
        one = outside.EndpointSlice.read(item, name_of("EndpointSlice", item))
        service = one.metadata.labels.get("kubernetes.io/service-name")
        nodes = found.setdefault(f"{one.metadata.namespace}/{service}", [])
        nodes += [end.node_name for end in one.endpoints if end.conditions.ready and end.node_name]
    return found


def parse_deprecated(metrics: str) -> dict[str, str]:
    """Finds APIs that a release removes and that were requested since the API server started.

    It maps `group/version/resource` to that release.
    """
    found = {}
    for line in metrics.splitlines():
        if line.startswith("apiserver_requested_deprecated_apis{") and not line.endswith(" 0"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels.get("removed_release"):
                name = f"{labels.get('group') or 'core'}/{labels.get('version')}/{labels.get('resource')}"
                found[name] = labels["removed_release"]
    return found


def cluster_configuration(config_map: JSON | None) -> dict[str, Any]:
    """Returns the ClusterConfiguration of kube-system/kubeadm-config. It is empty if there is none."""
    found = _part_of(config_map, "ClusterConfiguration")
    outside.ClusterConfiguration.read(found, f"{name_of('ConfigMap', config_map)}: ClusterConfiguration")
    return found


def with_etcd_tag(configuration: dict[str, Any], tag: str) -> dict[str, Any]:
    """Returns a ClusterConfiguration with etcd's image pinned to a tag, or not pinned (`default`).

    An empty tag changes nothing.
    """
    etcd = configuration.get("etcd")
    local = etcd.get("local") if isinstance(etcd, dict) else None
    if not tag or not isinstance(local, dict):
        return configuration
    pin = {} if tag == "default" else {"imageTag": tag}
    return configuration | {"etcd": {"local": {name: local[name] for name in local if name != "imageTag"} | pin}}


def name_and_version(image: str) -> tuple[str, str]:
    """Splits an image into name and version: kube-apiserver, 1.37.2; etcd, 3.7.0.

    A digest after the tag is ignored.
    """
    path, _, tag = image.partition("@")[0].rpartition(":")
    return path.rpartition("/")[2], tag.removeprefix("v").partition("-")[0]


def kubelet_setting(config_map: JSON | None, name: str) -> bool | None:
    """Returns a switch of kube-system/kubelet-config. It is None if the configuration does not set it."""
    value = _part_of(config_map, "kubelet").get(name)
    return value if isinstance(value, bool) else None


def _part_of(config_map: JSON | None, name: str) -> dict[str, Any]:
    """Returns a document from a ConfigMap. It is empty if there is none, or if it is no mapping."""
    what = name_of("ConfigMap", config_map)
    text = outside.ConfigMap.read(config_map or {}, what).data.get(name, "")
    loaded = from_yaml(text, f"{what}: {name}")
    return loaded if isinstance(loaded, dict) else {}


def not_ready(pods: Iterable[JSON]) -> tuple[str, ...]:
    """Lists pods that are neither finished for good nor ready, with what they wait for.

    Pods that are being deleted are left out. A pod that was evicted, or that a node's shutdown has stopped, stays
    Failed forever. The pod count of its workload shows whether another one exists.
    """
    found = []
    for item in pods:
        pod = outside.PodProgress.read(item, name_of("pod", item))
        ready = any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)
        if pod.status.phase not in {"Succeeded", "Failed"} and not ready and not pod.metadata.deletion_timestamp:
            found.append(f"{pod.metadata.namespace}/{pod.metadata.name} ({reasons_of_waiting(pod.status)})")
    return tuple(sorted(found))


def reasons_of_waiting(status: outside.PodStatus) -> str:
    """Returns the reasons why containers of a pod wait, or the pod's phase if there are none."""
    states = [one.state.waiting for one in (*status.container_statuses, *status.init_container_statuses)]
    waiting = [one.reason for one in states if one]
    return ", ".join(dict.fromkeys(waiting)) or status.phase or "unknown"


def _service_of(config: outside.ClientConfig) -> str:
    return f"{config.service.namespace}/{config.service.name}" if config.service else config.url


def _newest(*moments: datetime | None) -> datetime | None:
    return max((one for one in moments if one), default=None)
