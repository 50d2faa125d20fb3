"""Rolls one workload back: its ConfigMaps and Secrets first, then its template, then the proof."""

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from tasks.core.errors import Refused
from tasks.core.logs import log_about
from tasks.workloads.act import Job, finish_mark, notes_of_run, read, refuse_other, retried, write_mark
from tasks.workloads.goals import content_of, same_aim
from tasks.workloads.models.rollback import RESOURCES, Aim, BackTarget, RollbackOptions, RolledBack
from tasks.workloads.models.rollout import ROLLOUT, Mark
from tasks.workloads.observe import with_pods
from tasks.workloads.policy.changes import RESTARTED
from tasks.workloads.policy.history import CAUSE
from tasks.workloads.policy.templates import digest_of_template, images_of, same_template, without_hashes
from tasks.workloads.probes.targets import parse_mark, template_of
from tasks.workloads.put_back import LONGEST_CAUSE, prove_back, write_template
from tasks.workloads.snapshots import Secrets, open_secrets, read_config, take_snapshot

JSON = dict[str, Any]


def roll_back(job: Job, one: BackTarget, to: str, options: RollbackOptions) -> RolledBack:
    """Rolls a workload back and proves it. A second call finds what the first has done.

    Raises:
        Refused: somebody has changed the workload since the plan, or a ConfigMap or a Secret at the same time.
        RolloutFailed: the pods of that revision cannot run any more.
        TimedOut: it is not proven in time.
    """
    ref, kube, began = one.target.ref, job.handle.kube, datetime.now(UTC)
    raw = read(kube, ref)
    mark = parse_mark(raw)
    resumed = mark if mark and mark.is_written(one.goal, digest_of_template(template_of(raw))) else None
    config: tuple[str, ...] = ()
    if resumed:
        log_about(ref.id).info("run %s has rolled it back already; this run proves it", resumed.run)
        snapshot = resumed.snapshot
    else:
        refuse_other(raw, one.target)
        aim = same_aim(job.handle, one, raw, to)
        before = with_pods(kube, ref, raw)
        snapshot = take_snapshot(job.handle, ref, raw, before.revision, job.run_id, proven=False).key
        config = _restore_config(job, one, aim, options)
        made = Mark(run=job.run_id, change=one.goal, snapshot=snapshot, began=datetime.now(UTC))
        retried(lambda: _write(job, one, aim, made))
    unstuck = prove_back(job, ref)
    after = read(kube, ref)
    seen = with_pods(kube, ref, after)
    take_snapshot(job.handle, ref, after, seen.revision, job.run_id, proven=True)
    finish_mark(kube, ref, job.run_id, "done")
    return RolledBack(
        workload=ref.id,
        to=one.words,
        changed=resumed is None,
        revision=seen.revision,
        images=images_of(template_of(after)),
        config=config,
        unstuck=unstuck,
        snapshot=snapshot,
        took=datetime.now(UTC) - began,
    )


def begin(job: Job, targets: Sequence[BackTarget]) -> None:
    """Records in every workload that this run rolls it back, before the first one changes.

    So a run that is killed between two workloads finds out later which of them are done.
    """
    for one in targets:
        mark, template = one.target.mark, one.target.template
        job.check()
        if mark and (mark.is_written(one.goal, template) or mark.is_proven(one.goal, template)):
            write_mark(job.handle.kube, one.target.ref, mark.model_copy(update={"run": job.run_id}))
        else:
            made = Mark(run=job.run_id, change=one.goal, state="begun", began=datetime.now(UTC))
            write_mark(job.handle.kube, one.target.ref, made)


def _write(job: Job, one: BackTarget, aim: Aim, mark: Mark) -> None:
    """Writes the template of then. If it is the same, only its configuration went back: the pods are restarted for it."""
    ref = one.target.ref
    raw = read(job.handle.kube, ref)
    refuse_other(raw, one.target)
    template = without_hashes(aim.template)
    if same_template(template, template_of(raw)):
        notes = template["metadata"].get("annotations") or {}
        restarted = {RESTARTED: f"{mark.began:%Y-%m-%dT%H:%M:%SZ}"}
        template = template | {"metadata": template["metadata"] | {"annotations": notes | restarted}}
    cause = f"kube-runbooks: rolled back to {aim.words}: {job.words}"[:LONGEST_CAUSE]
    written = mark.model_copy(update={"template": digest_of_template(template)})
    notes_now = notes_of_run(job) | {CAUSE: cause, ROLLOUT: written.model_dump_json()}
    write_template(job, ref, raw, template, notes_now)


def _restore_config(job: Job, one: BackTarget, aim: Aim, options: RollbackOptions) -> tuple[str, ...]:
    """Brings back the ConfigMaps and Secrets of then, each only if nobody writes it at the same time."""
    kube, namespace, config = job.handle.kube, one.target.ref.namespace, one.goes_back(options)
    secrets = open_secrets(job.handle, aim.snapshot, aim.key) if aim.snapshot and options.secrets else Secrets({})
    then = content_of(aim, secrets)
    for each in config:
        if each.name not in then[each.kind]:
            raise Refused(f"{each.label} of the snapshot cannot be read any more", hint="start a new run")
        wanted, now = then[each.kind][each.name], read_config(kube, namespace, each.kind, each.name)
        path = f"/api/v1/namespaces/{namespace}/{RESOURCES[each.kind]}"
        content: JSON = {part: wanted[part] for part in ("type", "data", "binaryData", "immutable") if part in wanted}
        metadata = wanted.get("metadata") or {}
        kept = {part: metadata[part] for part in ("labels", "annotations") if metadata.get(part)}
        base: JSON = {"apiVersion": "v1", "kind": each.kind, **content}
        job.check()
        if not now:
            kube.create(path, base | {"metadata": {"name": each.name, "namespace": namespace, **kept}})
            continue
        answer = kube.send("PUT", f"{path}/{each.name}", base | {"metadata": now["metadata"]})
        if answer.status == HTTPStatus.CONFLICT:
            raise Refused(
                f"{each.kind} {namespace}/{each.name}: somebody changed it at the same time; it was not overwritten",
                hint="start a new run",
            )
        if not answer.is_fine:
            raise Refused(f"{each.kind} {namespace}/{each.name}: {answer.message}", hint="correct what the API refuses")
    return tuple(each.label for each in config)
