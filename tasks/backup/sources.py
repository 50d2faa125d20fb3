"""Chooses the member whose snapshot is taken; it checks the plan's members again right before the action."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tasks.backup.models.backups import BackupPlan, Origin
from tasks.backup.policy.sources import what_is_wrong
from tasks.backup.probes import origin
from tasks.clients.etcd import EtcdClient
from tasks.cluster import Cluster
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import Member, MemberStatus
from tasks.core.models.profile import Route


@dataclass(frozen=True)
class Source:
    """Holds a member that is fit now, its current status, and an open client for it."""

    member: Member
    status: MemberStatus
    client: EtcdClient


@contextmanager
def first_fit_source(handle: Cluster, plan: BackupPlan, *, allow_no_quorum: bool) -> Iterator[Source]:
    """Yields the first member of the plan that is still fit; `NotYet` when none is, with the reasons."""
    wrong: list[str] = []
    with ExitStack() as opened:
        for member in plan.sources:
            try:
                route = member.route or Route.DIRECT
                client = opened.enter_context(handle.etcd(member.endpoint, route, name=member.label))
                status = _same_member(client, plan, member)
            except RunbookError as error:
                wrong.append(str(error))
                continue
            reasons = what_is_wrong(member.model_copy(update={"status": status}), allow_no_quorum=allow_no_quorum)
            if not reasons:
                yield Source(member, status, client)
                return
            wrong.append(f"{member.label}: {'; '.join(reasons)}")
    raise NotYet(
        f"no member of the plan can be used now: {'; '.join(wrong)}", hint="repair the members; it is tried again"
    )


def origin_of(handle: Cluster, source: Source) -> Origin:
    """Returns which cluster this is, so that a restore can compare.

    It queries a control plane node only if etcd has no Node object below the default prefix. A backup does not fail if
    the origin cannot be read. The result is empty in that case.
    """
    client, prefix = source.client, origin.PREFIX
    try:
        members = tuple(sorted(one.name for one in client.members()))
        paths = client.paths_below(origin.nodes_below(prefix))
        if not paths and (prefix := _prefix(handle)) != origin.PREFIX:
            paths = client.paths_below(origin.nodes_below(prefix))
        authorities = origin.authorities_in(client.value(origin.root_ca_below(prefix)))
        return Origin(members=members, nodes=origin.names_in(paths), authorities=authorities)
    except RunbookError as error:
        log_about(source.member.label).warning("the backup will not say which cluster it is of: %s", error)
        return Origin()


def _prefix(handle: Cluster) -> str:
    """Returns the prefix of the API servers' keys, which is the same in all of a cluster.

    If no control plane node can be queried, it returns the default.
    """
    if not handle.profile.nodes:
        log_about(handle.profile.name).info("%s is taken as --etcd-prefix: the profile names no nodes", origin.PREFIX)
        return origin.PREFIX
    try:
        first, *_ = handle.control_planes
        return origin.prefix_of(handle.shape(first))
    except (RunbookError, KeyError) as error:
        told = error.problem if isinstance(error, RunbookError) else "that node has no manifest of an API server"
        log_about(handle.profile.name).warning("--etcd-prefix is not known, %s is assumed: %s", origin.PREFIX, told)
        return origin.PREFIX


def _same_member(client: EtcdClient, plan: BackupPlan, member: Member) -> MemberStatus:
    cluster_id, member_id, status = client.status()
    if (cluster_id, member_id) != (plan.cluster_id, member.id):
        raise Refused(
            f"{member.label}: {member.url} is now member {member_id} of cluster {cluster_id}; "
            f"planned was {member.id} of {plan.cluster_id}",
            hint="somebody rebuilt etcd meanwhile: run the backup again",
        )
    return status
