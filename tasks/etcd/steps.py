"""Maintains etcd's members one at a time: gate, action, proof."""

from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.cluster import open_cluster
from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.core.models.etcd import Member
from tasks.core.models.profile import RouteChoice
from tasks.core.retries import ACT
from tasks.etcd.gate import gate_member
from tasks.etcd.leadership import move_leadership_away
from tasks.etcd.models import Defragmented, Disarmed, Worth
from tasks.etcd.observe import look_at_members, route_to, status_of
from tasks.etcd.policy.maintenance import plan_maintenance, what_forbids_disarming
from tasks.etcd.proof import prove_member_is_back, prove_no_alarms, prove_smaller
from tasks.run.locks import Check


@task(**ACT, task_run_name="defragment-{member.name}")
def defragment_member(  # noqa: PLR0913 - what a person has asked for, and the lock
    cluster: str, member: Member, worth: Worth, route: RouteChoice, check: Check, *, allow_downtime: bool
) -> Defragmented:
    """Defragments a member and proves that it serves again and is smaller.

    It first observes all members again and moves the leadership away. It does nothing if a defragmentation is no longer
    worth it, because an earlier attempt already did it.
    """
    handle, started = open_cluster(cluster), datetime.now(UTC)
    facts = gate_member(handle, route, member, check, allow_downtime=allow_downtime)
    before = status_of(facts, member)
    planned = {one.id for one in plan_maintenance(facts, worth, allow_downtime=allow_downtime).defragment}
    if member.id not in planned:
        log_about(member.label).info("it is %d bytes now: nothing to do", before.db_size)
        return Defragmented(member=member.label, before=before.db_size, after=before.db_size, took=timedelta())
    moved_to = move_leadership_away(handle, facts, member, route)
    if moved_to:
        facts = gate_member(handle, route, member, check, allow_downtime=allow_downtime)
    with handle.etcd(member.endpoint, route_to(facts, member), name=member.label) as client:
        client.defragment()
    after = prove_member_is_back(handle, route, member)
    prove_smaller(member, before, after)
    log_about(member.label).info("defragmented: %d bytes before, %d after", before.db_size, after.db_size)
    return Defragmented(
        member=member.label,
        before=before.db_size,
        after=after.db_size,
        leader_moved_to=moved_to,
        took=datetime.now(UTC) - started,
    )


@task(**ACT, task_run_name="disarm-nospace-{cluster}")
def disarm_nospace(cluster: str, route: RouteChoice, check: Check) -> Disarmed:
    """Clears the NOSPACE alarm if every member has space, and proves that no member raised it again.

    It raises `Refused` if a member lacks space, or does not answer.
    """
    handle = open_cluster(cluster)
    facts = look_at_members(handle, route)
    armed = [member for member in facts.members if member.status and "NOSPACE" in member.status.alarms]
    if forbidden := what_forbids_disarming(facts.members):
        raise Refused(
            f"the alarm NOSPACE stays: {forbidden}", hint="raise --quota-backend-bytes, or compact; then run it again"
        )
    for member in armed:
        check()
        with handle.etcd(member.endpoint, route_to(facts, member), name=member.label) as client:
            client.disarm_nospace(member.id)
    prove_no_alarms(handle, route)
    return Disarmed(members=tuple(member.label for member in armed))
