"""Whether a member of etcd may go away for a while: the gate before every act that stops one."""

from collections.abc import Collection, Sequence

from tasks.core.models.etcd import Member

MOST_LAG = 1000
"""Entries that a member may have to catch up after an act."""


def what_keeps_it(leaving: Member, members: Sequence[Member], *, out: Collection[str] = ()) -> str:
    """Why this member may not go away now; empty when all the others that vote still make a quorum, all of them healthy.

    Learners do not vote. Members on the nodes `out` (cordoned by others, or not Ready) may go any moment: they do not count.
    A single member's cluster always stops with it.
    """
    voters = [member for member in members if not member.learner]
    if leaving.learner:
        return ""
    others = [member for member in voters if member.id != leaving.id]
    needed = len(voters) // 2 + 1
    ails = {member.id: what_ails(member) or _is_out(member, out) for member in others}
    fit = [member for member in others if not ails[member.id]]
    if len(fit) >= needed:
        return ""
    unfit = ", ".join(f"{member.label} ({ails[member.id]})" for member in others if ails[member.id])
    return f"without {leaving.label} {len(fit)} of {len(voters)} voting members would be left, a quorum is {needed}" + (
        f"; not counted: {unfit}" if unfit else ""
    )


def _is_out(member: Member, out: Collection[str]) -> str:
    return f"its node {member.node} is cordoned or not Ready" if member.node in out else ""


def is_fit(member: Member) -> bool:
    """It counts for a quorum: it serves linearizable reads and its data is not doubted."""
    return not what_ails(member)


def what_ails(member: Member) -> str:
    """Why it does not count; empty when it does."""
    status = member.status
    if status is None:
        return member.unreached or "it did not answer"
    if "CORRUPT" in status.alarms:
        return "its alarm CORRUPT says that its data differs"
    return "" if status.healthy else "it does not answer a linearizable read"
