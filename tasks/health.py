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
from tasks.nodes import LEASES, glance_at_machine, look_at_workloads
from tasks.policy.health import what_got_worse, what_is_wrong
from tasks.policy.quorum import what_ails
from tasks.probes.api_facts import parse_node
from tasks.probes.pods import parse_pod
from tasks.probes.upgrade import ask_service_path, what_service_path_lacks
from tasks.site_gates import what_gates_say

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
    handle: Cluster, name: str, expected: Expected, services: Services, *, check: Callable[[], None] = lambda: None
) -> None:
    """Waits until the node and its own pods look well for `expected.settle` without a break.

    Raises `NotYet` with everything that is still wrong when ten minutes are over.
    """
    wait = _Wait(name, expected.settle)
    while not wait.is_over(_what_is_wrong(handle, name, expected, services)):
        check()
        time.sleep(LOOK_EVERY.total_seconds())


def prove_workloads(handle: Cluster, name: str, before: Before, *, check: Callable[[], None] = lambda: None) -> None:
    """Waits until every workload has as many pods ready again as before; pods may have waited for this very node.

    Raises `NotYet` with those that have not when ten minutes are over.
    """
    wait = _Wait(name, timedelta())
    while not wait.is_over(_what_is_worse(handle, before)):
        check()
        time.sleep(LOOK_EVERY.total_seconds())


class _Wait:
    """For something to look well without a break; what is still wrong is told when it changes."""

    def __init__(self, name: str, settle: timedelta) -> None:
        self._name, self._settle = name, settle.total_seconds()
        self._end = time.monotonic() + HEALTH_LIMIT.total_seconds()
        self._well_since, self._told = 0.0, ""

    def is_over(self, wrong: tuple[str, ...]) -> bool:
        """Given what a look has found wrong; `NotYet` when the time is up."""
        now = time.monotonic()
        if not wrong:
            self._well_since = self._well_since or now
            return now - self._well_since >= self._settle
        self._well_since = 0.0
        said = "; ".join(wrong)
        if now >= self._end:
            raise NotYet(
                f"{self._name}: not well after {HEALTH_LIMIT}: {said}",
                hint="look at kubelet, containerd and the pods there",
            )
        if said != self._told:
            self._told = said
            log_about(self._name).info("waiting: %s", said)
        return False


def _what_is_wrong(handle: Cluster, name: str, expected: Expected, services: Services) -> tuple[str, ...]:
    """An API that does not answer for a moment is wrong, and no more."""
    try:
        return what_is_wrong(look_at(handle, name, services, etcd=bool(expected.control_plane)), expected)
    except NotYet as error:
        return (error.problem,)


def _what_is_worse(handle: Cluster, before: Before) -> tuple[str, ...]:
    try:
        return what_got_worse(before.workloads, look_at_workloads(handle.kube))
    except NotYet as error:
        return (error.problem,)


def look_at(handle: Cluster, name: str, services: Services, *, etcd: bool) -> NodeLook:
    """From the machine itself, from the API, and of etcd."""
    kube = handle.kube
    raw = kube.find(f"/api/v1/nodes/{name}")
    pods = kube.items("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")
    return NodeLook(
        machine=glance_at_machine(handle, name),
        node=parse_node(raw, kube.find(f"{LEASES}/{name}")) if raw else None,
        pods=tuple(parse_pod(one) for one in pods),
        service_path=what_service_path_says(handle, name, services),
        etcd=what_etcd_says(handle) if etcd else "",
        gates=what_gates_say(handle),
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
