"""Decides which members of etcd to defragment, in which order, and when an alarm may be cleared."""

from collections.abc import Iterator, Sequence

from tasks.core.models.etcd import QUOTA_WARNING_PERCENT, EtcdFacts, Member, MemberStatus
from tasks.core.models.findings import Problem
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure
from tasks.etcd.models import MIB, ControlPlaneSeen, MaintenancePlan, Worth
from tasks.etcd.policy.health import cautions_of, quota_of
from tasks.etcd.policy.quorum import unhealthy_members, why_quorum_needs

UNSEEN = "the API does not say which control plane nodes are cordoned or not Ready"

FREE_PERCENT = 10
"""This is the percentage of its quota that a member must have free before its alarm is cleared.

With less, the next writes raise the alarm again.
"""

DISARMED_WHEN = f"when every member has {FREE_PERCENT} % of its quota free: the API server may write again"

REPAIR = "repair it first: quorum needs it while another member is defragmented"


def plan_maintenance(
    facts: EtcdFacts, worth: Worth, seen: ControlPlaneSeen | None = None, *, allow_downtime: bool = False
) -> MaintenancePlan:
    """Plans the maintenance: followers first, by name, and the leader last.

    It refuses while any member is unhealthy, because that member could be needed. Members on control plane nodes that
    are cordoned or not Ready do not count for the quorum. They may go away at any moment.
    """
    seen = seen or ControlPlaneSeen()
    all_members = on_nodes(facts, seen).members
    nospace = tuple(one.id for one in all_members if one.status and "NOSPACE" in one.status.alarms)
    reasons = {id(one): _why(one, worth, nospace=bool(nospace)) for one in all_members}
    chosen = sorted((one for one in all_members if reasons[id(one)]), key=_order)
    defragment = (Step(subject=one.label, act=_act(one, all_members), reason=reasons[id(one)]) for one in chosen)
    disarm = (
        Step(subject=one.label, act="clear the alarm NOSPACE", reason=DISARMED_WHEN)
        for one in all_members
        if one.id in nospace
    )
    return MaintenancePlan(
        defragment=tuple(chosen),
        nospace=nospace,
        steps=(*defragment, *disarm),
        skips=tuple(Skip(subject=one.label, reason=_why_not(one, worth)) for one in all_members if one not in chosen),
        cautions=(*(caution for one in all_members for caution in cautions_of(one)), *_no_lock(seen, chosen)),
        refusals=_refusals(all_members, chosen, seen, nospace=bool(nospace), allow_downtime=allow_downtime),
    )


def on_nodes(facts: EtcdFacts, seen: ControlPlaneSeen) -> EtcdFacts:
    """Returns the facts with a node for each member.

    A member that the profile places on no node is on the node of its name, because kubeadm names members so.
    """
    return facts.model_copy(
        update={
            "members": tuple(
                one.model_copy(update={"node": one.name}) if not one.node and one.name in seen.names else one
                for one in facts.members
            )
        }
    )


def what_forbids_defragmenting(
    member: Member, facts: EtcdFacts, seen: ControlPlaneSeen, *, allow_downtime: bool
) -> Problem | None:
    """Returns why the cluster cannot spare this member now; `None` if it can."""
    members = on_nodes(facts, seen).members
    if seen.unseen:
        return Problem(text=f"{UNSEEN}: {seen.unseen}")
    if allow_downtime and len(_voters(members)) == 1:
        return None
    return why_quorum_needs(member, members, out=seen.out)


def what_forbids_disarming(members: Sequence[Member]) -> Problem | None:
    """Returns why alarms may not be cleared yet; `None` if every member has space."""
    told = [
        f"{one.label} uses {one.status.db_size} of {quota_of(one.status)} bytes"
        for one in members
        if one.status and one.status.db_size * 100 > quota_of(one.status) * (100 - FREE_PERCENT)
    ]
    told += [f"{one.label}: {one.unreached}" for one in members if one.status is None]
    return Problem(text="; ".join(told)) if told else None


def reclaimable(status: MemberStatus) -> int:
    """Returns the bytes of free pages, which a defragmentation gives back to the disk."""
    return max(status.db_size - status.db_size_in_use, 0)


