"""Proof that maintenance did its work: the member is back and smaller, and the alarms are gone."""

from datetime import timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet
from tasks.core.models.etcd import EtcdFacts, Member, MemberStatus
from tasks.core.models.profile import RouteChoice
from tasks.etcd.observe import found_in, look_at_members, status_of
from tasks.etcd.policy.quorum import what_ails

BACK_LIMIT = timedelta(seconds=60)
"""For a member that comes back to answer, and to catch up."""


def prove_member_is_back(handle: Cluster, route: RouteChoice, member: Member) -> MemberStatus:
    """It serves linearizable reads again; what it says of itself then."""

    def look() -> EtcdFacts:
        facts = look_at_members(handle, route)
        if ails := what_ails(found_in(facts, member)):
            raise NotYet(f"{member.label}: {ails}", hint="look at its log")
        return facts

    return status_of(wait_for(look, BACK_LIMIT), member)


def prove_smaller(member: Member, before: MemberStatus, after: MemberStatus) -> None:
    """At least it has not grown: somebody may have written meanwhile."""
    if after.db_size > before.db_size:
        raise NotYet(f"{member.label}: {before.db_size} bytes before, {after.db_size} after", hint="look at its log")


def prove_no_alarms(handle: Cluster, route: RouteChoice) -> None:
    """None has raised one again."""

    def look() -> None:
        armed = [one.label for one in look_at_members(handle, route).members if one.status and one.status.alarms]
        if armed:
            raise NotYet(f"alarms are still there: {', '.join(armed)}", hint="etcdctl alarm list")

    wait_for(look, BACK_LIMIT)
