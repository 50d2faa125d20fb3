"""Whether a member of etcd may go away for a while: the gate before every act that stops one."""

from collections.abc import Collection, Sequence

from tasks.core.models.etcd import Member
from tasks.core.models.findings import Problem

MOST_LAG = 1000
"""Entries that a member may have to catch up after an act."""


def why_quorum_needs(leaving: Member, members: Sequence[Member], *, out: Collection[str] = ()) -> Problem | None:
    """Why this member may not go away now; `None` when all the others that vote still make a quorum, all of them healthy.

    Learners do not vote. Members on the nodes `out` (cordoned by others, or not Ready) may go any moment: they do not count.
    A single member's cluster always stops with it.
    """
    voters = [member for member in members if not member.learner]
    if leaving.learner:
        return None
    others = [member for member in voters if member.id != leaving.id]
    needed = len(voters) // 2 + 1
    unfit = [f"{member.label} ({why})" for member in others if (why := what_ails(member) or _why_out(member, out))]
    fit = len(others) - len(unfit)
    if fit >= needed:
        return None
    not_counted = f"; not counted: {', '.join(unfit)}" if unfit else ""
    told = f"without {leaving.label} {fit} of {len(voters)} voting members would be left, a quorum is {needed}"
    return Problem(text=f"{told}{not_counted}")


def _why_out(member: Member, out: Collection[str]) -> Problem | None:
    return Problem(text=f"its node {member.node} is cordoned or not Ready") if member.node in out else None


def is_fit(member: Member) -> bool:
    """It counts for a quorum: it serves linearizable reads and its data is not doubted."""
    return what_ails(member) is None


def what_ails(member: Member) -> Problem | None:
    """Why it does not count; `None` when it does."""
    status = member.status
    if status is None:
        return Problem(text=member.unreached or "it did not answer")
    if "CORRUPT" in status.alarms:
        return Problem(text="its alarm CORRUPT says that its data differs")
    return None if status.healthy else Problem(text="it does not answer a linearizable read")


def unhealthy_members(
    members: Sequence[Member], *, besides: Collection[str] = ()
) -> tuple[tuple[Member, Problem], ...]:
    """Those that do not count, with the reason; `besides` are ids that nobody is asked about."""
    return tuple((one, ails) for one in members if one.id not in besides and (ails := what_ails(one)))
