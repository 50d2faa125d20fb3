"""Observes schedulers and controller managers: their pods, and whether the leader renews its Lease."""

import time
from collections.abc import Sequence

from tasks.clients.kube import KubeClient
from tasks.core.at_once import on_all
from tasks.core.waits import LOOK_EVERY
from tasks.node_work.models.controllers import Controllers, Instance, Leader
from tasks.node_work.probes.controllers import holder_of, parse_instances, renewal_of, seconds_of


def look_at_controllers(kube: KubeClient, nodes: Sequence[str]) -> Controllers:
    """Returns the schedulers and controller managers of these nodes, and their leaders.

    A leader is watched until it renews its Lease or the Lease duration is over. So the clocks of two hosts are
    never compared.
    """
    found = [one for instances in on_all(lambda name: _instances(kube, name), nodes) for one in instances]
    leases = sorted({(one.component, one.lease) for one in found if one.lease})
    return Controllers(instances=tuple(found), leaders=tuple(on_all(lambda one: _watched(kube, *one), leases)))


def _instances(kube: KubeClient, node: str) -> tuple[Instance, ...]:
    pods = kube.items("/api/v1/namespaces/kube-system/pods", fieldSelector=f"spec.nodeName={node}")
    return parse_instances(node, pods)


def _watched(kube: KubeClient, component: str, lease: str) -> Leader:
    namespace, _, name = lease.partition("/")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}"
    first = kube.find(path)
    seconds, is_alive = seconds_of(first), False
    end = time.monotonic() + seconds
    while not is_alive and time.monotonic() < end:
        time.sleep(LOOK_EVERY.total_seconds())
        found = kube.find(path)
        is_alive = bool(holder_of(found)) and renewal_of(found) != renewal_of(first)
    return Leader(component=component, lease=lease, holder=holder_of(first), seconds=seconds, is_alive=is_alive)
