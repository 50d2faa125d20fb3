"""Proves that maintenance worked: the member serves again and is smaller, and the alarms are cleared."""

from datetime import timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.commands import LOG_OF_ETCD
from tasks.core.errors import NotYet
from tasks.core.models.etcd import EtcdFacts, Member, MemberStatus
from tasks.core.models.profile import RouteChoice
from tasks.etcd.observe import found_in, look_at_members, status_of
from tasks.etcd.policy.quorum import what_ails

BACK_LIMIT = timedelta(minutes=3)
"""Limits how long a restarted member may take to answer and to catch up."""


def prove_member_is_back(handle: Cluster, route: RouteChoice, member: Member) -> MemberStatus:
    """Waits until the member serves linearizable reads again, and returns its status at that moment."""

    def look() -> EtcdFacts:
        facts = look_at_members(handle, route)
        if ails := what_ails(found_in(facts, member)):
            raise NotYet(f"{member.label}: {ails}", hint=LOG_OF_ETCD)
        return facts

    return status_of(wait_for(look, BACK_LIMIT, what="the member to serve again", about=member.label), member)


def prove_smaller(member: Member, before: MemberStatus, after: MemberStatus) -> None:
    """Checks that the database has at least not grown; other clients may have written meanwhile."""
    if after.db_size > before.db_size:
        raise NotYet(f"{member.label}: {before.db_size} bytes before, {after.db_size} after", hint=LOG_OF_ETCD)


def prove_no_alarms(handle: Cluster, route: RouteChoice) -> None:
    """Waits until no member has an alarm, which proves that none was raised again."""

    def look() -> None:
        armed = [one.label for one in look_at_members(handle, route).members if one.status and one.status.alarms]
        if armed:
            raise NotYet(f"alarms are still there: {', '.join(armed)}", hint="etcdctl alarm list")

    wait_for(look, BACK_LIMIT, what="every alarm of etcd to clear", about=handle.profile.name)
