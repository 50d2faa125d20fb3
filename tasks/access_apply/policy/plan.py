"""Decides what a run does with the differences: steps for `access_apply`, refusals for `access_drift`."""

from tasks.access_apply.models import Act, ApplyOptions, Change, Comparison
from tasks.core.models.findings import refused
from tasks.core.models.plan import Plan, Refusal, Skip, Step, figure
from tasks.core.words import counted

NO_POLICY = refused(
    "policy",
    "the cluster has no access policy",
    "write the cluster's access.yaml (docs/access.md explains every field)",
)

KEPT = "the policy no longer has it; `kube-runbooks run access-apply CLUSTER --remove` deletes it"

WHY = {
    Act.CREATE: "it does not exist",
    Act.CHANGE: "it is not as the policy wants it",
    Act.REPLACE: "the API lets nobody change this, so it is deleted and created",
    Act.DELETE: "kube-runbooks made it, and the policy does not have it any more",
}


def plan_apply(found: Comparison, options: ApplyOptions) -> Plan:
    """Returns a step for each object that changes; deletions last."""
    if found.policy is None:
        return Plan(refusals=(NO_POLICY,))
    changes = planned(found, options)
    kept = [one for one in found.changes if one not in changes]
    skips = [Skip(subject=one.place.label, reason=KEPT) for one in kept]
    if found.same:
        skips.append(Skip(subject="unchanged", reason=figure(f"{counted(found.same, 'object')} as the policy wants")))
    return Plan(
        steps=tuple(Step(subject=one.place.label, act=str(one.act), reason=_reason(one)) for one in changes),
        skips=tuple(skips),
        cautions=found.cautions,
        refusals=found.refusals,
    )


def planned(found: Comparison, options: ApplyOptions) -> tuple[Change, ...]:
    """Returns the changes of a run, deletions last."""
    return tuple(one for one in found.changes if options.remove or one.act is not Act.DELETE)


def judge_drift(found: Comparison) -> Plan:
    """Returns a refusal for each difference, with the command that removes it."""
    if found.policy is None:
        return Plan(refusals=(NO_POLICY,))
    drifts = tuple(_drift(one) for one in found.changes)
    return Plan(refusals=(*found.refusals, *drifts), cautions=found.cautions)


def _drift(change: Change) -> Refusal:
    state = {Act.CREATE: "missing", Act.DELETE: "not in the policy any more"}.get(change.act, "not as the policy wants")
    problem = (
        f"{state}, for {change.subject or 'all users with a token'}: {'; '.join(change.difference) or 'all of it'}"
    )
    return refused(
        change.place.label, problem, "`kube-runbooks run access-apply CLUSTER --mode=plan` shows what corrects it"
    )


def _reason(change: Change) -> str:
    who = f"{change.subject}: " if change.subject else ""
    details = f" ({'; '.join(change.difference)})" if change.difference else ""
    return f"{who}{WHY[change.act]}{details}"
