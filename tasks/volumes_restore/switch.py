"""Puts a new volume in the place of an old one. The old volume and its claim's text stay."""

import json
from datetime import timedelta
from typing import Any

from tasks.clients.kube import Conflicted, KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.volumes.observe import path_of_claims
from tasks.volumes.probes.objects import VOLUMES
from tasks.volumes_restore.job import Job
from tasks.volumes_restore.models.done import KeptVolume
from tasks.volumes_restore.models.facts import RECLAIM, REPLACED, RESTORE, Journal, RestoreTarget
from tasks.volumes_restore.observe import read_live
from tasks.volumes_restore.probes.objects import Disk, claim_body, parse_disk, parse_journal, whole_of

JSON = dict[str, Any]

BOUND_WITHIN = timedelta(minutes=2)
"""Limits the wait until the controller manager has bound a claim to a volume that names it; that takes seconds."""

GONE_WITHIN = timedelta(minutes=5)
"""Limits the wait until a claim that nothing uses is gone."""

AGAIN = "run this again: it goes on where this run stopped"


def retain_before_stop(job: Job, target: RestoreTarget) -> None:
    """Sets the old volume to Retain while its claim still exists: what stops with the workload may delete that claim.

    The policy that it had is in an annotation.
    """
    raw = job.kube.find(f"{VOLUMES}/{target.old_volume}") if target.old_volume else None
    policy = parse_disk(raw).spec.persistent_volume_reclaim_policy if raw else ""
    if policy in {"", "Retain"}:
        return
    job.check()
    _patch_volume(job, target.old_volume, {}, {RECLAIM: policy}, "Retain")
    log_about(target.id).info("old volume %s: %s -> Retain", target.old_volume, policy)


def give_policy_back(job: Job, target: RestoreTarget) -> None:
    """Undoes `retain_before_stop`, when nothing is switched after all."""
    raw = job.kube.find(f"{VOLUMES}/{target.old_volume}") if target.old_volume else None
    notes = parse_disk(raw).metadata.annotations if raw else {}
    if RECLAIM not in notes or REPLACED in notes:
        return
    job.check()
    back = {"metadata": {"annotations": {RECLAIM: None}}, "spec": {"persistentVolumeReclaimPolicy": notes[RECLAIM]}}
    job.kube.patch(f"{VOLUMES}/{target.old_volume}", back)


def keep_old(job: Job, target: RestoreTarget, volume: str) -> KeptVolume | None:
    """Sets both volumes to Retain, writes the journal, then removes the old claim. Returns the old volume; None if there is none."""
    kube = job.kube
    _note_switch(job, target, volume)
    old = target.old
    if old is None:
        return None
    kept = _retain_old(job, target)
    path = f"{path_of_claims(target.record.namespace)}/{target.record.claim}"
    now = read_live(kube, target.record.namespace, target.record.claim)
    if now and now.uid == old.uid:
        if now.volume != old.volume:
            raise Refused(f"{target.id}: the claim is no longer bound to {old.volume}", hint=AGAIN)
        job.check()
        kube.delete(path, {"preconditions": {"uid": old.uid}})
        log_about(target.id).info("old claim deleted; its volume %s stays", old.volume or "(none)")
    _wait_gone(kube, path, old.uid, target.id)
    _prove_kept(kube, target)
    return kept


def _note_switch(job: Job, target: RestoreTarget, volume: str) -> None:
    raw = job.kube.get(f"{VOLUMES}/{volume}")
    journal = parse_journal(raw)
    if journal and not journal.done and journal.claim == target.record.claim:
        return
    journal = Journal(
        run=job.run_id,
        backup=job.backup,
        namespace=target.record.namespace,
        claim=target.record.claim,
        claim_uid=target.old.uid if target.old else "",
        old_volume=target.old_volume,
        temporary=target.made,
        policy=parse_disk(raw).spec.persistent_volume_reclaim_policy or "Retain",
        template=target.template,
    )
    job.check()
    _patch_volume(job, volume, {RESTORE: target.mark}, {RESTORE: journal.model_dump_json()}, "Retain")


def _patch_volume(job: Job, volume: str, labels: dict[str, str], notes: dict[str, str], policy: str) -> None:
    job.kube.patch(
        f"{VOLUMES}/{volume}",
        {"metadata": {"labels": labels, "annotations": notes}, "spec": {"persistentVolumeReclaimPolicy": policy}},
    )


def _retain_old(job: Job, target: RestoreTarget) -> KeptVolume | None:
    """Sets the old volume to Retain, with its policy and its claim in annotations; returns it as it was."""
    raw = job.kube.find(f"{VOLUMES}/{target.old_volume}") if target.old_volume else None
    if raw is None:
        return None
    disk = parse_disk(raw)
    policy = disk.metadata.annotations.get(RECLAIM) or disk.spec.persistent_volume_reclaim_policy
    kept = KeptVolume(name=disk.metadata.name, policy=policy, folder=disk.folder)
    if REPLACED in disk.metadata.annotations and disk.spec.persistent_volume_reclaim_policy == "Retain":
        return kept
    job.check()
    notes = {RECLAIM: policy, REPLACED: json.dumps(_body_with(target, target.old_volume, disk))}
    _patch_volume(job, disk.metadata.name, {REPLACED: target.mark}, notes, "Retain")
    log_about(target.id).info("old volume %s: %s -> Retain", disk.metadata.name, policy)
    return kept


