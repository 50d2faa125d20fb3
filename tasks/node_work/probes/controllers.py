"""What the API says of schedulers and controller managers, read: their mirror pods and their Leases."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.control_plane.probes.manifests import parse_flags
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.node_work.models.controllers import COMPONENTS, Instance
from tasks.nodes.probes.api_facts import reasons_of_waiting
from tasks.nodes.probes.pods import parse_pod

JSON = Mapping[str, Any]

SECONDS = 15
"""leaseDurationSeconds of a Lease that says none: the default of both components."""


def parse_instances(node: str, pods: Iterable[JSON]) -> tuple[Instance, ...]:
    """Of the pods of a node in kube-system, the static ones that kubeadm names after the component."""
    found = {parse_pod(one).id: one for one in pods if parse_pod(one).mirror}
    return tuple(
        Instance(component=name, node=node, problem=_problem(pod), lease=_lease(name, pod))
        for name in COMPONENTS
        if (pod := found.get(f"kube-system/{name}-{node}"))
    )


def _problem(raw: JSON) -> str:
    pod = outside.PodProgress.read(raw, name_of("pod", raw))
    if pod.metadata.deletion_timestamp:
        return "its pod is being deleted"
    return "" if parse_pod(raw).ready else f"its pod is not Ready: {reasons_of_waiting(pod.status)}"


def _lease(component: str, pod: JSON) -> str:
    """By its flags. A configuration file takes their place, and may name another Lease: then it is not known here."""
    containers = outside.GivenPod.read(pod, name_of("pod", pod)).spec.containers
    flags = parse_flags([word for one in containers[:1] for word in (*one.command, *one.args)])
    if "config" in flags or flags.get("leader-elect") == "false":
        return ""
    namespace = flags.get("leader-elect-resource-namespace", "kube-system")
    return f"{namespace}/{flags.get('leader-elect-resource-name', component)}"


def holder_of(lease: JSON | None) -> str:
    """Empty where there is no Lease, or nobody holds it."""
    return _held(lease).holder_identity


def renewal_of(lease: JSON | None) -> str:
    """When its holder renewed it, by the holder's clock: only to be compared with itself."""
    return _held(lease).renew_time


def seconds_of(lease: JSON | None) -> int:
    """How long a renewal holds."""
    return _held(lease).lease_duration_seconds or SECONDS


def _held(lease: JSON | None) -> outside.HeldSpec:
    return outside.HeldLease.read(lease or {}, name_of("Lease", lease)).spec
