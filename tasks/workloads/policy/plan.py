"""Plans a rollout: what is changed in which order, what is left alone, and what forbids it."""

from collections.abc import Iterator

from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step, figure
from tasks.workloads.models.changes import Change, RolloutOptions, RolloutRequest, in_groups
from tasks.workloads.models.names import Kind
from tasks.workloads.models.rollout import Mark, RolloutFacts, Target
from tasks.workloads.policy.changes import unknown_containers, what_is_wrong_with
from tasks.workloads.policy.denials import Denial, denial_of
from tasks.workloads.policy.forecast import judge_room
from tasks.workloads.policy.gates import bake_in_words, bake_of, judge_gates
from tasks.workloads.policy.hints import rollback_puts_back, status_says_why
from tasks.workloads.policy.images import findings_of_images
from tasks.workloads.policy.rights import judge_rights

LINES = 12
"""Limits how many differences a line of the plan shows."""


def plan_rollout(facts: RolloutFacts, request: RolloutRequest, options: RolloutOptions) -> Plan:
    """Returns a step for each workload in the order of the groups, or the skip of one that has the change already."""
    if goes_back(facts):
        return plan_back(facts, request)
    findings: list[Finding] = list(what_is_wrong_with(request.changes))
    steps, skips = [], []
    then = bake_in_words(bake_of(options.bake, facts.gates), facts.gates)
    for change in in_groups(request.changes):
        target = facts.of(change.ref)
        found = list(_findings(facts, change, target, options))
        findings += [*found, *findings_of_images(one for one in facts.images if one.workload == change.ref.id)]
        if has_it(change, target, facts.run_id) and not any(isinstance(one, Refusal) for one in found):
            skips.append(Skip(subject=change.ref.id, reason="it has all of the change already"))
        else:
            steps.append(_step(change, target, request, then))
    if steps:
        begun = any(is_ours(one, facts.of(one.ref)) for one in request.changes)
        findings += judge_gates(facts.closed, begun=begun)
    return Plan(
        steps=tuple(steps),
        skips=tuple(skips),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
        refusals=tuple(one for one in findings if isinstance(one, Refusal)),
    )


def goes_back(facts: RolloutFacts) -> bool:
    """Checks whether this run was interrupted while it put its workloads back."""
    marks = [one.mark for one in facts.targets if one.mark and one.mark.run == facts.run_id]
    return {"undone"} < {one.state for one in marks}


def why_it_goes_back(facts: RolloutFacts) -> str:
    """Returns why this run had begun to put its workloads back."""
    return next(one.mark.why for one in facts.targets if one.mark and one.mark.run == facts.run_id and one.mark.why)


def plan_back(facts: RolloutFacts, request: RolloutRequest) -> Plan:
    """Returns a step for each workload that this run has changed and not put back, the last group first."""
    left = [ref for ref in reversed(request.refs) if (mark := facts.of(ref).mark) and _is_left(facts, mark)]
    reason = f"this run was interrupted while it put its workloads back: {why_it_goes_back(facts)}"
    return Plan(steps=tuple(Step(subject=ref.id, act="put back", reason=reason) for ref in left))


def _is_left(facts: RolloutFacts, mark: Mark) -> bool:
    return mark.run == facts.run_id and mark.state != "undone"


def is_ours(change: Change, target: Target) -> bool:
    """Checks whether a run has begun with this very change and has not finished."""
    mark = target.mark
    return mark is not None and mark.is_written(change.digest, target.template)


def is_done(change: Change, target: Target, run_id: str) -> bool:
    """Checks whether this very run has changed and proven it, before it was interrupted elsewhere."""
    mark = target.mark
    return mark is not None and mark.run == run_id and mark.is_proven(change.digest, target.template)


def has_it(change: Change, target: Target, run_id: str) -> bool:
    """Checks whether the change would change nothing, and no run is in the middle of it."""
    if is_done(change, target, run_id):
        return True
    scaled = change.replicas is not None and change.replicas != target.replicas
    return not (target.diff or change.restart or scaled or is_ours(change, target) or target.denied)


def _step(change: Change, target: Target, request: RolloutRequest, then: str) -> Step:
    what = []
    if change.images or change.env or change.requests or change.limits:
        what.append("change the template")
    if change.restart:
        what.append("restart the pods")
    if change.replicas is not None and change.replicas != target.replicas:
        what.append(
            f"scale from {target.replicas} to {change.replicas}"
            if not is_ours(change, target)
            else f"scale to {change.replicas}"
        )
    if is_ours(change, target):
        what = ["prove what an interrupted run has changed"]
    how = _how(target) if change.changes_template else ""
    diff = listed(list(target.diff), LINES)
    reason = "; ".join(part for part in (request.in_words, diff, how, then) if part)
    return Step(
        subject=change.ref.id, act=f"group {change.group}: {', '.join(what) or 'change nothing'}", reason=reason
    )


def _how(target: Target) -> str:
    """Describes how the controller replaces the pods."""
    if target.ref.kind is Kind.DEPLOYMENT:
        if target.strategy == "Recreate":
            return "all pods stop before the new ones start (Recreate)"
        return f"up to {target.max_surge} more pods, up to {target.max_unavailable} fewer"
    if target.ref.kind is Kind.STATEFUL_SET:
        return "one pod after the other, the highest number first" if target.in_order else "pods in parallel"
    return f"up to {target.max_unavailable} pods fewer, node by node"


