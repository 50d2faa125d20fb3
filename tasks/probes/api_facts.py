"""What a cluster's API has that an upgrade looks at: pure parsers of its JSON and of its metrics."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml

from tasks.models.nodes import KubeNode
from tasks.models.upgrade import Webhook, Workload

JSON = Mapping[str, Any]

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
KINDS = {
    "Deployment": ("replicas", "availableReplicas", "updatedReplicas"),
    "StatefulSet": ("replicas", "readyReplicas", "updatedReplicas"),
    "DaemonSet": ("desiredNumberScheduled", "numberReady", "updatedNumberScheduled"),
}
"""Kind to the fields with how many pods are wanted (a DaemonSet's is in its status), are there, and are of the newest template."""


def parse_node(node: JSON, lease: JSON | None) -> KubeNode:
    """A node and its lease."""
    status, metadata, spec = node.get("status", {}), node["metadata"], node.get("spec", {})
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    ready = conditions.get("Ready", {})
    info = status.get("nodeInfo", {})
    return KubeNode(
        name=metadata["name"],
        ready=ready.get("status") == "True",
        ready_message=ready.get("message", "it has no condition Ready") if ready.get("status") != "True" else "",
        heartbeat=_newest(ready.get("lastHeartbeatTime"), (lease or {}).get("spec", {}).get("renewTime")),
        cordoned=bool(spec.get("unschedulable")),
        kubelet=str(info.get("kubeletVersion", "")).removeprefix("v"),
        boot_id=info.get("bootID", ""),
        runtime=info.get("containerRuntimeVersion", ""),
        addresses=tuple(one["address"] for one in status.get("addresses", [])),
        control_plane=CONTROL_PLANE in metadata.get("labels", {}),
        pressures=tuple(name for name in PRESSURES if conditions.get(name, {}).get("status") == "True"),
        labels=metadata.get("labels", {}),
        annotations=metadata.get("annotations", {}),
        taints=tuple(f"{one['key']}={one.get('value', '')}:{one.get('effect', '')}" for one in spec.get("taints", [])),
    )


def parse_nodes(nodes: Iterable[JSON], leases: Iterable[JSON]) -> tuple[KubeNode, ...]:
    """All of them, with the leases of kube-node-lease, in the order of their names."""
    by_name = {lease["metadata"]["name"]: lease for lease in leases}
    found = (parse_node(node, by_name.get(node["metadata"]["name"])) for node in nodes)
    return tuple(sorted(found, key=lambda node: node.name))


def parse_workload(kind: str, item: JSON) -> Workload:
    """A controller of one of KINDS."""
    wanted, there, updated = KINDS[kind]
    spec, status, metadata = item.get("spec", {}), item.get("status", {}), item["metadata"]
    containers = spec.get("template", {}).get("spec", {}).get("containers", [])
    desired = status.get(wanted, 0) if kind == "DaemonSet" else spec.get(wanted, 1)
    return Workload(
        kind=kind,
        name=f"{metadata['namespace']}/{metadata['name']}",
        desired=int(desired),
        ready=int(status.get(there) or 0),
        images=tuple(container.get("image", "") for container in containers),
        by_hand=_by_hand(spec),
        rolled_out=status.get("observedGeneration", 0) >= metadata.get("generation", 0)
        and int(desired) <= int(status.get(updated) or 0),
        rollout=_rollout(kind, item, int(desired)),
    )


def _rollout(kind: str, item: JSON, desired: int) -> str:
    """Empty also for one whose pods are replaced by hand, or that has given up."""
    spec, status = item.get("spec", {}), item.get("status", {})
    strategy = spec.get("updateStrategy") or {}
    if _by_hand(spec):
        return ""
    if any(one.get("reason") == "ProgressDeadlineExceeded" for one in status.get("conditions") or []):
        return ""
    if int(status.get("observedGeneration") or 0) < int(item["metadata"].get("generation") or 0):
        return "its newest specification is not taken up yet"
    wanted = desired - int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    updated = int(status.get(KINDS[kind][2]) or 0)
    return f"{updated} of {wanted} pods are of its newest specification" if updated < wanted else ""


def _by_hand(spec: JSON) -> bool:
    """Nothing replaces its pods by itself."""
    return bool(spec.get("paused")) or (spec.get("updateStrategy") or {}).get("type") == "OnDelete"


def unavailable_apis(items: Iterable[JSON]) -> dict[str, str]:
    """APIServices that are not Available, with the reason."""
    return {
        item["metadata"]["name"]: f"{one.get('reason', '')}: {one.get('message', '')}"
        for item in items
        for one in item.get("status", {}).get("conditions", [])
        if one["type"] == "Available" and one["status"] != "True"
    }


def parse_webhooks(items: Iterable[JSON], endpoints: Mapping[str, Sequence[str]]) -> tuple[Webhook, ...]:
    """Those that stop requests when they do not answer; `endpoints` has the nodes of the ready pods of each service."""
    return tuple(
        Webhook(name=hook["name"], service=service, backends=tuple(sorted(set(endpoints.get(service, ())))))
        for item in items
        for hook in item.get("webhooks", [])
        if hook.get("failurePolicy", "Fail") == "Fail"
        for service in [_service_of(hook.get("clientConfig", {}))]
    )


def nodes_of_services(slices: Iterable[JSON]) -> dict[str, list[str]]:
    """namespace/name of each service to the nodes of its ready endpoints, from EndpointSlices."""
    found: dict[str, list[str]] = {}
    for one in slices:
        service = one["metadata"].get("labels", {}).get("kubernetes.io/service-name")
        ready = (end for end in one.get("endpoints") or [] if end.get("conditions", {}).get("ready", True))
        nodes = found.setdefault(f"{one['metadata']['namespace']}/{service}", [])
        nodes += [end["nodeName"] for end in ready if end.get("nodeName")]
    return found


def parse_deprecated(metrics: str) -> dict[str, str]:
    """APIs that were asked for since the API server's start and that a release removes: `group/version/resource` to it."""
    found = {}
    for line in metrics.splitlines():
        if line.startswith("apiserver_requested_deprecated_apis{") and not line.endswith(" 0"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels.get("removed_release"):
                name = f"{labels.get('group') or 'core'}/{labels.get('version')}/{labels.get('resource')}"
                found[name] = labels["removed_release"]
    return found


def cluster_configuration(config_map: JSON | None) -> dict[str, Any]:
    """ClusterConfiguration of kube-system/kubeadm-config; empty when there is none."""
    text = (config_map or {}).get("data", {}).get("ClusterConfiguration", "")
    loaded = yaml.safe_load(text) if text else {}
    return loaded if isinstance(loaded, dict) else {}


def with_etcd_tag(configuration: dict[str, Any], tag: str) -> dict[str, Any]:
    """A ClusterConfiguration with etcd's image pinned to a tag, or not pinned (`default`); an empty one changes nothing."""
    local = (configuration.get("etcd") or {}).get("local")
    if not tag or local is None:
        return configuration
    pin = {} if tag == "default" else {"imageTag": tag}
    return configuration | {"etcd": {"local": {name: local[name] for name in local if name != "imageTag"} | pin}}


def name_and_version(image: str) -> tuple[str, str]:
    """kube-apiserver, 1.37.2; etcd, 3.7.0. A digest after the tag says nothing more."""
    path, _, tag = image.partition("@")[0].rpartition(":")
    return path.rpartition("/")[2], tag.removeprefix("v").partition("-")[0]


def kubelet_setting(config_map: JSON | None, name: str) -> bool | None:
    """A switch of kube-system/kubelet-config; None where it says nothing."""
    loaded = yaml.safe_load((config_map or {}).get("data", {}).get("kubelet", "") or "{}")
    value = loaded.get(name) if isinstance(loaded, dict) else None
    return value if isinstance(value, bool) else None


def not_ready(pods: Iterable[JSON]) -> tuple[str, ...]:
    """Pods that neither have done their work nor are ready, with what they wait for."""
    found = []
    for pod in pods:
        status = pod.get("status", {})
        ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
        if status.get("phase") != "Succeeded" and not ready and "deletionTimestamp" not in pod["metadata"]:
            found.append(f"{pod['metadata']['namespace']}/{pod['metadata']['name']} ({what_it_waits_for(status)})")
    return tuple(sorted(found))


def what_it_waits_for(status: JSON) -> str:
    """The reasons of a pod's containers that do not run, else its phase."""
    waiting = [
        one["state"]["waiting"].get("reason", "waiting")
        for one in [*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])]
        if "waiting" in one.get("state", {})
    ]
    return ", ".join(dict.fromkeys(waiting)) or str(status.get("phase", "unknown"))


def _service_of(config: JSON) -> str:
    service = config.get("service")
    return f"{service['namespace']}/{service['name']}" if service else str(config.get("url", ""))


def _newest(*moments: str | None) -> datetime | None:
    return max((datetime.fromisoformat(one) for one in moments if one), default=None)
