"""Which members of etcd are worth a defragmentation, in which order, and when an alarm may end."""

from collections.abc import Sequence

from tasks.core.models.etcd import MAX_RAFT_LAG, QUOTA_WARNING_PERCENT, EtcdFacts, Member, MemberStatus
from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step, figure
from tasks.etcd.models import MIB, ControlPlaneSeen, MaintenancePlan, Worth
from tasks.etcd.policy.quorum import what_ails, what_keeps_it

DEFAULT_QUOTA = 2 * 2**30
"""etcd's own, for members before 3.6, which do not tell theirs."""

ALARM_STEP = "run etcd_maintenance: it ends NOSPACE when there is space; for CORRUPT replace the member"

UNSEEN = "the API does not say which control plane nodes are cordoned or not Ready"

FREE_PERCENT = 10
"""Of its quota that a member has to have free before its alarm ends: else the next writes raise it again."""


def plan_maintenance(
    facts: EtcdFacts, worth: Worth, seen: ControlPlaneSeen | None = None, *, allow_downtime: bool = False
) -> MaintenancePlan:
    """Followers first, by name, the leader last. Refused while any voting member is not healthy: it could be needed.

    Members on control plane nodes that are cordoned or not Ready do not count for the quorum: they may go away any moment.
    """
    facts, seen = on_nodes(facts, seen or ControlPlaneSeen()), seen or ControlPlaneSeen()
    nospace = tuple(member.id for member in facts.members if member.status and "NOSPACE" in member.status.alarms)
    chosen = {id(member): _why(member, worth, nospace=bool(nospace)) for member in facts.members}
    members = sorted((member for member in facts.members if chosen[id(member)]), key=_order)
    refusals = _refusals(facts.members, members, seen, nospace=bool(nospace), allow_downtime=allow_downtime)
    return MaintenancePlan(
        defragment=tuple(members),
        nospace=nospace,
        steps=(
            *(
                Step(subject=member.label, act=_act(member, facts.members), reason=chosen[id(member)])
                for member in members
            ),
            *(
                Step(
                    subject=member.label,
                    act="end the alarm NOSPACE",
                    reason=f"when every member has {FREE_PERCENT} % of its quota free: the API server may write again",
                )
                for member in facts.members
                if member.id in nospace
            ),
        ),
        skips=tuple(
            Skip(subject=member.label, reason=_why_not(member, worth))
            for member in facts.members
            if member not in members
        ),
        cautions=(*(caution for member in facts.members for caution in _cautions(member)), *_no_lock(seen, members)),
        refusals=refusals,
    )


def on_nodes(facts: EtcdFacts, seen: ControlPlaneSeen) -> EtcdFacts:
    """Members that no profile places on a node are on the one of their name, as kubeadm names them."""
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
) -> str:
    """Why the cluster cannot spare this member now; empty when it can."""
    facts = on_nodes(facts, seen)
    if seen.unseen:
        return f"{UNSEEN}: {seen.unseen}"
    if allow_downtime and len([one for one in facts.members if not one.learner]) == 1:
        return ""
    return what_keeps_it(member, facts.members, out=seen.out)


def plan_health(facts: EtcdFacts) -> Plan:
    """What does not hold is refused, what is worth a look is a caution; neither where all is well."""
    voters = [member for member in facts.members if not member.learner]
    statuses = [member.status for member in facts.members if member.status]
    refusals = [
        (member.label, ails, "look at this member and its log")
        for member in facts.members
        if (ails := what_ails(member))
    ]
    refusals += [
        (m.label, f"alarm {' and '.join(m.status.alarms)}", ALARM_STEP)
        for m in facts.members
        if m.status and m.status.alarms
    ]
    if not any(status.is_leader for status in statuses):
        refusals.append(("etcd", "no member that answers leads", "look at the members and the network between them"))
    cautions = [caution for member in facts.members for caution in _cautions(member)]
    if len(versions := sorted({status.version for status in statuses})) > 1:
        cautions.append(
            Caution(subject="etcd", problem=f"members run {' and '.join(versions)}", next_step="finish its upgrade")
        )
    if len(voters) % 2 == 0:
        problem = f"{len(voters)} voting members bear no more losses than {len(voters) - 1}"
        cautions.append(Caution(subject="etcd", problem=problem, next_step="add one, or remove the one that is gone"))
    return Plan(
        cautions=tuple(cautions),
        refusals=tuple(
            Refusal(subject=subject, problem=problem, next_step=step) for subject, problem, step in refusals
        ),
    )