def _why(member: Member, worth: Worth, *, nospace: bool) -> str:
    """Returns why a member is defragmented; empty if it is not."""
    status = member.status
    if status is None or member.learner:
        return ""
    free, size = reclaimable(status), max(status.db_size, 1)
    told = f"{figure(f'{free} of {status.db_size} bytes ({free * 100 // size} %)')} are free pages"
    if nospace and size * 100 > quota_of(status) * (100 - FREE_PERCENT):
        return f"the cluster accepts no writes (NOSPACE), and {told}"
    if free >= worth.reclaimable_mib * MIB and free * 100 >= size * worth.reclaimable_percent:
        return told
    if size * 100 >= quota_of(status) * QUOTA_WARNING_PERCENT and free * 100 >= size * FREE_PERCENT:
        return f"its database is near its quota, and {told}"
    return ""


def _why_not(member: Member, worth: Worth) -> str:
    status = member.status
    if status is None:
        return figure(member.unreached or "it did not answer")
    if member.learner:
        return "it is a learner"
    return (
        f"{figure(f'{reclaimable(status)} of {status.db_size} bytes')} are free pages; worth it are {worth.reclaimable_mib} MiB "
        f"and {worth.reclaimable_percent} %"
    )


def _act(member: Member, members: Sequence[Member]) -> str:
    moves = member.status and member.status.is_leader and len(members) > 1
    return f"{figure('move the leadership away, ' if moves else '')}defragment"


def _order(member: Member) -> tuple[bool, str]:
    return (bool(member.status and member.status.is_leader), member.label)


def _voters(members: Sequence[Member]) -> list[Member]:
    return [one for one in members if not one.learner]


def _refusals(
    all_members: Sequence[Member],
    chosen: Sequence[Member],
    seen: ControlPlaneSeen,
    *,
    nospace: bool,
    allow_downtime: bool,
) -> tuple[Refusal, ...]:
    if not chosen and not nospace:
        return ()
    found = [
        Refusal(subject=one.label, problem=ails.text, next_step=REPAIR) for one, ails in unhealthy_members(all_members)
    ]
    if seen.unseen:
        step = "bring the API back; then run this again"
        found.append(Refusal(subject="API", problem=f"{UNSEEN}: {seen.unseen}", next_step=step))
    voters = _voters(all_members)
    if len(voters) == 1 and chosen and not allow_downtime:
        pause = "a single member: the API server stops while it is defragmented"
        step = "add --allow-downtime during an acceptable window"
        found.append(Refusal(subject=voters[0].label, problem=pause, next_step=step))
    elif not found and len(voters) > 1:
        found += _needed_for_quorum(all_members, chosen, seen)
    full = [(one, problem) for one in chosen if nospace and (problem := _too_full(one))]
    found += [Refusal(subject=one.label, problem=why.text, next_step=why.next_step) for one, why in full]
    return tuple(found)


def _needed_for_quorum(
    all_members: Sequence[Member], chosen: Sequence[Member], seen: ControlPlaneSeen
) -> Iterator[Refusal]:
    """Returns a refusal for each chosen member that the quorum needs.

    Members on nodes that may go away at any moment do not count.
    """
    out = "".join(f"; {name} is {why}" for name, why in seen.out.items())
    step = "bring the nodes named back, and uncordon them" if seen.out else "bring more members back"
    for one in chosen:
        if needed := why_quorum_needs(one, all_members, out=seen.out):
            yield Refusal(subject=one.label, problem=f"{needed}{out}", next_step=step)


def _no_lock(seen: ControlPlaneSeen, members: Sequence[Member]) -> tuple[Caution, ...]:
    if not seen.no_way or not members:
        return ()
    problem = "no lock is taken, and no control plane node is seen: the profile has no way to the API"
    return (
        Caution(
            subject="lock",
            problem=f"{problem}; another run may be at work on the same cluster",
            next_step="add kubernetes.kubeconfig to the profile, or ssh and the control plane nodes",
        ),
    )


def _too_full(member: Member) -> Problem | None:
    """Returns the problem of a database whose data itself fills its quota, so that no defragmentation helps."""
    status = member.status
    if status is None or status.db_size_in_use * 100 <= quota_of(status) * (100 - FREE_PERCENT):
        return None
    return Problem(
        text=f"{status.db_size_in_use} bytes of its quota of {quota_of(status)} are in use: free pages would not be enough",
        next_step="compact by hand (etcdctl compact REVISION: under NOSPACE the API server cannot), or raise "
        "--quota-backend-bytes on every member (8 GiB at most), then run this again",
    )
