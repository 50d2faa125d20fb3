"""Proves an upgrade: kubeadm's addons and the path to Services, and at the end every node and every etcd member."""

from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet
from tasks.core.models.findings import Problem
from tasks.etcd.observe import look_at_members
from tasks.node_work.proof import find_services, services_that_fail
from tasks.nodes.observe import look_at_nodes, look_at_workloads
from tasks.upgrade.models.upgrade import Staged, Upgraded, UpgradePlan
from tasks.upgrade.observe import configured_version
from tasks.upgrade.policy.addons import what_addons_lack, what_services_lost
from tasks.upgrade.policy.scope import ADDONS


def prove_addons(handle: Cluster, plan: UpgradePlan, staged: Staged) -> tuple[str, ...]:
    """Proves the addons, and returns their images.

    kubeadm-config must have the target, and CoreDNS and kube-proxy must be rolled out. Services must answer
    from every node. Otherwise it raises `NotYet` with the first problem.
    """
    configured = configured_version(handle)
    addons = [one for one in look_at_workloads(handle.kube) if one.name in ADDONS]
    _raise(what_addons_lack(plan, staged, configured, addons))
    _raise(what_services_lost(_failing_services(handle), plan.services_before))
    return tuple(image for one in addons for image in one.images)


def prove_nodes(handle: Cluster, plan: UpgradePlan, failed: tuple[str, ...], addons: tuple[str, ...]) -> Upgraded:
    """Proves that every node of the plan has its kubelet.

    It returns the nodes and etcd's members with their versions.
    """
    nodes = {node.name: node.kubelet for node in look_at_nodes(handle.kube)}
    old = [one.name for one in plan.nodes if nodes.get(one.name) != plan.version and one.name not in failed]
    if old:
        raise NotYet(f"not of v{plan.version}: {', '.join(old)}", hint="run it again: it resumes")
    members = look_at_members(handle, "auto").members
    names = [node.name for node in handle.profile.nodes]
    return Upgraded(
        version=plan.version,
        nodes=nodes,
        etcd={one.label: one.status.version for one in members if one.status},
        addons=addons,
        service_paths=tuple(name for name in names if name in nodes and name not in plan.services_before),
    )


def _failing_services(handle: Cluster) -> dict[str, dict[str, str]]:
    """Returns the failing Services and their problems, for each node of the profile that the API has."""
    services = find_services(handle.kube)
    names = [node.name for node in handle.profile.nodes if handle.kube.find(f"/api/v1/nodes/{node.name}")]
    found = on_all(lambda name: services_that_fail(handle, name, services), names)
    return dict(zip(names, found, strict=True))


def _raise(problem: Problem | None) -> None:
    if problem:
        raise NotYet(problem.text, hint=problem.next_step)
