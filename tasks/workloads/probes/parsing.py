"""Parses workloads, their revisions, their pods and their events."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.workloads.models.history import Found, Written
from tasks.workloads.models.names import Kind, Ref
from tasks.workloads.models.state import ContainerState, Happened, PodState, Workload
from tasks.workloads.probes.templates import checked_template

JSON = Mapping[str, Any]

REVISION = "deployment.kubernetes.io/revision"
HASHES = ("pod-template-hash", "controller-revision-hash")
OPERATORS = {"In": "in", "NotIn": "notin"}


def parse_workload(  # noqa: PLR0913, PLR0917 - what belongs to a workload
    ref: Ref,
    raw: JSON,
    revisions: Sequence[JSON],
    pods: Iterable[JSON],
    events: Iterable[JSON],
    known: Container[str] = (),
) -> Workload:
    """Parses a workload with its ReplicaSets or ControllerRevisions, its pods and the events of its namespace.

    Events that were `known` before do not count.
    """
    told = outside.Rolled.read(raw, name_of(ref.kind.title, raw))
    meta, spec, status = told.metadata, told.spec, told.status
    warnings = tuple(one for one in parse_events(events) if one.uid not in known)
    newest, label = newest_revision(ref.kind, raw, revisions)
    counts = _counts(ref.kind, status)
    strategy = spec.strategy if ref.kind is Kind.DEPLOYMENT else spec.update_strategy
    limits = strategy.rolling_update
    late = [
        one.message
        for one in status.conditions
        if one.type == "Progressing" and one.reason == "ProgressDeadlineExceeded"
    ]
    return Workload(
        ref=ref,
        uid=meta.uid,
        resource_version=meta.resource_version,
        generation=meta.generation,
        observed=status.observed_generation,
        replicas=status.desired_number_scheduled if ref.kind is Kind.DAEMON_SET else spec.replicas,
        existing=status.replicas,
        **counts,
        paused=spec.paused,
        strategy=strategy.type or "RollingUpdate",
        max_surge=str(limits.max_surge),
        max_unavailable=str(limits.max_unavailable),
        partition=limits.partition,
        in_order=ref.kind is Kind.STATEFUL_SET and spec.pod_management_policy != "Parallel",
        deadline=timedelta(seconds=spec.progress_deadline_seconds),
        deadline_exceeded=(late[0] or "ProgressDeadlineExceeded") if late else "",
        not_created=_not_created(status, meta.uid, warnings),
        current_revision=status.current_revision,
        update_revision=status.update_revision,
        revision=newest,
        revision_hash=label,
        deleting=meta.deletion_timestamp is not None,
        pods=parse_pods(ref.kind, meta.uid, revisions, pods, warnings),
    )


def _counts(kind: Kind, status: outside.RolledStatus) -> dict[str, int]:
    if kind is Kind.DAEMON_SET:
        return {
            "updated": status.updated_number_scheduled,
            "ready": status.number_ready,
            "available": status.number_available,
        }
    return {
        "updated": status.updated_replicas,
        "ready": status.ready_replicas,
        "available": status.available_replicas,
    }


def _not_created(status: outside.RolledStatus, uid: str, events: Sequence[Happened]) -> str:
    """Returns why no pod is created: a Deployment has a condition, the other kinds have only an event."""
    told = [one.message for one in status.conditions if one.type == "ReplicaFailure" and one.status == "True"]
    told += [one.message for one in events if one.about == uid and one.reason == "FailedCreate"]
    return told[-1] if told else ""


def newest_revision(kind: Kind, raw: JSON, revisions: Sequence[JSON]) -> tuple[str, str]:
    """Returns the name of the revision of the newest template, and the hash that its pods have as a label.

    Both are empty if the controller has not created it yet.
    """
    told = outside.Rolled.read(raw, name_of(kind.title, raw))
    if kind is Kind.DEPLOYMENT:
        number = told.metadata.annotations.get(REVISION, "")
        sets = [outside.ReplicaSet.read(one, name_of("ReplicaSet", one)) for one in owned(told.metadata.uid, revisions)]
        found = next(
            (one.metadata for one in sets if number and one.metadata.annotations.get(REVISION) == number), None
        )
        return (found.name, found.labels.get(HASHES[0], "")) if found else ("", "")
    if kind is Kind.STATEFUL_SET:
        return told.status.update_revision, told.status.update_revision
    mine = owned(told.metadata.uid, revisions)
    parsed = [outside.ControllerRevision.read(one, name_of("ControllerRevision", one)) for one in mine]
    if not parsed:
        return "", ""
    last = max(parsed, key=lambda one: one.revision)
    return last.metadata.name, last.metadata.labels.get(HASHES[1], "")


def owned(uid: str, objects: Iterable[JSON]) -> list[JSON]:
    """Returns the objects whose controller has this uid."""
    return [one for one in objects if uid and controller_uid(one) == uid]


def controller_uid(raw: JSON) -> str:
    """Returns the uid of the object's controller; empty if it has none."""
    owners = outside.OwnedController.read(raw, name_of("object", raw)).metadata.owner_references
    return next((one.uid for one in owners if one.controller), "")


def parse_pods(
    kind: Kind, uid: str, revisions: Sequence[JSON], pods: Iterable[JSON], events: Sequence[Happened]
) -> tuple[PodState, ...]:
    """Parses the pods that the workload controls, directly or by one of its ReplicaSets."""
    mine = {uid}
    if kind is Kind.DEPLOYMENT:
        mine = {outside.Rolled.read(one, name_of("ReplicaSet", one)).metadata.uid for one in owned(uid, revisions)}
    found = [parse_pod(raw, events) for raw in pods if controller_uid(raw) in mine]
    return tuple(sorted(found, key=lambda one: one.name))


