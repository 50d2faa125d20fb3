"""Decides which member's snapshot is taken, and why each of the others is skipped."""

from collections.abc import Sequence

from tasks.backup.models.backups import BackupPlan
from tasks.core.models.etcd import MAX_RAFT_LAG, QUOTA_WARNING_PERCENT, EtcdFacts, Member, MemberStatus
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure


def choose_source(facts: EtcdFacts, *, asked: str = "auto", allow_no_quorum: bool = False) -> BackupPlan:
    """Orders the members that may be queried, the best first: followers before the leader, then by lag and name.

    `asked` is a member's name or hexadecimal id, or `auto`. A snapshot needs no quorum: with `allow_no_quorum` a member
    that cannot serve linearizable reads is acceptable too. With no eligible member the plan refuses, and gives the
    reason for each.
    """
    if isinstance(named := _members_asked_for(facts.members, asked), Refusal):
        return BackupPlan(refusals=(named,))
    wrong = {id(member): what_is_wrong(member, allow_no_quorum=allow_no_quorum) for member in facts.members}
    sources = sorted((member for member in named if not wrong[id(member)]), key=_preference)
    if not sources:
        return BackupPlan(refusals=_refusals(named, wrong, allow_no_quorum=allow_no_quorum), cautions=_cautions(facts))
    best = sources[0]
    passed_over = [member for member in facts.members if member is not best]
    return BackupPlan(
        cluster_id=facts.cluster_id,
        sources=tuple(sources),
        steps=(_step(best, asked=asked, among=len(sources)),),
        skips=tuple(
            Skip(subject=member.label, reason="; ".join(wrong[id(member)]) or _why_not(member, best, asked=asked))
            for member in passed_over
        ),
        cautions=_cautions(facts),
    )


def what_is_wrong(member: Member, *, allow_no_quorum: bool) -> list[str]:
    """Returns every reason why this member's snapshot should not be taken; none if it may be taken."""
    status = member.status
    if status is None:
        return [member.unreached or "it did not answer"]
    return [
        reason
        for holds, reason in (
            (member.learner, "it is a learner: its data may be behind, and nothing shows it"),
            (bool(status.alarms), f"it has the alarm {' and '.join(status.alarms)}"),
            (bool(_own_errors(status)), f"it reports: {'; '.join(_own_errors(status))}"),
            (
                status.raft_lag > MAX_RAFT_LAG,
                f"it is {status.raft_lag} raft entries behind, {MAX_RAFT_LAG} are allowed",
            ),
            (not status.healthy and not allow_no_quorum, _unhealthy(status)),
        )
        if holds
    ]


def _own_errors(status: MemberStatus) -> list[str]:
    """Returns the errors in a status without alarms and a missing leader, which have rules of their own."""
    return [text for text in status.errors if "alarm:" not in text and "no leader" not in text]


def _unhealthy(status: MemberStatus) -> str:
    return (
        "it has a leader but does not answer a linearizable read"
        if status.has_leader
        else "it has no leader: the cluster has lost quorum"
    )


def _members_asked_for(members: Sequence[Member], asked: str) -> Sequence[Member] | Refusal:
    if asked == "auto":
        return members
    found = [member for member in members if asked.lower() in {member.id, member.name.lower()}]
    if len(found) == 1:
        return found
    known = ", ".join(f"{member.name or '(no name yet)'} ({member.id or 'id unknown'})" for member in members)
    if found:
        ids = " or ".join(member.id or member.url for member in found)
        return Refusal(
            subject="member", problem=f"member {asked!r} matches {len(found)} members", next_step=f"give the id: {ids}"
        )
    return Refusal(subject="member", problem=f"member {asked!r} is unknown", next_step=f"use one of: {known}, or auto")


def _preference(member: Member) -> tuple[bool, int, str]:
    """Returns the sort key of a member, with the leader last.

    A long read transaction pins free pages and adds I/O, so it should not run on the leader.
    """
    status = member.status
    return (status is not None and status.is_leader, status.raft_lag if status else 0, member.label)


def _step(best: Member, *, asked: str, among: int) -> Step:
    reasons = [_why(best, asked=asked, among=among), best.route_reason]
    return Step(
        subject=best.label,
        act=f"take the snapshot by route {best.route}",
        reason="; ".join(reason for reason in reasons if reason),
    )


def _why(best: Member, *, asked: str, among: int) -> str:
    if asked != "auto":
        return "it was asked for by name"
    if best.status and best.status.is_leader:
        return "the leader is the only eligible member"
    return "an eligible follower" + (
        f", the best of {among} eligible members" if among > 1 else ", the only eligible one"
    )


def _why_not(member: Member, best: Member, *, asked: str) -> str:
    if asked != "auto":
        return f"{best.label} was asked for by name"
    if member.status and member.status.is_leader:
        return "it is the leader, and a follower is eligible"
    return f"{best.label} comes before it by raft lag, then by name"


def _refusals(named: Sequence[Member], wrong: dict[int, list[str]], *, allow_no_quorum: bool) -> tuple[Refusal, ...]:
    lost = any(member.status and not member.status.healthy and not member.learner for member in named)
    hint = (
        "repair the members; a snapshot needs no quorum: --allow-no-quorum takes a surviving member's"
        if lost and not allow_no_quorum
        else "repair the member, or check etcd.endpoints, certificates and routes of the profile"
    )
    return tuple(
        Refusal(subject=member.label, problem="; ".join(wrong[id(member)]), next_step=hint) for member in named
    ) or (Refusal(subject="etcd", problem="no members are known", next_step=hint),)


def _cautions(facts: EtcdFacts) -> tuple[Caution, ...]:
    return tuple(caution for member in facts.members for caution in _cautions_of(member))


def _cautions_of(member: Member) -> list[Caution]:
    status = member.status
    if status is None:
        return [
            Caution(
                subject=member.label,
                problem=f"not reached: {member.unreached}",
                next_step="check the log of this member first",
            )
        ]
    cautions = []
    if status.alarms:
        cautions.append(
            Caution(
                subject=member.label, problem=f"alarm {' and '.join(status.alarms)}", next_step="etcdctl alarm list"
            )
        )
    if status.db_quota and status.db_size * 100 >= status.db_quota * QUOTA_WARNING_PERCENT:
        percent = status.db_size * 100 // status.db_quota
        cautions.append(
            Caution(
                subject=member.label,
                problem=f"database at {figure(percent)} % of its quota",
                next_step="compact and defragment",
            )
        )
    return cautions
