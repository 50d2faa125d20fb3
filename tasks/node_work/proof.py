"""Proof that a node is well, and that the cluster is no worse than before: looked at from the node, the API and etcd."""

import time
from collections.abc import Sequence
from datetime import timedelta

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import LOOK_EVERY, on_all
from tasks.core.errors import CommandFailed, NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.etcd.observe import look_at_members
from tasks.etcd.policy.quorum import MOST_LAG, unhealthy_members
from tasks.node_work.models.health import Before, Expected, NodeLook, Services, Symptom
from tasks.node_work.policy.health import (
    what_fails_already,
    what_is_new,
    what_is_old,
    what_is_wrong,
)
from tasks.node_work.policy.workloads import what_concerns_node, what_got_worse, workload_of
from tasks.node_work.probes.service_path import ask_service_path, what_service_path_lacks
from tasks.node_work.site_gates import what_gates_say
from tasks.nodes.models.nodes import NodeFacts
from tasks.nodes.models.pods import Pod
from tasks.nodes.observe import LEASES, glance_at_machine, look_at_nodes, look_at_workloads
from tasks.nodes.probes.api_facts import parse_node
from tasks.nodes.probes.pods import parse_pod
from tasks.run.locks import Check

SERVICES_LIMIT = timedelta(seconds=30)
"""For a node to ask the API and DNS, which have 5 s and 3 s to answer."""

HEALTH_LIMIT = timedelta(minutes=10)
"""For a node and its pods to be well again; images are there already."""


def look_before(handle: Cluster, machine: NodeFacts) -> Before:
    """What has to be so again afterwards, and which proofs of the node fail already."""
    kube = handle.kube
    services = find_services(kube)
    look = look_at(handle, machine.name, services, etcd=False, machine=machine)
    return Before(
        workloads=look_at_workloads(kube),
        services=services,
        here=tuple(dict.fromkeys(filter(None, (workload_of(pod) for pod in look.pods if pod.ready)))),
        unhealthy=tuple(dict.fromkeys(one.of for one in what_fails_already(look) if not one.grave)),
    )


def look_at_symptoms(handle: Cluster, machines: Sequence[NodeFacts]) -> dict[str, tuple[Symptom, ...]]:
    """For a plan: node to what its proof would find wrong now, before anything is done. Of a machine that is not reached nothing."""
    reached = [machine for machine in machines if not machine.unreached]
    services = find_services(handle.kube)
    nodes = {one.name: one for one in look_at_nodes(handle.kube)}
    pods = [parse_pod(raw) for raw in handle.kube.items("/api/v1/pods")]

    def look(machine: NodeFacts) -> tuple[Symptom, ...]:
        try:
            failing = services_that_fail(handle, machine.name, services)
        except RunbookError as error:
            machine, failing = machine.model_copy(update={"unreached": error.problem}), {}
        own = tuple(pod for pod in pods if pod.node == machine.name)
        return what_fails_already(
            NodeLook(machine=machine, node=nodes.get(machine.name), pods=own, service_path=failing)
        )

    return dict(zip((machine.name for machine in reached), on_all(look, reached), strict=True))


def look_at_symptoms_of(handle: Cluster, machine: NodeFacts) -> tuple[Symptom, ...]:
    """Of one node, with etcd and the site's gates; of a machine that is not reached nothing."""
    if machine.unreached:
        return ()
    try:
        look = look_at(handle, machine.name, find_services(handle.kube), etcd=machine.is_control_plane, machine=machine)
    except CommandFailed as error:
        return (Symptom(of="reached by SSH", problem=error.problem, grave=True),)
    return what_fails_already(look)


def find_services(kube: KubeClient) -> Services:
    """Of the API and of DNS."""
    path = "/api/v1/namespaces/default/services/kubernetes"
    api = outside.ServedApi.read(kube.get(path), f"the answer to GET {path}").spec
    found = kube.find("/api/v1/namespaces/kube-system/services/kube-dns")
    dns = outside.ServedService.read(found, name_of("Service", found)).spec.cluster_ip if found else ""
    return Services(kubernetes=api.cluster_ip, port=api.ports[0].port, dns=dns)


def services_that_fail(handle: Cluster, name: str, services: Services) -> dict[str, str]:
    """What is wrong with the way from a node to the ClusterIPs, by Service.

    Pods that are Ready do not show it: kube-proxy can run, be ready and forward nothing.
    """
    script = ask_service_path(services.kubernetes, services.port, services.dns)
    output = handle.node(name).run(script, timeout=SERVICES_LIMIT, sudo=True, check=False)
    return what_service_path_lacks(output.stdout, dns=bool(services.dns))


