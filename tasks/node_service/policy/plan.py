"""Plans for one node: out of service, back in service, or rebooted, for a reason that a person or an incident has."""

from collections.abc import Iterator
from datetime import datetime

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step, figure
from tasks.core.models.profile import MaintenanceRules
from tasks.drain.models import CORDONED_BY, FAILED, REASON, TICKET
from tasks.drain.policy.findings import evicted_by, findings_of_drain
from tasks.node_service.models import RebootOptions, Request, ServiceFacts
from tasks.node_work.policy.findings import findings_of_proof
from tasks.node_work.policy.health import KNOWN, READY
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.policy.versions import count_of
from tasks.os_patch.models.facts import ClusterPatchFacts, PatchIntent
from tasks.os_patch.models.options import PatchOptions, RebootRule
from tasks.os_patch.models.packages import Scope
from tasks.os_patch.models.plan import PatchPlan
from tasks.os_patch.policy.plan import plan_patch

WAITED_FOR = (
    "this is waited for; after ten minutes the node stays cordoned. allow_unhealthy=true gives the node back as it is"
)
UNKNOWN = "correct its name: `kubectl get nodes` has them"


def plan_drain(facts: ServiceFacts, request: Request) -> Plan:
    """Cordon and drain, and a cordon that no run takes away; a node that is out of service and empty is a skip."""
    findings = list(_of_drain(facts, request))
    forecast = facts.forecast
    if facts.kube and _is_handed_over(facts.kube) and forecast and not forecast.in_the_way:
        reason = f"it is out of service, and empty, already: {reason_of(facts.kube)}"
        return Plan(skips=(Skip(subject=request.node, reason=reason),))
    evicted = count_of(len(forecast.evicted), "pod") if forecast else "pods that are not known yet"
    step = Step(subject=request.node, act="cordon, drain", reason=f"{request.in_words}; evicts {figure(evicted)}")
    return _plan(findings, step, evicts=evicted_by([forecast]))


def plan_uncordon(facts: ServiceFacts, request: Request, *, any_cordon: bool, allow_unhealthy: bool = False) -> Plan:
    """Back in service once it is proven well. A cordon of somebody else, or of a run that has not ended, needs a word."""
    kube = facts.kube
    if kube and not kube.cordoned:
        return Plan(skips=(Skip(subject=request.node, reason="it is in service"),))
    findings = list(_of_uncordon(facts, request, any_cordon=any_cordon))
    findings += _of_proof(facts, request, allow_unhealthy=allow_unhealthy)
    told = reason_of(kube) if kube else ""
    reason = f"{request.in_words}; it was cordoned{f': {told}' if told else ''}"
    return _plan(findings, Step(subject=request.node, act="prove that it is well, uncordon", reason=reason))


def plan_reboot(
    facts: ClusterPatchFacts, options: RebootOptions, request: Request, rules: MaintenanceRules, *, now: datetime
) -> PatchPlan:
    """As a patch of this node without a package: drain, reboot, proof. At any time, and whatever ails other workers."""
    plan = plan_patch(facts, options_of(options, request), rules, now=now, urgent=True)
    others = [
        refused(
            one.name,
            f"run {one.intent.run_id} of node_os_patch has begun with it, and has not ended",
            "let that one end, or run node_os_patch again: it goes on with it",
        )
        for one in facts.patches
        if one.name == request.node and one.intent and _has_begun(one.intent, _owner(facts, one.name), facts.run_id)
    ]
    return plan.model_copy(
        update={
            "steps": tuple(
                Step(
                    subject=one.subject,
                    act=one.deed,
                    reason=f"{request.in_words}; {one.reason}",
                    lasting=f"{request.in_words}; {one.basis}",
                )
                for one in plan.steps
            ),
            "skips": tuple(one for one in plan.skips if one.subject == request.node),
            "refusals": (*plan.refusals, *others),
        }
    )


def options_of(options: RebootOptions, request: Request) -> PatchOptions:
    """What the patch of a node is told that is only rebooted."""
    return PatchOptions(
        scope=Scope.NONE,
        reboot=RebootRule.ALWAYS,
        nodes=(request.node,),
        drain=options.drain,
        outside_window=True,
        allow_cordoned=True,
        allow_downtime=options.allow_downtime,
        come_back=options.come_back,
        settle=options.settle,
    )


