"""Moves the leadership of etcd away from a member before that member is disturbed."""

from datetime import timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.commands import LOG_OF_ETCD
from tasks.core.errors import NotYet
from tasks.core.models.etcd import EtcdFacts, Member
from tasks.core.models.profile import RouteChoice
from tasks.etcd.observe import look_at_members, route_to, status_of
from tasks.etcd.policy.quorum import is_fit

LEADER_LIMIT = timedelta(seconds=60)
"""Limits how long etcd may take to have another leader."""


def move_leadership_away(handle: Cluster, facts: EtcdFacts, member: Member, route: RouteChoice) -> str:
    """Moves the leadership to the follower that lags least, and returns its name.

    The member itself proves the move. The result is empty if the member does not lead, or if no other member could
    lead.
    """
    others = [one for one in facts.members if one.id != member.id and not one.learner and is_fit(one)]
    if not status_of(facts, member).is_leader or not others:
        return ""
    to = min(others, key=lambda one: (status_of(facts, one).raft_lag, one.label))
    with handle.etcd(member.endpoint, route_to(facts, member), name=member.label) as client:
        client.move_leader(to.id)

    def is_moved() -> None:
        if status_of(look_at_members(handle, route), member).is_leader:
            raise NotYet(f"{member.label}: it still leads", hint=LOG_OF_ETCD)

    wait_for(is_moved, LEADER_LIMIT, what=f"{to.label} to lead etcd", about=member.label)
    return to.label
