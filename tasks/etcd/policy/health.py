"""Decides whether etcd is healthy: what must hold for each member, and what deserves a caution."""

from tasks.core.models.etcd import MAX_RAFT_LAG, QUOTA_WARNING_PERCENT, EtcdFacts, Member, MemberStatus
from tasks.core.models.plan import Caution, Plan, Refusal, figure
from tasks.etcd.policy.quorum import unhealthy_members

DEFAULT_QUOTA = 2 * 2**30
"""This is etcd's own default quota in bytes, for members before 3.6, which do not report theirs."""

ALARM_STEP = "run `kube-runbooks run etcd-maintenance CLUSTER`: it clears NOSPACE when there is space; for CORRUPT replace the member"


def plan_health(facts: EtcdFacts) -> Plan:
    """Returns a refusal for each condition that does not hold, and a caution for what should be checked.

    The plan has neither if everything is healthy.
    """
    voters = [member for member in facts.members if not member.learner]
    statuses = [member.status for member in facts.members if member.status]
    refusals = [
        (member.label, ails.text, "check the log of this member") for member, ails in unhealthy_members(facts.members)
    ]
    refusals += [
        (m.label, f"alarm {' and '.join(m.status.alarms)}", ALARM_STEP)
        for m in facts.members
        if m.status and m.status.alarms
    ]
    if not any(status.is_leader for status in statuses):
        refusals.append(("etcd", "no member that answers leads", "check the members and the network between them"))
    cautions = [caution for member in facts.members for caution in cautions_of(member)]
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


def cautions_of(member: Member) -> list[Caution]:
    """Returns the cautions for a member that answered."""
    status = member.status
    if status is None:
        return []
    found = []
    quota = quota_of(status)
    if status.db_size * 100 >= quota * QUOTA_WARNING_PERCENT:
        percent = status.db_size * 100 // quota
        found.append(
            (
                f"its database is at {figure(percent)} % of its quota of {quota} bytes",
                "run `kube-runbooks run etcd-maintenance CLUSTER`",
            )
        )
    if status.raft_lag > MAX_RAFT_LAG:
        found.append((f"it is {figure(status.raft_lag)} raft entries behind", "check its disk and its network"))
    return [Caution(subject=member.label, problem=problem, next_step=step) for problem, step in found]


def quota_of(status: MemberStatus) -> int:
    """Returns the quota of a member's database in bytes."""
    return status.db_quota or DEFAULT_QUOTA
