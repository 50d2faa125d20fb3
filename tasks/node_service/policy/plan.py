"""Plans how to take one node out of service, put it back, or reboot it.

A person or an incident gives the reason.
"""

from collections.abc import Iterator
from datetime import datetime

from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step, figure
from tasks.core.models.profile import MaintenanceRules
from tasks.core.models.request import ticketed
from tasks.core.words import counted
from tasks.drain.models import CORDONED_BY, FAILED, REASON, TICKET
from tasks.drain.policy.findings import evicted_by, findings_of_drain
from tasks.node_service.models import RebootOptions, Request, ServiceFacts
from tasks.node_work.policy.findings import findings_of_proof
from tasks.node_work.policy.health import KNOWN, READY
from tasks.nodes.models.nodes import KubeNode
from tasks.os_patch.models.facts import ClusterPatchFacts, PatchIntent
from tasks.os_patch.models.options import PatchOptions, RebootRule
from tasks.os_patch.models.packages import Scope
from tasks.os_patch.models.plan import PatchPlan
from tasks.os_patch.policy.plan import plan_patch

WAITED_FOR = (
    "this is waited for; after ten minutes the node stays cordoned. --allow-unhealthy gives the node back as it is"
)
NOT_ITS_OWN = "other nodes have it too: it does not keep this one cordoned"
UNKNOWN = "correct its name: `kubectl get nodes` has them"


def plan_drain(facts: ServiceFacts, request: Request) -> Plan:
    """Plans to cordon and drain the node, with a cordon that no run removes.

    A node that is already out of service and empty is a skip.
    """
    findings = list(_of_drain(facts, request))
    forecast = facts.forecast
    if facts.kube and _is_handed_over(facts.kube) and forecast and not forecast.in_the_way:
        reason = f"it is out of service, and empty, already: {reason_of(facts.kube)}"
        return Plan(skips=(Skip(subject=request.node, reason=reason),))
    evicted = counted(len(forecast.evicted), "pod") if forecast else "pods that are not known yet"
    step = Step(subject=request.node, act="cordon, drain", reason=f"{request.in_words}; evicts {figure(evicted)}")
    return _plan(findings, step, evicts=evicted_by([forecast]))


def plan_uncordon(facts: ServiceFacts, request: Request, *, any_cordon: bool, allow_unhealthy: bool = False) -> Plan:
    """Plans to put the node back in service once it is verified as healthy.

    The cordon of somebody else, or of a run that has not finished, needs `any_cordon`.
    """
    kube = facts.kube
    if kube and not kube.cordoned:
        return Plan(skips=(Skip(subject=request.node, reason="it is in service"),))
    findings = list(_of_uncordon(facts, request, any_cordon=any_cordon))
    findings += _of_proof(facts, request, allow_unhealthy=allow_unhealthy)
    told = reason_of(kube) if kube else ""
    reason = f"{request.in_words}; it was cordoned{f': {told}' if told else ''}"
    return _plan(findings, Step(subject=request.node, act="prove that it is healthy, uncordon", reason=reason))


def plan_reboot(
    facts: ClusterPatchFacts, options: RebootOptions, request: Request, rules: MaintenanceRules, *, now: datetime
) -> PatchPlan:
    """Plans the reboot as a patch of this node without packages: drain, reboot, proof.

    It may run at any time, even if other worker nodes are unhealthy.
    """
    plan = plan_patch(facts, options_of(options, request), rules, now=now, urgent=True)
    others = [
        refused(
            one.name,
            f"run {one.intent.run_id} of node_os_patch has begun with it, and has not ended",
            "wait until that run ends, or run `kube-runbooks run node-os-patch CLUSTER` again: it resumes that run",
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
                    lasting_act=one.lasting_deed,
                )
                for one in plan.steps
            ),
            "skips": tuple(one for one in plan.skips if one.subject == request.node),
            "refusals": (*plan.refusals, *others),
        }
    )


def options_of(options: RebootOptions, request: Request) -> PatchOptions:
    """Returns the patch options for a node that is only rebooted."""
    return PatchOptions(
        scope=Scope.NONE,
        reboot=RebootRule.ALWAYS,
        nodes=(request.node,),
        drain=options.drain,
        outside_window=True,
        allow_cordoned=True,
        allow_downtime=options.allow_downtime,
        reboot_timeout=options.reboot_timeout,
        stable_for=options.stable_for,
    )


