"""Checks what must hold right before a member is defragmented.

It checks again each time, whatever the plan observed.
"""

from tasks.cluster import Cluster
from tasks.core.errors import NotYet
from tasks.core.models.etcd import EtcdFacts, Member
from tasks.core.models.profile import RouteChoice
from tasks.etcd.observe import control_plane_of, found_in, look_at_members
from tasks.etcd.policy.maintenance import what_forbids_defragmenting
from tasks.etcd.policy.quorum import what_ails
from tasks.run.locks import Check


def gate_member(
    handle: Cluster, route: RouteChoice, member: Member, check: Check, *, allow_downtime: bool
) -> EtcdFacts:
    """Checks right before an action that this run holds the lock.

    `NotYet` while the cluster cannot spare the member. It returns the facts of that moment.
    """
    facts = look_at_members(handle, route)
    if ails := what_ails(found_in(facts, member)):
        raise NotYet(f"{member.label}: {ails}", hint="it may still be defragmenting for an earlier attempt")
    if kept := what_forbids_defragmenting(member, facts, control_plane_of(handle), allow_downtime=allow_downtime):
        raise NotYet(
            kept.text, hint="bring the other members and their nodes back, or uncordon them; then run this again"
        )
    check()  # last: members that hang make the other questions take longer than the lock is certain
    return facts
