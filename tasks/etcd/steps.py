"""Maintenance of etcd's members, one at a time: gate, act, proof."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import EtcdFacts, Member
from tasks.core.models.profile import RouteChoice
from tasks.core.retries import ACT, OBSERVE
from tasks.etcd.models import ControlPlaneSeen, Defragmented, Disarmed, Worth
from tasks.etcd.observe import found_in, look_at_members, move_leadership_away, route_to, status_of
from tasks.etcd.policy.maintenance import plan_maintenance, what_forbids_defragmenting, what_forbids_disarming
from tasks.etcd.policy.quorum import what_ails
from tasks.nodes.observe import look_at_nodes
from tasks.nodes.policy.standing import nodes_that_may_be_away
from tasks.run.locks import Check

SETTLE = timedelta(seconds=60)
"""For a member that comes back to answer, and to catch up."""


@task(**OBSERVE, task_run_name="look-at-control-plane-{cluster}")
def look_at_control_plane(cluster: str) -> ControlPlaneSeen:
    """Which of its nodes are cordoned or not Ready; where the API cannot be asked, that is the answer."""
    return _control_plane(open_cluster(cluster))


@task(**ACT, task_run_name="defragment-{member.name}")
def defragment_member(  # noqa: PLR0913 - what a person has asked for, and the lock
    cluster: str, member: Member, worth: Worth, route: RouteChoice, check: Check, *, allow_downtime: bool
) -> Defragmented:
    """Looks at all members again; moves the leadership away; defragments; proves that the member is back and smaller.

    Nothing is done when it is not worth it any more: an earlier attempt has done it.
    """
    handle, started = open_cluster(cluster), datetime.now(UTC)
    facts = _gate(handle, route, member, check, allow_downtime=allow_downtime)
    before = status_of(facts, member)
    planned = {one.id for one in plan_maintenance(facts, worth, allow_downtime=allow_downtime).defragment}
    if member.id not in planned:
        log_about(member.label).info("it is %d bytes now: nothing to do", before.db_size)
        return Defragmented(member=member.label, before=before.db_size, after=before.db_size, took=timedelta())
    moved_to = move_leadership_away(handle, facts, member, route)
    if moved_to:
        facts = _gate(handle, route, member, check, allow_downtime=allow_downtime)
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
def disarm_nospace(cluster: str, route: RouteChoice, check: Check) -> Disarmed:
    """Ends the alarm NOSPACE when every member has space, and proves that none has raised it again."""
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

    def is_gone() -> None:
        left = [one.label for one in look_at_members(handle, route).members if one.status and one.status.alarms]
        if left:
            raise NotYet(f"alarms are still there: {', '.join(left)}", hint="etcdctl alarm list")

    wait_for(is_gone, SETTLE)
    return Disarmed(members=tuple(member.label for member in armed))


def _gate(handle: Cluster, route: RouteChoice, member: Member, check: Check, *, allow_downtime: bool) -> EtcdFacts:
    """Right before an act: the lock is ours; `NotYet` while the cluster cannot spare the member."""
    facts = look_at_members(handle, route)
    if ails := what_ails(found_in(facts, member)):
        raise NotYet(f"{member.label}: {ails}", hint="it may still be defragmenting for an earlier attempt")
    if kept := what_forbids_defragmenting(member, facts, _control_plane(handle), allow_downtime=allow_downtime):
        raise NotYet(kept, hint="bring the other members and their nodes back, or uncordon them; then run this again")
    check()  # last: members that hang make the other questions take longer than the lock is certain
    return facts


def _control_plane(handle: Cluster) -> ControlPlaneSeen:
    profile = handle.profile
    if not profile.kubernetes.kubeconfig and not (profile.ssh and any(handle.who_is_control_plane().values())):
        return ControlPlaneSeen(no_way=True)
    try:
        nodes = [node for node in look_at_nodes(handle.kube) if node.control_plane]
    except RunbookError as error:
        return ControlPlaneSeen(unseen=error.problem)
    return ControlPlaneSeen(names=tuple(node.name for node in nodes), out=nodes_that_may_be_away(nodes, ours=()))


def _back(handle: Cluster, route: RouteChoice, member: Member) -> Callable[[], EtcdFacts]:
    def look() -> EtcdFacts:
        facts = look_at_members(handle, route)
        if ails := what_ails(found_in(facts, member)):
            raise NotYet(f"{member.label}: {ails}", hint="look at its log")
        return facts

    return look