def parse_pod(raw: JSON, events: Sequence[Happened] = ()) -> PodState:
    """Parses a pod with its events."""
    told = outside.Pod.read(raw, name_of("pod", raw))
    metadata, status = told.metadata, told.status
    conditions = {one.type: one for one in status.conditions}
    scheduled, ready = conditions.get("PodScheduled"), conditions.get("Ready")
    disrupted = conditions.get("DisruptionTarget")
    images = {one.name: one.image for one in (*told.spec.init_containers, *told.spec.containers)}
    return PodState(
        name=metadata.name,
        uid=metadata.uid,
        revision=next((metadata.labels[name] for name in HASHES if name in metadata.labels), ""),
        phase=status.phase,
        reason=status.reason,
        message=status.message,
        created=metadata.creation_timestamp,
        ready=bool(ready and ready.status == "True"),
        leaving=metadata.deletion_timestamp is not None,
        unscheduled=(scheduled.message or scheduled.reason or "unschedulable")
        if scheduled and scheduled.status == "False"
        else "",
        disrupted=(disrupted.message or disrupted.reason) if disrupted and disrupted.status == "True" else "",
        unready=ready.message if ready and ready.status != "True" else "",
        containers=(
            *(_container(one, images, init=True) for one in status.init_container_statuses),
            *(_container(one, images, init=False) for one in status.container_statuses),
        ),
        events=tuple(one for one in events if one.about == metadata.uid),
    )


def _container(told: outside.ContainerStatus, images: Mapping[str, str], *, init: bool) -> ContainerState:
    state, last = told.state, told.last_state
    ended = state.terminated or last.terminated
    waiting = state.waiting
    message = (waiting.message if waiting else "") or (ended.message if ended else "")
    return ContainerState(
        name=told.name,
        init=init,
        image=images.get(told.name) or told.image,
        ready=told.ready,
        restarts=told.restart_count,
        waiting=waiting.reason if waiting else "",
        message=message,
        running=state.running is not None,
        exit_code=ended.exit_code if ended else None,
        exit_reason=ended.reason if ended else "",
        has_ended=state.terminated is not None,
    )


def parse_events(raw: Iterable[JSON]) -> tuple[Happened, ...]:
    """Parses events, the oldest first."""
    told = [outside.Event.read(one, name_of("event", one)) for one in raw]
    found = [
        Happened(
            uid=f"{one.metadata.name}/{one.series.count or one.count}",
            about=one.involved_object.uid,
            container=_container_of(one.involved_object.field_path),
            reason=one.reason,
            message=one.message,
            at=one.series.last_observed_time or one.last_timestamp or one.event_time,
        )
        for one in told
    ]
    return tuple(sorted(found, key=lambda one: one.at or EARLIEST))


EARLIEST = datetime.min.replace(tzinfo=UTC)


def _container_of(path: str) -> str:
    """Returns `main` for `spec.containers{main}`, or an empty text."""
    return path.partition("{")[2].rstrip("}")


def selector_text(selector: outside.Selector) -> str:
    """Returns the selector as the API takes it in a query."""
    parts = [f"{name}={value}" for name, value in selector.match_labels.items()]
    for one in selector.match_expressions:
        if one.operator in OPERATORS:
            parts.append(f"{one.key} {OPERATORS[one.operator]} ({','.join(one.values)})")
        else:
            parts.append(one.key if one.operator == "Exists" else f"!{one.key}")
    return ",".join(parts)


def parse_history(kind: Kind, raw: JSON, revisions: Sequence[JSON]) -> tuple[Found, ...]:
    """Parses the revisions that the workload owns, with the numbers that kubectl shows."""
    uid = outside.Rolled.read(raw, name_of(kind.title, raw)).metadata.uid
    mine = owned(uid, revisions)
    if kind is not Kind.DEPLOYMENT:
        told = [outside.ControllerRevision.read(one, name_of("ControllerRevision", one)) for one in mine]
        return tuple(_found(one.revision, one.metadata, one.data.spec.template) for one in told)
    sets = [outside.ReplicaSet.read(one, name_of("ReplicaSet", one)) for one in mine]
    numbered = [(one.metadata.annotations.get(REVISION, ""), one) for one in sets]
    return tuple(_found(int(number), one.metadata, one.spec.template) for number, one in numbered if number.isdigit())


def _found(number: int, metadata: outside.RolledMetadata, template: JSON) -> Found:
    return Found(
        number=number,
        name=metadata.name,
        label=hash_of(metadata),
        created=metadata.creation_timestamp,
        annotations=metadata.annotations,
        template=checked_template(template, metadata.name),
    )


def hash_of(metadata: outside.RolledMetadata) -> str:
    """Returns the hash that the pods of a revision have as a label; pods of a StatefulSet have its name."""
    return next((metadata.labels[name] for name in HASHES if name in metadata.labels), metadata.name)


def parse_writers(raw: JSON) -> tuple[Written, ...]:
    """Parses who wrote the template of a workload and when, the last one last.

    The API keeps a program only as long as no other one has written all of its fields.
    """
    fields = outside.Rolled.read(raw, name_of("workload", raw)).metadata.managed_fields
    found = [Written(one.manager, one.time) for one in fields if one.time and "f:template" in spec_of(one.fields_v1)]
    return tuple(sorted(found, key=lambda one: one.at))


def spec_of(fields: JSON) -> JSON:
    """Returns the fields of the spec in an entry of managedFields."""
    found = fields.get("f:spec")
    return found if isinstance(found, Mapping) else {}