def _body_with(target: RestoreTarget, volume: str, disk: Disk) -> JSON:
    """Returns the claim with the original name, bound to a volume."""
    template = target.old.template if target.old and volume == target.old_volume else target.template
    size = disk.spec.capacity.get("storage", target.request)
    is_old = volume == target.old_volume
    spec = {
        "storageClassName": template.storage_class if is_old else disk.spec.storage_class_name,
        "resources": {"requests": {"storage": (template.request or size) if is_old else target.request}},
        "volumeName": volume,
    }
    return claim_body((target.record.namespace, target.record.claim), template, spec, whole_of(template))


def _prove_kept(kube: KubeClient, target: RestoreTarget) -> None:
    if not target.old_volume:
        return
    raw = kube.find(f"{VOLUMES}/{target.old_volume}")
    if raw is None or parse_disk(raw).spec.persistent_volume_reclaim_policy != "Retain":
        raise Refused(
            f"{target.id}: the old volume {target.old_volume} is not there with Retain",
            hint=f"kubectl get pv {target.old_volume} -o yaml; then {AGAIN}",
        )


def bind_new(job: Job, target: RestoreTarget, volume: str) -> str:
    """Removes the temporary claim, lets the new volume name the original claim, and creates that."""
    kube, folder = job.kube, path_of_claims(target.record.namespace)
    path = f"{folder}/{target.record.claim}"
    now = read_live(kube, target.record.namespace, target.record.claim)
    if now and now.volume != volume:
        raise Refused(
            f"{target.id}: somebody created the claim again meanwhile, for {now.volume or 'a new volume'}",
            hint=f"kubectl -n {target.record.namespace} delete pvc {target.record.claim}, if nothing uses it; then {AGAIN}",
        )
    if now is None:
        _free(job, target, volume)
        job.check()
        try:
            kube.create(folder, _body_with(target, volume, parse_disk(kube.get(f"{VOLUMES}/{volume}"))))
        except Conflicted:
            raise NotYet(f"{target.id}: somebody created the claim at the same time", hint=AGAIN) from None
        log_about(target.id).info("claim created for the new volume %s", volume)
    _wait_bound(kube, target, volume, path)
    return f"{target.id}: {volume}"


def _free(job: Job, target: RestoreTarget, volume: str) -> None:
    """Takes the new volume from the temporary claim. The volume is Retain, so it stays."""
    kube = job.kube
    disk = parse_disk(kube.get(f"{VOLUMES}/{volume}"))
    if disk.spec.persistent_volume_reclaim_policy != "Retain":
        raise Refused(
            f"{target.id}: somebody set the new volume {volume} to {disk.spec.persistent_volume_reclaim_policy}",
            hint=AGAIN,
        )
    temporary = f"{path_of_claims(target.record.namespace)}/{target.made}"
    found = read_live(kube, target.record.namespace, target.made)
    if found:
        if found.mark != target.sign:
            raise Refused(f"{target.id}: the claim {target.made} is not ours", hint=AGAIN)
        job.check()
        kube.delete(temporary, {"preconditions": {"uid": found.uid}})
        _wait_gone(kube, temporary, found.uid, target.id)
    ref = disk.spec.claim_ref
    if ref.name not in {target.made, target.record.claim, ""} or ref.namespace not in {target.record.namespace, ""}:
        raise Refused(f"{target.id}: the new volume {volume} is bound to {ref.namespace}/{ref.name}", hint=AGAIN)
    if (ref.namespace, ref.name, ref.uid) == (target.record.namespace, target.record.claim, ""):
        return
    job.check()
    wanted = {"namespace": target.record.namespace, "name": target.record.claim, "uid": None, "resourceVersion": None}
    kube.patch(f"{VOLUMES}/{volume}", {"spec": {"claimRef": wanted}})


def _wait_bound(kube: KubeClient, target: RestoreTarget, volume: str, path: str) -> None:
    def look() -> None:
        claim = read_live(kube, target.record.namespace, target.record.claim)
        disk = parse_disk(kube.get(f"{VOLUMES}/{volume}"))
        if claim is None or claim.phase != "Bound" or disk.spec.claim_ref.uid != claim.uid:
            phase = claim.phase if claim else "gone"
            raise NotYet(
                f"{target.id}: the claim is {phase}, and its volume {volume} is {disk.status.phase}",
                hint=f"kubectl describe pv {volume}",
            )

    wait_for(look, BOUND_WITHIN, what="the claim to be bound", about=path.rpartition("/")[2])


def finish(job: Job, target: RestoreTarget, volume: str) -> str:
    """Gives the new volume the reclaim policy back with which it was made, and closes the journal."""
    journal = parse_journal(job.kube.get(f"{VOLUMES}/{volume}"))
    if journal is None or journal.done:
        return f"{target.id}: {volume}"
    now = read_live(job.kube, target.record.namespace, target.record.claim)
    if now is None or (now.volume, now.deleting) != (volume, False):  # its data would go with the claim
        raise Refused(f"{target.id}: the claim is no longer bound to the new volume {volume}, which stays", hint=AGAIN)
    job.check()
    done = journal.model_copy(update={"done": True, "run": job.run_id})
    _patch_volume(job, volume, {RESTORE: target.mark}, {RESTORE: done.model_dump_json()}, journal.policy)
    log_about(target.id).info("bound to %s, whose policy is %s again", volume, journal.policy)
    return f"{target.id}: {volume}"


def _wait_gone(kube: KubeClient, path: str, uid: str, about: str) -> None:
    def look() -> None:
        found = kube.find(path)
        if found and found["metadata"]["uid"] == uid:
            held = ", ".join(found["metadata"].get("finalizers", ())) or "nothing"
            raise NotYet(f"{about}: the claim is being deleted, and held by: {held}", hint=AGAIN)

    wait_for(look, GONE_WITHIN, what="the claim to be gone", about=about)
