"""Proof that a node is well, and that the cluster is no worse than before: looked at from the node, the API and etcd."""

import time
from collections.abc import Callable
from datetime import timedelta

from tasks.at_once import LOOK_EVERY
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.errors import NotYet, RunbookError
from tasks.etcd import look_at_members
from tasks.logs import log_about
from tasks.models.health import Before, Expected, NodeLook, Services
from tasks.nodes import LEASES, look_at_machine, look_at_workloads
from tasks.policy.health import what_got_worse, what_is_wrong
from tasks.policy.quorum import what_ails
from tasks.probes.api_facts import parse_node
from tasks.probes.pods import parse_pod
from tasks.probes.upgrade import ask_service_path, what_service_path_lacks

CALL = timedelta(seconds=30)
HEALTH_LIMIT = timedelta(minutes=10)
"""For a node and its pods to be well again; images are there already."""

MOST_LAG = 1000
"""Entries that a member may have to catch up."""


def look_before(kube: KubeClient) -> Before:
    """What has to be so again afterwards."""
    return Before(workloads=look_at_workloads(kube), services=find_services(kube))


def find_services(kube: KubeClient) -> Services:
    """Of the API and of DNS."""
    api = kube.get("/api/v1/namespaces/default/services/kubernetes")["spec"]
    dns = kube.find("/api/v1/namespaces/kube-system/services/kube-dns")
    return Services(
        kubernetes=api["clusterIP"], port=api["ports"][0]["port"], dns=dns["spec"]["clusterIP"] if dns else ""
    )


def what_service_path_says(handle: Cluster, name: str, services: Services) -> str:
    """What is wrong with the way from a node to the ClusterIPs; empty when nothing is.

    Pods that are Ready do not show it: kube-proxy can run, be ready and forward nothing.
    """
    script = ask_service_path(services.kubernetes, services.port, services.dns)
    output = handle.node(name).run(script, timeout=CALL, sudo=True, check=False)
    return what_service_path_lacks(output.stdout, dns=bool(services.dns))


def prove_node(
    handle: Cluster,
    name: str,
    expected: Expected,
    before: Before,
    *,
    check: Callable[[], None] = lambda: None,
) -> NodeLook:
    """Waits until the node, its pods and all workloads look well for `expected.settle` without a break; the last look.

    Raises `NotYet` with everything that is still wrong when ten minutes are over.
    """
    end, well_since, told = time.monotonic() + HEALTH_LIMIT.total_seconds(), 0.0, ""
    while True:
        check()
        look, wrong = _look(handle, name, expected, before)
        now = time.monotonic()
        well_since = 0.0 if wrong else well_since or now
        if look and not wrong and now - well_since >= expected.settle.total_seconds():
            return look
        if wrong and now >= end:
            raise NotYet(
                f"{name}: not healthy after {HEALTH_LIMIT}: {'; '.join(wrong)}",
                hint="look at kubelet, containerd and the pods there",
            )
        if wrong and (said := "; ".join(wrong)) != told:
            told = said
            log_about(name).info("waiting: %s", told)
        time.sleep(LOOK_EVERY.total_seconds())


def _look(handle: Cluster, name: str, expected: Expected, before: Before) -> tuple[NodeLook | None, tuple[str, ...]]:
    """A look, and what is wrong; an API that does not answer for a moment is wrong, and no more."""
    try:
        look = look_at(handle, name, before.services, etcd=bool(expected.control_plane))
        worse = what_got_worse(before.workloads, look_at_workloads(handle.kube))
    except NotYet as error:
        return None, (error.problem,)
    return look, (*what_is_wrong(look, expected), *worse)


def look_at(handle: Cluster, name: str, services: Services, *, etcd: bool) -> NodeLook:
    """From the machine itself, from the API, and of etcd."""
    kube = handle.kube
    raw = kube.find(f"/api/v1/nodes/{name}")
    pods = kube.items("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")
    return NodeLook(
        machine=look_at_machine(handle, name),
        node=parse_node(raw, kube.find(f"{LEASES}/{name}")) if raw else None,
        pods=tuple(parse_pod(one) for one in pods),
        service_path=what_service_path_says(handle, name, services),
        etcd=what_etcd_says(handle) if etcd else "",
    )


def what_etcd_says(handle: Cluster) -> str:
    """What ails a member, or what it has still to catch up; empty when all are well."""
    try:
        members = look_at_members(handle, "auto").members
    except RunbookError as error:
        return error.problem
    problems = [f"etcd member {one.label}: {ails}" for one in members if (ails := what_ails(one))]
    problems += [
        f"etcd member {one.label}: {one.status.raft_lag} entries behind"
        for one in members
        if one.status and one.status.raft_lag > MOST_LAG
    ]
    return "; ".join(problems)