def _cautions(member: Member) -> list[Caution]:
    status = member.status
    if status is None:
        return []
    found = []
    quota = quota_of(status)
    if status.db_size * 100 >= quota * QUOTA_WARNING_PERCENT:
        percent = status.db_size * 100 // quota
        found.append((f"its database is at {figure(percent)} % of its quota of {quota} bytes", "run etcd_maintenance"))
    if status.raft_lag > MAX_RAFT_LAG:
        found.append((f"it is {figure(status.raft_lag)} raft entries behind", "look at its disk and its network"))
    return [Caution(subject=member.label, problem=problem, next_step=step) for problem, step in found]


def what_forbids_disarming(members: Sequence[Member]) -> str:
    """Why alarms may not end yet; empty when every member has space."""
    full = [
        f"{member.label} uses {member.status.db_size} of {quota_of(member.status)} bytes"
        for member in members
        if member.status and member.status.db_size * 100 > quota_of(member.status) * (100 - FREE_PERCENT)
    ]
    return "; ".join([*full, *(f"{m.label}: {m.unreached}" for m in members if m.status is None)])


def quota_of(status: MemberStatus) -> int:
    """In bytes."""
    return status.db_quota or DEFAULT_QUOTA


def reclaimable(status: MemberStatus) -> int:
    """Bytes of free pages, which a defragmentation gives back to the disk."""
    return max(status.db_size - status.db_size_in_use, 0)


def _why(member: Member, worth: Worth, *, nospace: bool) -> str:
    """Why a member is defragmented; empty when it is not."""
    status = member.status
    if status is None or member.learner:
        return ""
    free, size = reclaimable(status), max(status.db_size, 1)
    told = f"{figure(f'{free} of {status.db_size} bytes ({free * 100 // size} %)')} are free pages"
    if nospace and size * 100 > quota_of(status) * (100 - FREE_PERCENT):
        return f"the cluster takes no writes (NOSPACE), and {told}"
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
    if member.status and member.status.is_leader and len(members) > 1:
        return "move the leadership away, defragment"
    return "defragment"


def _order(member: Member) -> tuple[bool, str]:
    return (bool(member.status and member.status.is_leader), member.label)


def _refusals(
    all_members: Sequence[Member],
    members: Sequence[Member],
    seen: ControlPlaneSeen,
    *,
    nospace: bool,
    allow_downtime: bool,
) -> tuple[Refusal, ...]:
    if not members and not nospace:
        return ()
    found = [
        (member.label, what_ails(member), "repair it first: while another one is defragmented it is needed")
        for member in all_members
        if what_ails(member)
    ]
    if seen.unseen:
        found.append(("API", f"{UNSEEN}: {seen.unseen}", "bring the API back; then run this again"))
    voters = [member for member in all_members if not member.learner]
    if len(voters) == 1 and members and not allow_downtime:
        pause = "a single member: the API server stops while it is defragmented"
        found.append((voters[0].label, pause, "say allow_downtime=true at a time when that is fine"))
    elif not found:
        kept = [
            (member.label, what_keeps_it(member, all_members, out=seen.out)) for member in members if len(voters) > 1
        ]
        out = "".join(f"; {name} is {why}" for name, why in seen.out.items())
        step = "bring the nodes named back, and uncordon them" if seen.out else "bring more members back"
        found += [(label, f"{why}{out}", step) for label, why in kept if why]
    if nospace:
        found += [(member.label, *_too_full(member)) for member in members if _too_full(member)[0]]
    return tuple(Refusal(subject=subject, problem=problem, next_step=step) for subject, problem, step in found)


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


def _too_full(member: Member) -> tuple[str, str]:
    """A database whose data itself fills its quota: no defragmentation helps."""
    status = member.status
    if status is None or status.db_size_in_use * 100 <= quota_of(status) * (100 - FREE_PERCENT):
        return "", ""
    return (
        f"{status.db_size_in_use} bytes of its quota of {quota_of(status)} are in use: free pages would not be enough",
        "compact by hand (etcdctl compact REVISION: under NOSPACE the API server cannot), or raise "
        "--quota-backend-bytes on every member (8 GiB at most), then run this again",
    )