def reason_of(node: KubeNode) -> str:
    """Returns why a node is cordoned, according to its annotations. It is empty if they give no reason."""
    notes = node.annotations
    failed = f"failed: {notes[FAILED]}" if notes.get(FAILED) else ""
    return "; ".join(filter(None, (ticketed(notes.get(TICKET, ""), notes.get(REASON, "")), failed)))


def _of_drain(facts: ServiceFacts, request: Request) -> Iterator[Finding]:
    if facts.kube is None:
        yield refused(request.node, "no Node object with this name", UNKNOWN)
        return
    yield from _of_runs(facts.kube, request, "let that run end, or run it again")
    if facts.kube.cordoned and not facts.kube.annotations.keys() & {CORDONED_BY, TICKET, REASON}:
        yield cautioned(request.node, "somebody has cordoned it already: that cordon stays as it is", "")
    if not facts.kube.ready:
        yield cautioned(
            request.node,
            f"it is not Ready{figure(f': {facts.kube.ready_message}')}; its pods do not say that they have stopped",
            "--skip-wait-for-delete-timeout=5m does not wait for them",
        )
    yield from findings_of_drain(request.node, facts.forecast)


def _of_uncordon(facts: ServiceFacts, request: Request, *, any_cordon: bool) -> Iterator[Finding]:
    kube = facts.kube
    if kube is None:
        yield refused(request.node, "no Node object with this name", UNKNOWN)
        return
    if unreached := facts.machine.unreached:
        yield refused(request.node, unreached, "whether it is healthy cannot be proven: check its sshd")
    if not kube.ready:
        yield refused(
            request.node, f"it is not Ready: {kube.ready_message}", "check its kubelet there: `journalctl -u kubelet`"
        )
    found = list(_of_cordon(kube, request))
    yield from (cautioned(one.subject, one.problem, "--any-cordon allows it") for one in found if any_cordon)
    yield from (one for one in found if not any_cordon)


def _of_proof(facts: ServiceFacts, request: Request, *, allow_unhealthy: bool) -> Iterator[Finding]:
    """Yields what the proof would find wrong now. It leaves out what `_of_uncordon` checks itself."""
    found = [one for one in facts.symptoms if one.of not in {KNOWN, READY}]
    grave = [one for one in found if one.grave]
    yield from findings_of_proof(request.node, grave)
    for one in found:
        if not one.grave and one.of in facts.elsewhere:
            yield cautioned(request.node, one.problem, NOT_ITS_OWN, lasting=one.of)
        elif not one.grave and allow_unhealthy:
            yield cautioned(request.node, one.problem, "--allow-unhealthy allows it", lasting=one.of)
        elif not one.grave:
            yield cautioned(request.node, one.problem, WAITED_FOR, lasting=one.of)


def _of_cordon(kube: KubeNode, request: Request) -> Iterator[Refusal]:
    yield from _of_runs(kube, request, "run that runbook again, or add --any-cordon")
    if not kube.annotations.keys() & {CORDONED_BY, TICKET, REASON}:
        yield refused(
            request.node, "somebody has cordoned it, and no runbook of ours", "ask who; then add --any-cordon"
        )


def _of_runs(kube: KubeNode, request: Request, next_step: str) -> Iterator[Refusal]:
    owner = kube.annotations.get(CORDONED_BY, "")
    if owner and owner != request.run_id:
        yield refused(request.node, f"run {owner} has it out of service: {reason_of(kube)}", next_step)


def _is_handed_over(kube: KubeNode) -> bool:
    """Checks whether node_drain has handed the cordon over to the person who requested it."""
    return kube.cordoned and CORDONED_BY not in kube.annotations and bool(kube.annotations.keys() & {TICKET, REASON})


def _has_begun(intent: PatchIntent, owner: str, run_id: str) -> bool:
    """Checks whether another run owns the cordon and has packages to change on the node.

    A reboot that did not finish does not count, because this run resumes it.
    """
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
