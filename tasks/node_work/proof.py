"""Proves that a node is healthy and that the cluster is no worse than before.

It asks the node, the API and etcd.
"""

from collections.abc import Sequence
from datetime import timedelta

from tasks.clients.kube import KubeClient
from tasks.clients.ssh import CALL
from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import CommandFailed, NotYet, RunbookError
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.etcd.observe import look_at_members
from tasks.etcd.policy.quorum import MOST_LAG, unhealthy_members
from tasks.gates.observe import what_gates_say
from tasks.node_work.models.health import Before, Expected, NodeDns, NodeLook, Services, Symptom
from tasks.node_work.policy.health import (
    ELSEWHERE,
    what_fails_already,
    what_is_new,
    what_is_old,
    what_is_wrong,
)
from tasks.node_work.policy.workloads import what_concerns_node, what_got_worse, workload_of
from tasks.node_work.probes.runtime import ask_runtime, socket_of, what_runtime_lacks
from tasks.node_work.probes.service_path import ask_service_path, what_service_path_lacks
from tasks.nodes.models.nodes import NodeFacts
from tasks.nodes.models.pods import Pod
from tasks.nodes.observe import LEASES, glance_at_machine, look_at_nodes, look_at_workloads
from tasks.nodes.probes.api_facts import parse_node
from tasks.nodes.probes.pods import parse_pod
from tasks.run.locks import Check

SERVICES_LIMIT = timedelta(seconds=60)
"""Limits the query of the Services from a node.

Each address of the API has 5 s to answer, each address of DNS 3 s.
"""

HEALTH_LIMIT = timedelta(minutes=10)
"""Limits the wait until a node and its pods are healthy again. The images are already on the node."""


def look_before(handle: Cluster, machine: NodeFacts) -> Before:
    """Observes the state that must hold again afterwards, and which proofs of the node fail already."""
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
    """Returns for a plan what the proof of each node would find wrong now, before any change.

    The keys are node names. A node that cannot be reached is left out.
    """
    reached = [machine for machine in machines if not machine.unreached]
    services = find_services(handle.kube)
    nodes = {one.name: one for one in look_at_nodes(handle.kube)}
    pods = [parse_pod(raw) for raw in handle.kube.items("/api/v1/pods")]

    def look(machine: NodeFacts) -> tuple[Symptom, ...]:
        try:
            failing, runtime = services_that_fail(handle, machine.name, services), why_no_runtime(handle, machine.name)
        except RunbookError as error:
            machine, failing, runtime = machine.model_copy(update={"unreached": error.problem}), {}, ""
        own = tuple(pod for pod in pods if pod.node == machine.name)
        return what_fails_already(
            NodeLook(machine=machine, node=nodes.get(machine.name), pods=own, service_path=failing, runtime=runtime)
        )

    return dict(zip((machine.name for machine in reached), on_all(look, reached), strict=True))


def look_at_symptoms_of(handle: Cluster, machine: NodeFacts) -> tuple[Symptom, ...]:
    """Returns the symptoms of one node, with etcd and the site's own gates.

    It is empty for a node that cannot be reached.
    """
    if machine.unreached:
        return ()
    try:
        look = look_at(handle, machine.name, find_services(handle.kube), etcd=machine.is_control_plane, machine=machine)
    except CommandFailed as error:
        return (Symptom(of="reached by SSH", problem=error.problem, grave=True),)
    return what_fails_already(look, of_node_alone=True)


def what_is_elsewhere(handle: Cluster, name: str, services: Services) -> tuple[str, ...]:
    """Returns symptoms that do not concern a node, as `Symptom.of`.

    These are problems of other nodes only, and Services that also fail on another node. The first other node
    that answers is asked. If none answers, a failure on this node may be its own.
    """
    for other in (one.name for one in handle.profile.nodes if one.name != name):
        try:
            found = services_that_fail(handle, other, services)
        except RunbookError:
            continue
        return (*ELSEWHERE, *(f"Service {one}" for one in found))
    return ELSEWHERE


def find_services(kube: KubeClient) -> Services:
    """Finds the Services of the API and of DNS, with every address that they have."""
    path = "/api/v1/namespaces/default/services/kubernetes"
    api = outside.ServedApi.read(kube.get(path), f"the answer to GET {path}").spec
    found = kube.find("/api/v1/namespaces/kube-system/services/kube-dns")
    dns = outside.ServedService.read(found, name_of("Service", found)).spec.addresses if found else ()
    return Services(kubernetes=api.addresses, port=api.ports[0].port, dns=dns)


