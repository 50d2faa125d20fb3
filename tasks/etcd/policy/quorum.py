"""Decides whether a member of etcd may go away for a while: the gate before every action that stops one."""

from collections.abc import Collection, Sequence

from tasks.core.models.etcd import Member
from tasks.core.models.findings import Problem

MOST_LAG = 1000
"""Limits how many entries a member may have to catch up after an action."""


def why_quorum_needs(leaving: Member, members: Sequence[Member], *, out: Collection[str] = ()) -> Problem | None:
    """Returns why this member may not go away now; `None` if the other voting members form a healthy quorum.

    Learners do not vote. Members on the nodes `out` (cordoned by others, or not Ready) do not count, because they may
    go away at any moment. A cluster with a single member always stops with it.
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
    """True if the member counts for a quorum: it serves linearizable reads and nothing casts doubt on its data."""
    return what_ails(member) is None


def what_ails(member: Member) -> Problem | None:
    """Returns why the member does not count for a quorum; `None` if it does."""
    status = member.status
    if status is None:
        return Problem(text=member.unreached or "it did not answer")
    if "CORRUPT" in status.alarms:
        return Problem(text="its alarm CORRUPT says that its data differs")
    if member.learner:  # it never serves a linearizable read, and no quorum needs it
        return None if status.has_leader else Problem(text="it is a learner, and sees no leader")
    return None if status.healthy else Problem(text="it does not answer a linearizable read")


def unhealthy_members(
    members: Sequence[Member], *, besides: Collection[str] = ()
) -> tuple[tuple[Member, Problem], ...]:
    """Lists the members that do not count for a quorum, with the reason; it skips the ids in `besides`."""
    return tuple((one, ails) for one in members if one.id not in besides and (ails := what_ails(one)))
