"""Maintenance of etcd's members, one at a time: gate, act, proof."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.at_once import wait_for
from tasks.cluster import Cluster, open_cluster
from tasks.errors import NotYet, Refused
from tasks.etcd import found_in, look_at_members, move_leadership_away, route_to, status_of
from tasks.logs import log_about
from tasks.models.cluster import RouteChoice
from tasks.models.etcd import EtcdFacts, Member
from tasks.models.maintenance import Defragmented, Disarmed, Worth
from tasks.policy.maintenance import plan_maintenance, what_forbids_disarming
from tasks.policy.quorum import what_ails, what_keeps_it
from tasks.retries import ACT

SETTLE = timedelta(seconds=60)
"""For a member that comes back to answer, and to catch up."""


@task(**ACT, task_run_name="defragment-{member.name}")
def defragment_member(
    cluster: str, member: Member, worth: Worth, route: RouteChoice, *, allow_downtime: bool
) -> Defragmented:
    """Looks at all members again; moves the leadership away; defragments; proves that the member is back and smaller.

    Nothing is done when it is not worth it any more: an earlier attempt has done it.
    """
    handle, started = open_cluster(cluster), datetime.now(UTC)
    facts = _gate(handle, route, member, allow_downtime=allow_downtime)
    before = status_of(facts, member)
    planned = {one.id for one in plan_maintenance(facts, worth, allow_downtime=allow_downtime).defragment}
    if member.id not in planned:
        log_about(member.label).info("it is %d bytes now: nothing to do", before.db_size)
        return Defragmented(member=member.label, before=before.db_size, after=before.db_size, took=timedelta())
    moved_to = move_leadership_away(handle, facts, member, route)
    with handle.etcd(member.endpoint, route_to(facts, member), name=member.label) as client:
        client.defragment()
    after = status_of(wait_for(_back(handle, route, member), SETTLE), member)
    if after.db_size > before.db_size:
        raise NotYet(f"{member.label}: {before.db_size} bytes before, {after.db_size} after", hint="look at its log")
    log_about(member.label).info("defragmented: %d bytes before, %d after", before.db_size, after.db_size)
    return Defragmented(
        member=member.label,
        before=before.db_size,
        after=after.db_size,
        leader_moved_to=moved_to,
        took=datetime.now(UTC) - started,
    )


@task(**ACT, task_run_name="disarm-nospace-{cluster}")
def disarm_nospace(cluster: str, route: RouteChoice) -> Disarmed:
    """Ends the alarm NOSPACE when every member has space, and proves that none has raised it again."""
    handle = open_cluster(cluster)
    facts = look_at_members(handle, route)
    armed = [member for member in facts.members if member.status and "NOSPACE" in member.status.alarms]
    if forbidden := what_forbids_disarming(facts.members):
        raise Refused(
            f"the alarm NOSPACE stays: {forbidden}", hint="raise --quota-backend-bytes, or compact; then run it again"
        )
    for member in armed:
        with handle.etcd(member.endpoint, route_to(facts, member), name=member.label) as client:
            client.disarm_nospace(member.id)

    def is_gone() -> None:
        left = [one.label for one in look_at_members(handle, route).members if one.status and one.status.alarms]
        if left:
            raise NotYet(f"alarms are still there: {', '.join(left)}", hint="etcdctl alarm list")

    wait_for(is_gone, SETTLE)
    return Disarmed(members=tuple(member.label for member in armed))


def _gate(handle: Cluster, route: RouteChoice, member: Member, *, allow_downtime: bool) -> EtcdFacts:
    """`NotYet` while the cluster cannot spare the member: another one may be on its way back."""
    facts = look_at_members(handle, route)
    if ails := what_ails(found_in(facts, member)):
        raise NotYet(f"{member.label}: {ails}", hint="it may still be defragmenting for an earlier attempt")
    voters = [one for one in facts.members if not one.learner]
    kept = "" if len(voters) == 1 and allow_downtime else what_keeps_it(member, facts.members)
    if kept:
        raise NotYet(kept, hint="bring the other members back")
    return facts


def _back(handle: Cluster, route: RouteChoice, member: Member) -> Callable[[], EtcdFacts]:
    def look() -> EtcdFacts:
        facts = look_at_members(handle, route)
        if ails := what_ails(found_in(facts, member)):
            raise NotYet(f"{member.label}: {ails}", hint="look at its log")
        return facts

    return look
