"""The member whose snapshot is taken: what the plan saw is looked at again right before the act."""

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
    """A member that is fit now, its status of now, and an open client for it."""

    member: Member
    status: MemberStatus
    client: EtcdClient


@contextmanager
def first_fit_source(handle: Cluster, plan: BackupPlan, *, allow_no_quorum: bool) -> Iterator[Source]:
    """The first member of the plan that is fit still; `NotYet` when none is, with the reasons."""
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
    raise NotYet(f"no member of the plan is fit now: {'; '.join(wrong)}", hint="repair the members; it is tried again")


def origin_of(source: Source) -> Origin:
    """Which cluster this is, so that a restore can compare; a backup does not fail for what of it cannot be read."""
    client = source.client
    try:
        return Origin(
            members=tuple(sorted(one.name for one in client.members())),
            nodes=origin.names_in(client.paths_below(origin.NODES)),
            authorities=origin.authorities_in(client.value(origin.ROOT_CA)),
        )
    except RunbookError as error:
        log_about(source.member.label).warning("the backup will not say which cluster it is of: %s", error)
        return Origin()


def _same_member(client: EtcdClient, plan: BackupPlan, member: Member) -> MemberStatus:
    cluster_id, member_id, status = client.status()
    if (cluster_id, member_id) != (plan.cluster_id, member.id):
        raise Refused(
            f"{member.label}: {member.url} is now member {member_id} of cluster {cluster_id}; "
            f"planned was {member.id} of {plan.cluster_id}",
            hint="somebody rebuilt etcd meanwhile: run the backup again",
        )
    return status