def _findings(facts: RolloutFacts, change: Change, target: Target, options: RolloutOptions) -> Iterator[Finding]:
    subject = change.ref.id
    yield from judge_rights(target.ref, target.lacks)
    if target.lacks and not target.uid:
        return
    if not target.has_namespace:
        yield refused(subject, f"no namespace {change.namespace}", "`kubectl get namespaces` lists them")
        return
    if not target.exists:
        step = f"correct workload: `kubectl -n {change.namespace} get deployments,statefulsets,daemonsets` lists them"
        yield refused(subject, "no workload with this name", step)
        return
    if target.deleting:
        yield refused(subject, "it is being deleted", "wait until it is gone, or create it again")
        return
    unknown = list(unknown_containers(change, target.containers))
    yield from unknown
    if not unknown:
        yield from _of_change(change, target)
    yield from _of_owner(subject, target, options)
    yield from _of_runs(facts, change, target)
    if target.problem and not is_ours(change, target):
        yield cautioned(
            subject, f"it is not finished before the change: {figure(target.problem)}", status_says_why(target.ref)
        )
    for one in target.budgets if change.changes_template else ():
        yield cautioned(subject, f"a rollout does not respect its {one}", "its strategy decides how many pods are away")
    if target.secrets and not facts.keeps_secrets:
        problem = f"the snapshot does not have its Secrets ({listed(target.secrets)}): the profile has no recipients"
        yield cautioned(subject, problem, "set backup.recipients")


def _of_change(change: Change, target: Target) -> Iterator[Finding]:
    subject = change.ref.id
    if change.replicas is not None and change.ref.kind is Kind.DAEMON_SET:
        yield refused(subject, "replicas: a DaemonSet has none", "remove replicas")
    if change.replicas is not None and target.scaler:
        step = f"change its minReplicas and maxReplicas: kubectl -n {change.namespace} edit hpa {target.scaler}"
        yield refused(subject, f"replicas: HorizontalPodAutoscaler {target.scaler} sets them", step)
    if change.changes_template and target.paused:
        step = f"kubectl -n {change.namespace} rollout resume {change.workload}; it releases what was changed meanwhile"
        yield refused(subject, "it is paused: the change would be stored and not rolled out", step)
    if change.changes_template and target.strategy == "OnDelete":
        step = "set spec.updateStrategy.type to RollingUpdate, or change it by hand and delete its pods"
        yield refused(subject, "its strategy is OnDelete: nothing replaces its pods", step)
    if change.changes_template and target.partition:
        problem = f"its partition is {target.partition}: pods below this number keep the old template"
        yield cautioned(subject, problem, "lower spec.updateStrategy.rollingUpdate.partition when they are to follow")
    if target.denied:
        yield refused(
            subject, f"the API refuses the change: {target.denied}", "correct the change, or the rights of its user"
        )
    if target.pod_denied and _quota_may_pass(target):
        yield cautioned(
            subject, f"the API refuses one more pod now: {target.pod_denied}", "pods that stop free the quota"
        )
    elif target.pod_denied:
        yield refused(
            subject, f"the API refuses a pod of the new template: {target.pod_denied}", "correct what it refuses"
        )
    yield from judge_room(change, target)
    if target.pod_unknown:
        yield cautioned(subject, f"a pod of the new template could not be tried: {target.pod_unknown}", "")


def _quota_may_pass(target: Target) -> bool:
    """Checks whether an old pod stops first, and so makes room in a quota."""
    surges = (
        target.ref.kind is Kind.DEPLOYMENT
        and target.strategy != "Recreate"
        and target.max_unavailable in {"", "0", "0%"}
    )
    return denial_of(target.pod_denied) is Denial.QUOTA and not surges


def _of_owner(subject: str, target: Target, options: RolloutOptions) -> Iterator[Finding]:
    if target.owner and options.override_owner:
        yield cautioned(subject, f"{target.owner} owns it, and may change it back", target.owner_way)
    elif target.owner:
        step = f"{target.owner_way}; or add --override-owner, and it may be changed back"
        yield refused(subject, f"{target.owner} owns it", step)


def _of_runs(facts: RolloutFacts, change: Change, target: Target) -> Iterator[Finding]:
    mark = target.mark
    if mark is None:
        return
    if mark.state == "undone" and mark.run == facts.run_id:
        yield refused(
            change.ref.id,
            f"this run has put it back: {mark.why}",
            "correct the cause, then start a new run; a retry of this one would do the same again",
        )
    elif is_ours(change, target) and mark.run != facts.run_id:
        yield cautioned(
            change.ref.id, f"run {mark.run} has changed it so, and has not finished: this run resumes it", ""
        )
    elif mark.state == "open" and not is_ours(change, target):
        yield cautioned(
            change.ref.id,
            f"run {mark.run} has changed it otherwise, and has not finished",
            f"if that run still works, its lock stops this one; {rollback_puts_back(target.ref)}",
        )
