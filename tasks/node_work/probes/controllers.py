"""Parses what the API returns about schedulers and controller managers: their mirror pods and their Leases."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.core.probes.pod_shape import lease_of
from tasks.core.probes.static_pods import parse_flags
from tasks.node_work.models.controllers import COMPONENTS, Instance
from tasks.nodes.probes.api_facts import reasons_of_waiting
from tasks.nodes.probes.pods import parse_pod

JSON = Mapping[str, Any]

SECONDS = 15
"""This is the leaseDurationSeconds, in seconds, of a Lease without a value.

It is the default of both components.
"""


def parse_instances(node: str, pods: Iterable[JSON]) -> tuple[Instance, ...]:
    """Returns the schedulers and controller managers among the pods of a node in kube-system.

    They are the static pods that kubeadm names after the component.
    """
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
    """Returns the Lease that the flags name.

    A configuration file replaces the flags and may name another Lease, so then the Lease is not known here.
    """
    containers = outside.GivenPod.read(pod, name_of("pod", pod)).spec.containers
    flags = parse_flags([word for one in containers[:1] for word in (*one.command, *one.args)])
    return "" if "config" in flags else lease_of(component, flags)


def holder_of(lease: JSON | None) -> str:
    """Returns the holder of a Lease. It is empty if there is no Lease, or if nobody holds it."""
    return _held(lease).holder_identity


def renewal_of(lease: JSON | None) -> str:
    """Returns when the holder renewed the Lease, by the holder's clock. Compare it only with itself."""
    return _held(lease).renew_time


def seconds_of(lease: JSON | None) -> int:
    """Returns how many seconds a renewal of the Lease is valid."""
    return _held(lease).lease_duration_seconds or SECONDS


def _held(lease: JSON | None) -> outside.HeldSpec:
    return outside.HeldLease.read(lease or {}, name_of("Lease", lease)).spec