def reason_of(node: KubeNode) -> str:
    """Why a node is cordoned, as far as its annotations say."""
    notes = node.annotations
    told = [notes.get(name, "") for name in (TICKET, REASON)]
    if failed := notes.get(FAILED):
        told.append(f"failed: {failed}")
    return "; ".join(dict.fromkeys(part for part in told if part))


def _of_drain(facts: ServiceFacts, request: Request) -> Iterator[Finding]:
    if facts.kube is None:
        yield refused(request.node, "the API does not know it", UNKNOWN)
        return
    yield from _of_runs(facts.kube, request, "let that run end, or run it again")
    if facts.kube.cordoned and not facts.kube.annotations.keys() & {CORDONED_BY, TICKET, REASON}:
        yield cautioned(request.node, "somebody has cordoned it already: that cordon stays as it is", "")
    if not facts.kube.ready:
        yield cautioned(
            request.node,
            f"it is not Ready{figure(f': {facts.kube.ready_message}')}; its pods do not say that they have stopped",
            "options.skip_deleting_after, for example 5m, does not wait for them",
        )
    yield from findings_of_drain(request.node, facts.forecast)


def _of_uncordon(facts: ServiceFacts, request: Request, *, any_cordon: bool) -> Iterator[Finding]:
    kube = facts.kube
    if kube is None:
        yield refused(request.node, "the API does not know it", UNKNOWN)
        return
    if unreached := facts.machine.unreached:
        yield refused(request.node, unreached, "whether it is well cannot be proven: look at its sshd")
    if not kube.ready:
        yield refused(request.node, f"it is not Ready: {kube.ready_message}", "look at its kubelet")
    found = list(_of_cordon(kube, request))
    yield from (cautioned(one.subject, one.problem, "any_cordon says that this is fine") for one in found if any_cordon)
    yield from (one for one in found if not any_cordon)


def _of_proof(facts: ServiceFacts, request: Request, *, allow_unhealthy: bool) -> Iterator[Finding]:
    """What the proof would find wrong now; what `_of_uncordon` asks itself is left out."""
    found = [one for one in facts.symptoms if one.of not in {KNOWN, READY}]
    grave = [one for one in found if one.grave]
    yield from findings_of_proof(request.node, grave)
    for one in found:
        if not one.grave and allow_unhealthy:
            yield cautioned(request.node, one.problem, "allow_unhealthy says that this is fine", lasting=one.of)
        elif not one.grave:
            yield cautioned(request.node, one.problem, WAITED_FOR, lasting=one.of)


def _of_cordon(kube: KubeNode, request: Request) -> Iterator[Refusal]:
    yield from _of_runs(kube, request, "run that runbook again, or say any_cordon=true")
    if not kube.annotations.keys() & {CORDONED_BY, TICKET, REASON}:
        yield refused(
            request.node, "somebody has cordoned it, and no runbook of ours", "ask who; then say any_cordon=true"
        )


def _of_runs(kube: KubeNode, request: Request, next_step: str) -> Iterator[Refusal]:
    owner = kube.annotations.get(CORDONED_BY, "")
    if owner and owner != request.run_id:
        yield refused(request.node, f"run {owner} has it out of service: {reason_of(kube)}", next_step)


def _is_handed_over(kube: KubeNode) -> bool:
    """By node_drain, to the person who wanted it."""
    return kube.cordoned and CORDONED_BY not in kube.annotations and bool(kube.annotations.keys() & {TICKET, REASON})


def _has_begun(intent: PatchIntent, owner: str, run_id: str) -> bool:
    """Another run, whose cordon it is, and which wants packages there. A reboot that did not end is gone on with."""
    return owner in intent.runs and run_id not in intent.runs and bool(intent.changes)


def _owner(facts: ClusterPatchFacts, name: str) -> str:
    kube = next((node for node in facts.nodes if node.name == name), None)
    return kube.annotations.get(CORDONED_BY, "") if kube else ""


def _refusals(findings: list[Finding]) -> tuple[Refusal, ...]:
    return tuple(one for one in findings if isinstance(one, Refusal))


def _plan(findings: list[Finding], step: Step, evicts: tuple[str, ...] = ()) -> Plan:
    return Plan(
        steps=(step,),
        evicts=evicts,
        refusals=_refusals(findings),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
    )
