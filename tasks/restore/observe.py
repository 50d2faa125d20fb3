"""Observes what exists before a restore: nodes, their members, and their cluster, if it still works."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from prefect import task

from tasks.backup.models.backups import Backup
from tasks.backup.node_snapshots import find_etcd_tools
from tasks.backup.probes import origin
from tasks.backup.store import backups_of
from tasks.clients.ssh import CALL
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane.models import ControlPlaneNode, Phase
from tasks.control_plane.observe import look_at
from tasks.control_plane.probes.readyz import ask_readyz
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import MemberStatus
from tasks.core.models.kubeadm import API_SERVER, ETCD
from tasks.core.models.profile import EtcdEndpoint, Route
from tasks.core.retries import OBSERVE
from tasks.restore.api import api_of, take_pulse
from tasks.restore.models import ControlPlaneFacts

ANSWERS = ("200", "401", "403")
"""Lists the HTTP statuses of an API server that serves.

Without anonymous requests it answers 401. It answers 403 if anonymous requests are not allowed to ask.
"""


@task(**OBSERVE, task_run_name="observe-control-planes-{cluster}")
def observe_control_planes(cluster: str) -> ControlPlaneFacts:
    """Observes manifests, processes, disks and traces of restores on all nodes of the profile.

    It works even if the API and etcd are down.
    """
    return look_at_nodes(open_cluster(cluster))


@task(**OBSERVE, task_run_name="find-backup-{cluster}")
def find_restorable(cluster: str, backup: str, from_cluster: str) -> Backup:
    """Returns the manifest of a backup of this cluster, or of another named cluster; `Refused` when there is none."""
    return backups_of(open_cluster(cluster), from_cluster or cluster).pick(backup)


def look_at_nodes(handle: Cluster) -> ControlPlaneFacts:
    """Observes all nodes, and the cluster that they form.

    If a restore has stopped the control plane, it observes only the nodes, because no member or API server runs.
    """
    nodes = on_all(partial(_look_at_node, handle), [node.name for node in handle.profile.nodes])
    control_planes = [node.name for node in nodes if node.is_control_plane]
    problem = handle.what_is_wrong_with_administrator(control_planes) if control_planes else ""
    facts = ControlPlaneFacts(observed_at=datetime.now(UTC), nodes=tuple(nodes), administrator_problem=problem)
    if facts.under_way and facts.under_way.phase in {Phase.STOPPED, Phase.SWAPPED}:
        return facts
    return facts.model_copy(update=_ask_cluster(handle, nodes))


def endpoint_of(node: ControlPlaneNode) -> EtcdEndpoint:
    """Returns the endpoint of the node's member; `Refused` if the node has no member."""
    if node.member is None:
        raise Refused(f"{node.name}: it has no member", hint="check its etcd manifest")
    return EtcdEndpoint(url=node.member.client_url, node=node.name, on_node=node.member.on_node)


def _look_at_node(handle: Cluster, name: str) -> ControlPlaneNode:
    try:
        return _with_authorities(handle, _with_client(handle, _with_tools(handle, look_at(handle, name))))
    except RunbookError as error:  # also one that sshd or sudo refuses: it may be named as lost
        return ControlPlaneNode(name=name, unreached=error.problem if isinstance(error, NotYet) else str(error))


def _with_tools(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    if found.member is None:
        return found
    try:
        tools = find_etcd_tools(handle, found.name, found.member.minor, found.member.image)
    except Refused as error:
        return found.model_copy(update={"tools_problem": error.problem})
    return found.model_copy(update={"tools": tools})


def _with_client(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    """Checks the certificate that queries etcd afterwards, so that a bad one is found before anything is stopped."""
    if found.member is None:
        return found
    try:
        handle.check_certificate_on(endpoint_of(found))
    except Refused as error:
        return found.model_copy(update={"client_problem": error.problem})
    return found


def _with_authorities(handle: Cluster, found: ControlPlaneNode) -> ControlPlaneNode:
    """Reads the CA from the node's files; a control plane node without such files shows none."""
    if not found.authority_files:
        return found
    told = handle.node(found.name).run(origin.look(found.authority_files), timeout=CALL, sudo=True, check=False)
    return found.model_copy(update={"authorities": origin.parse(told.stdout)})


def _ask_cluster(handle: Cluster, nodes: Sequence[ControlPlaneNode]) -> dict[str, object]:
    """Queries running members and API servers about the current cluster; a cluster that is gone does not answer."""
    members = [node for node in nodes if node.member and ETCD in node.running]
    api_servers = [node for node in nodes if API_SERVER in node.running]
    statuses = on_all(partial(_ask_member, handle), members)
    serving = on_all(partial(_answers, handle), api_servers)
    asked = [*zip(members, statuses, strict=True), *zip(api_servers, serving, strict=True)]
    told = {node.name: found for node, found in zip(members, statuses, strict=True) if isinstance(found, tuple)}
    answering = tuple(node.name for node, yes in zip(api_servers, serving, strict=True) if yes is True)
    return {
        "not_ready": not_ready(handle, answering),
        "not_asked": tuple(found.problem for _, found in asked if isinstance(found, RunbookError)),
        "live_revision": max((status.revision for _, status in told.values()), default=None),
        "live_ids": tuple(sorted({cluster_id for cluster_id, _ in told.values()})),
        "in_quorum": tuple(name for name, (_, status) in told.items() if status.healthy),
        "api_answers": answering,
    }


def not_ready(handle: Cluster, answering: Sequence[str]) -> dict[str, str]:
    """Returns the nodes that are not Ready, as reported by API servers that answer.

    If the API refuses access, the result is empty. Each node itself still reports whether its kubelet runs.
    """
    if not answering:
        return {}
    try:
        with api_of(handle, answering) as kube:
            return {name: ready for name, ready in take_pulse(kube).ready.items() if ready != "True"}
    except RunbookError as error:
        log_about(handle.profile.name).warning("which nodes are Ready is not known: %s", error)
        return {}


def _ask_member(handle: Cluster, node: ControlPlaneNode) -> tuple[str, MemberStatus] | RunbookError:
    """Returns the id of the member's cluster and its status, or the reason why it does not report them."""
    try:
        with handle.etcd(endpoint_of(node), Route.TUNNEL) as client:
            cluster_id, _, status = client.status()
            return cluster_id, status
    except RunbookError as error:
        return error


def _answers(handle: Cluster, node: ControlPlaneNode) -> bool | RunbookError:
    try:
        return handle.shell(node.name).run(ask_readyz(handle.shape(node.name))).strip() in ANSWERS
    except RunbookError as error:
        return error