def services_that_fail(handle: Cluster, name: str, services: Services) -> dict[str, str]:
    """Returns what is wrong on the path from a node to the ClusterIPs, by Service.

    Ready pods do not prove this path: kube-proxy can run, be Ready and forward nothing.
    """
    kubelet = handle.shape(name).kubelet
    dns = NodeDns(domain=kubelet.cluster_domain or handle.cluster_shape().dns_domain, servers=kubelet.cluster_dns)
    output = handle.node(name).run(ask_service_path(services, dns), timeout=SERVICES_LIMIT, sudo=True)
    return what_service_path_lacks(output.stdout, services, dns)


def why_no_runtime(handle: Cluster, name: str) -> str:
    """Returns why the container runtime does not listen, or an empty string if it does.

    It is also empty if the endpoint of the kubelet is no socket file; then the Ready condition shows the
    problem.
    """
    endpoint = handle.shape(name).kubelet.runtime_endpoint
    if not socket_of(endpoint):
        return ""
    return what_runtime_lacks(handle.node(name).run(ask_runtime(endpoint), timeout=CALL, sudo=True).stdout, endpoint)


def prove_node(  # noqa: PLR0913 - what is proven, and for how long it is waited for
    handle: Cluster,
    name: str,
    expected: Expected,
    before: Before,
    *,
    check: Check = lambda: None,
    limit: timedelta = HEALTH_LIMIT,
) -> tuple[str, ...]:
    """Waits until the node and its own pods are healthy, or no worse than before.

    This must hold for `expected.stable_for` without a break. It returns the problems that remain from before
    the act. After the limit it raises `TimedOut` with every other problem.
    """

    def look() -> tuple[Symptom, ...]:
        check()
        found = _what_is_wrong(handle, name, expected, before.services)
        _refuse_unwell(name, what_is_new(found, before.unhealthy))
        return found

    found = wait_for(
        look, limit, what="the node and its pods to be healthy", about=name, stable_for=expected.stable_for
    )
    return what_is_old(found, before.unhealthy)


def prove_workloads(
    handle: Cluster, name: str, before: Before, *, check: Check = lambda: None, limit: timedelta = HEALTH_LIMIT
) -> tuple[str, ...]:
    """Waits until every workload that concerns the node has as many ready pods as before.

    It returns the worse workloads that do not concern the node: a cordon would help none of them. After the
    limit it raises `TimedOut` with the workloads that concern the node.
    """

    def look() -> tuple[str, ...]:
        check()
        ours, others = _what_is_worse(handle, name, before)
        _refuse_unwell(name, ours)
        return others

    return wait_for(look, limit, what="the pods that were ready before", about=name)


def _refuse_unwell(name: str, wrong: Sequence[str]) -> None:
    if wrong:
        hint = (
            f"on {name}: journalctl -u kubelet; crictl ps -a; kubectl get pods -A --field-selector spec.nodeName={name}"
        )
        raise NotYet(f"{name}: unhealthy: {'; '.join(wrong)}", hint=hint)


def _what_is_wrong(handle: Cluster, name: str, expected: Expected, services: Services) -> tuple[Symptom, ...]:
    """Returns what is wrong with the node.

    An API that does not answer for a moment is one symptom, and the wait continues.
    """
    try:
        return what_is_wrong(look_at(handle, name, services, etcd=bool(expected.control_plane)), expected)
    except NotYet as error:
        return (Symptom(of="API", problem=error.problem, grave=True),)
    except CommandFailed as error:
        return (Symptom(of="reached by SSH", problem=error.problem, grave=True),)


def _what_is_worse(handle: Cluster, name: str, before: Before) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the worse workloads that concern the node, and those that do not."""
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
    """Observes a node through SSH, the API and etcd. A `machine` that is already known is not queried again."""
    kube = handle.kube
    here, elsewhere = what_etcd_lacks(handle, name) if etcd else ((), ())
    raw = kube.find(f"/api/v1/nodes/{name}")
    return NodeLook(
        machine=machine or glance_at_machine(handle, name),
        node=parse_node(raw, kube.find(f"{LEASES}/{name}")) if raw else None,
        pods=_pods_on(kube, name),
        service_path=services_that_fail(handle, name, services),
        runtime=why_no_runtime(handle, name),
        etcd="; ".join(here),
        etcd_elsewhere="; ".join(elsewhere),
        gates=what_gates_say(handle, handle.profile.gates),
    )


def what_etcd_lacks(handle: Cluster, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns what is wrong with etcd members, or how far they are behind.

    The first part is the node's own member. The second part is the other members, or the reason why none could
    be asked.
    """
    try:
        members = look_at_members(handle, "auto").members
    except RunbookError as error:
        return (), (error.problem,)
    told = [(one.node, f"etcd member {one.label}: {ails}") for one, ails in unhealthy_members(members)]
    told += [
        (one.node, f"etcd member {one.label}: {one.status.raft_lag} entries behind")
        for one in members
        if one.status and one.status.raft_lag > MOST_LAG
    ]
    return tuple(text for node, text in told if node == name), tuple(text for node, text in told if node != name)