def prove_node(  # noqa: PLR0913 - what is proven, and for how long it is waited for
    handle: Cluster,
    name: str,
    expected: Expected,
    before: Before,
    *,
    check: Check = lambda: None,
    limit: timedelta = HEALTH_LIMIT,
) -> tuple[str, ...]:
    """Waits until the node and its own pods look well for `expected.stable_for` without a break, or no worse than before.

    What is wrong still, as it was before the act. Raises `NotYet` with everything else that is wrong when the limit is over.
    """
    wait = _Wait(name, expected.stable_for, limit)
    found = _what_is_wrong(handle, name, expected, before.services)
    while not wait.is_over(what_is_new(found, before.unhealthy)):
        check()
        time.sleep(LOOK_EVERY.total_seconds())
        found = _what_is_wrong(handle, name, expected, before.services)
    return what_is_old(found, before.unhealthy)


def prove_workloads(
    handle: Cluster, name: str, before: Before, *, check: Check = lambda: None, limit: timedelta = HEALTH_LIMIT
) -> tuple[str, ...]:
    """Waits until every workload that has to do with the node has as many pods ready again as before.

    The others that have not: to cordon the node again would help none of them. Raises `NotYet` with those that have to do
    with it when the limit is over.
    """
    wait = _Wait(name, timedelta(), limit)
    ours, others = _what_is_worse(handle, name, before)
    while not wait.is_over(ours):
        check()
        time.sleep(LOOK_EVERY.total_seconds())
        ours, others = _what_is_worse(handle, name, before)
    return others


class _Wait:
    """For something to look well without a break; what is still wrong is told when it changes."""

    def __init__(self, name: str, stable_for: timedelta, limit: timedelta) -> None:
        self._name, self._stable_for, self._limit = name, stable_for.total_seconds(), limit
        self._end = time.monotonic() + limit.total_seconds()
        self._well_since, self._told = 0.0, ""

    def is_over(self, wrong: tuple[str, ...]) -> bool:
        """Given what a look has found wrong; `NotYet` when the time is up."""
        now = time.monotonic()
        if not wrong:
            self._well_since = self._well_since or now
            return now - self._well_since >= self._stable_for
        self._well_since = 0.0
        said = "; ".join(wrong)
        if now >= self._end:
            raise NotYet(
                f"{self._name}: not well after {self._limit}: {said}",
                hint="look at the kubelet, the container runtime and the pods there",
            )
        if said != self._told:
            self._told = said
            log_about(self._name).info("waiting: %s", said)
        return False


def _what_is_wrong(handle: Cluster, name: str, expected: Expected, services: Services) -> tuple[Symptom, ...]:
    """An API that does not answer for a moment is wrong, and no more."""
    try:
        return what_is_wrong(look_at(handle, name, services, etcd=bool(expected.control_plane)), expected)
    except NotYet as error:
        return (Symptom(of="API", problem=error.problem, grave=True),)


def _what_is_worse(handle: Cluster, name: str, before: Before) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What has to do with the node, and what has not."""
    try:
        now = look_at_workloads(handle.kube)
        worse = what_got_worse(before.workloads, now)
        here = _pods_on(handle.kube, name) if worse else ()
    except NotYet as error:
        return (error.problem,), ()
    ours = what_concerns_node(worse, before, now, here)
    return tuple(worse[one] for one in worse if one in ours), tuple(worse[one] for one in worse if one not in ours)


def _pods_on(kube: KubeClient, name: str) -> tuple[Pod, ...]:
    return tuple(parse_pod(one) for one in kube.items("/api/v1/pods", fieldSelector=f"spec.nodeName={name}"))


def look_at(
    handle: Cluster, name: str, services: Services, *, etcd: bool, machine: NodeFacts | None = None
) -> NodeLook:
    """From the machine itself, if it is not known already, from the API, and of etcd."""
    kube = handle.kube
    raw = kube.find(f"/api/v1/nodes/{name}")
    return NodeLook(
        machine=machine or glance_at_machine(handle, name),
        node=parse_node(raw, kube.find(f"{LEASES}/{name}")) if raw else None,
        pods=_pods_on(kube, name),
        service_path=services_that_fail(handle, name, services),
        etcd="; ".join(what_etcd_lacks(handle)) if etcd else "",
        gates=what_gates_say(handle),
    )


def what_etcd_lacks(handle: Cluster) -> tuple[str, ...]:
    """What ails a member, or what it has still to catch up; nothing when all are well."""
    try:
        members = look_at_members(handle, "auto").members
    except RunbookError as error:
        return (error.problem,)
    ill = [f"etcd member {one.label}: {ails}" for one, ails in unhealthy_members(members)]
    behind = [
        f"etcd member {one.label}: {one.status.raft_lag} entries behind"
        for one in members
        if one.status and one.status.raft_lag > MOST_LAG
    ]
    return (*ill, *behind)
