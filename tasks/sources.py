"""The member whose snapshot is taken: what the plan saw is looked at again right before the act."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tasks.clients.etcd import EtcdClient
from tasks.cluster import Cluster
from tasks.errors import NotYet, Refused, RunbookError
from tasks.models.backups import BackupPlan
from tasks.models.cluster import Route
from tasks.models.etcd import Member, MemberStatus
from tasks.policy.sources import what_is_wrong


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


def _same_member(client: EtcdClient, plan: BackupPlan, member: Member) -> MemberStatus:
    cluster_id, member_id, status = client.status()
    if (cluster_id, member_id) != (plan.cluster_id, member.id):
        raise Refused(
            f"{member.label}: {member.url} is now member {member_id} of cluster {cluster_id}; "
            f"planned was {member.id} of {plan.cluster_id}",
            hint="somebody rebuilt etcd meanwhile: run the backup again",
        )
    return status
