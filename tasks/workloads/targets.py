"""Observes what a rollout is to change, and tries the change by a dry run of the API."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from tasks.clients.kube import Answer, KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.gates.observe import what_gates_say
from tasks.nodes.policy.owners import owner_of
from tasks.nodes.policy.references import References, references_of
from tasks.nodes.policy.selectors import selects
from tasks.nodes.probes.owners import notes_of
from tasks.workloads.models.changes import Change, RolloutRequest
from tasks.workloads.models.names import Ref
from tasks.workloads.models.rollout import RolloutFacts, Target
from tasks.workloads.observe import with_pods
from tasks.workloads.policy.changes import RESTARTED, patch_of, unknown_containers
from tasks.workloads.policy.gates import gates_for
from tasks.workloads.policy.rights import right_to_try
from tasks.workloads.policy.rollout import standing_of
from tasks.workloads.policy.templates import differences, digest_of_template
from tasks.workloads.probes.targets import (
    containers_of,
    labels_of,
    parse_budgets,
    parse_mark,
    scaler_of,
    template_of,
    trial_pod,
)
from tasks.workloads.rights import cannot_act, cannot_read, lacking
from tasks.workloads.room import read_room

JSON = dict[str, Any]


def observe_targets(handle: Cluster, request: RolloutRequest) -> RolloutFacts:
    """Reads all workloads of a request in parallel; a workload that is named twice is read once."""
    first = {one.ref: one for one in reversed(request.changes)}
    targets = on_all(lambda change: observe_target(handle, change), list(first.values()))
    gates = gates_for(handle.profile.workloads.gates, request.refs)
    return RolloutFacts(
        observed_at=datetime.now(UTC),
        run_id=request.run_id,
        targets=tuple(targets),
        keeps_secrets=bool(handle.profile.backup.recipients),
        gates=tuple(one.name for one in gates),
        closed=what_gates_say(handle, gates),
    )


def observe_target(handle: Cluster, change: Change) -> Target:
    """Reads one workload, and tries its change. It does not try what the user of the run has no right to."""
    kube, ref = handle.kube, change.ref
    if lacks := cannot_read(kube, ref):
        return Target(ref=ref, lacks=lacks)
    raw = kube.find(ref.path)
    if raw is None:
        return absent(kube, ref)
    target = look_at(kube, ref, raw)
    if lacks := cannot_act(kube, ref, kept_of(handle, raw), in_order=target.is_ordered):
        return target.model_copy(update={"lacks": lacks})
    return target.model_copy(update=_tried(kube, change, raw))


def absent(kube: KubeClient, ref: Ref) -> Target:
    """Returns a workload that does not exist. A user who may not read namespaces is not told that one is missing."""
    answer = kube.send("GET", f"/api/v1/namespaces/{ref.namespace}")
    return Target(ref=ref, exists=False, has_namespace=answer.status != HTTPStatus.NOT_FOUND)


def kept_of(handle: Cluster, raw: JSON) -> References:
    """Returns the ConfigMaps and Secrets that a snapshot of the workload reads."""
    used = references_of(template_of(raw))
    return used if handle.profile.backup.recipients else used._replace(secrets=())


def look_at(kube: KubeClient, ref: Ref, raw: JSON) -> Target:
    """Reads what belongs to a workload that was just read."""
    template = template_of(raw)
    scaler = find_scaler(kube, ref)
    budgets = parse_budgets(kube.items(f"/apis/policy/v1/namespaces/{ref.namespace}/poddisruptionbudgets"))
    owner = owner_of(*notes_of(raw))
    one = with_pods(kube, ref, raw)
    return Target(
        ref=ref,
        uid=one.uid,
        deleting=one.deleting,
        template=digest_of_template(template),
        containers=tuple(containers_of(template)),
        paused=one.paused,
        strategy=one.strategy,
        partition=one.partition,
        in_order=one.in_order,
        replicas=outside.Rolled.read(raw, name_of(ref.kind.title, raw)).spec.replicas,
        max_surge=one.max_surge,
        max_unavailable=one.max_unavailable,
        problem=standing_of(one).problem,
        scaler=str((scaler.get("metadata") or {}).get("name", "")) if scaler else "",
        owner=owner.who if owner else "",
        owner_way=owner.way if owner else "",
        budgets=tuple(
            f"PodDisruptionBudget {budget.id} ({budget.rule})"
            for budget in budgets
            if selects(budget.selector, labels_of(template))
        ),
        secrets=references_of(template).secrets,
        mark=parse_mark(raw),
    )


def find_scaler(kube: KubeClient, ref: Ref) -> JSON | None:
    """Returns the HorizontalPodAutoscaler of a workload, or None."""
    found = kube.items(f"/apis/autoscaling/v2/namespaces/{ref.namespace}/horizontalpodautoscalers")
    scaler = scaler_of(ref, found)
    return dict(scaler) if scaler else None


def _tried(kube: KubeClient, change: Change, raw: JSON) -> JSON:
    """Returns what the API says of the change, and of a pod of the new template."""
    template = template_of(raw)
    containers = containers_of(template)
    if list(unknown_containers(change, tuple(containers))):
        return {}  # a strategic merge patch would add such a container
    answer = kube.try_patch(change.ref.path, {"spec": patch_of(change, containers, "now")}, "strategic")
    if not answer.is_fine:
        return {"denied": answer.message}
    after = template_of(answer.body)
    diff = tuple(line for line in differences(template, after) if RESTARTED not in line)
    pod = trial_pod(answer.body)
    admitted, said = _tried_pod(kube, change, pod)
    room = read_room(kube, change.ref, trial_pod(raw), pod, admitted)
    return {"diff": diff, "room": room} | (said if change.changes_template else {})


def _tried_pod(kube: KubeClient, change: Change, pod: JSON) -> tuple[JSON, JSON]:
    """Returns the pod as the API would admit it, or as it is; and why it was not admitted."""
    if lacking(kube, [right_to_try(change.ref)]):
        return pod, {"pod_unknown": f"the user of the run may not create pods in namespace {change.namespace}"}
    tried = kube.try_create(f"/api/v1/namespaces/{change.namespace}/pods", pod)
    return (tried.body if tried.is_fine else pod), _of_pod(tried)


def _of_pod(answer: Answer) -> JSON:
    if answer.is_fine:
        return {}
    is_unknown = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return {"pod_unknown" if is_unknown else "pod_denied": answer.message}
