"""Makes new volumes of snapshots and archives, with claims. Each act looks first at what an earlier attempt left."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tasks.clients.kube import Conflicted, KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.volumes.archive_restore import restore_beside
from tasks.volumes.models.archives import Restored
from tasks.volumes.observe import path_of_claims, path_of_snapshots
from tasks.volumes.probes.objects import CONTENTS, VOLUMES
from tasks.volumes_restore.job import Job
from tasks.volumes_restore.models.done import NewVolume
from tasks.volumes_restore.models.facts import RESTORE, ArchiveTarget, Live, SnapshotTarget
from tasks.volumes_restore.observe import read_live, read_pair, read_source
from tasks.volumes_restore.policy.names import mark_of
from tasks.volumes_restore.policy.sizes import bytes_of
from tasks.volumes_restore.policy.source import what_is_missing
from tasks.volumes_restore.probes.objects import SNAPSHOT_API, Disk, new_claim, parse_disk

JSON = dict[str, Any]

LOOK_EVERY = timedelta(seconds=1)
AGAIN = "run this again: it makes a new plan"

NO_SNAPSHOT = re.compile(r"code = NotFound|can ?not find snapshot|snapshot .* not found", re.IGNORECASE)
"""Matches what csi-snapshotter and csi-provisioner say when the storage has no such snapshot.

It only shortens the wait. With other words, the wait reaches its limit and shows them; the old claim is untouched in both cases.
"""


def import_snapshot(job: Job, target: SnapshotTarget) -> bool:
    """Creates the two objects of a snapshot that the storage has; returns whether this attempt created one."""
    record, source, labels = (
        target.record,
        target.source,
        {RESTORE: mark_of(job.backup, target.record.namespace, target.record.claim)},
    )
    about: JSON = {"apiVersion": f"{SNAPSHOT_API}/v1"}
    meta: JSON = {"labels": labels, "annotations": {RESTORE: job.backup}}
    of_class = {"volumeSnapshotClassName": target.snapshot_class} if target.snapshot_class else {}
    content = about | {
        "kind": "VolumeSnapshotContent",
        "metadata": meta | {"name": source.content},
        "spec": {
            "driver": record.driver,
            "deletionPolicy": "Retain",
            "source": {"snapshotHandle": record.handle},
            "sourceVolumeMode": record.mode,
            "volumeSnapshotRef": {"namespace": record.namespace, "name": source.snapshot},
            **of_class,
        },
    }
    snapshot = about | {
        "kind": "VolumeSnapshot",
        "metadata": meta | {"name": source.snapshot},
        "spec": {"source": {"volumeSnapshotContentName": source.content}, **of_class},
    }
    made = [
        _created(job, CONTENTS, content, target),
        _created(job, path_of_snapshots(record.namespace), snapshot, target),
    ]
    return any(made)


def _created(job: Job, folder: str, body: JSON, target: SnapshotTarget) -> bool:
    """Creates an object with our label; returns False if it is there already. `Refused` if that is not ours."""
    kube, name, kind = job.kube, body["metadata"]["name"], body["kind"]
    there = kube.find(f"{folder}/{name}")
    if there is None:
        job.check()
        try:
            kube.create(folder, body)
        except Conflicted:
            there = kube.get(f"{folder}/{name}")
        else:
            log_about(target.id).info("%s %s created", kind, name)
            return True
    if (there["metadata"].get("labels") or {}).get(RESTORE) != body["metadata"]["labels"][RESTORE]:
        raise Refused(
            f"{target.id}: there is another {kind} {name}, which no restore made", hint=f"delete or rename it; {AGAIN}"
        )
    return False


def wait_imported(kube: KubeClient, target: SnapshotTarget, limit: timedelta) -> None:
    """Waits until an imported snapshot is ready, and both objects name each other."""
    record, source = target.record, target.source

    def look() -> None:
        missing = what_is_missing(source, record, *read_pair(kube, record.namespace, source.snapshot, source.content))
        if NO_SNAPSHOT.search(missing):
            raise Refused(
                f"{target.id}: the storage has no snapshot {record.handle}: {missing}",
                hint="name another backup with --backup, if the storage has its snapshots",
            )
        if missing:
            hint = f"`kubectl describe volumesnapshotcontent {source.content}` shows the events"
            raise NotYet(f"{target.id}: {missing}", hint=hint)

    wait_for(look, limit, what="the imported snapshot to be ready", about=target.id, every=LOOK_EVERY)


def create_claim(job: Job, target: SnapshotTarget) -> bool:
    """Creates the claim that gets the new volume; returns False if an earlier attempt has."""
    _check_source(job, target)
    _check_old(job.kube, target)
    return _created(job, path_of_claims(target.record.namespace), new_claim(target, job.backup), target)


def _check_source(job: Job, target: SnapshotTarget) -> None:
    """Looks again right before the act: another object may have the snapshot's name now."""
    now = read_source(job.kube, job.backup, target.record)
    if now.way is not target.source.way:
        raise Refused(f"{target.id}: its snapshot is no longer that of the plan: {now.why}", hint=AGAIN)


def _check_old(kube: KubeClient, target: SnapshotTarget | ArchiveTarget) -> None:
    old = target.old
    if old is None:
        return
    now = read_live(kube, target.record.namespace, target.record.claim)
    if now is None or (now.uid, now.volume, now.deleting) != (old.uid, old.volume, False):
        raise Refused(f"{target.id}: the claim is no longer that of the plan", hint=AGAIN)


def make_of_archive(
    handle: Cluster, job: Job, target: ArchiveTarget, objects: Sequence[JSON]
) -> tuple[NewVolume, Restored]:
    """Lets its node restore an archive into a new folder, with a new volume and the claim that gets it; `objects` are the manifest's."""
    _check_old(job.kube, target)
    job.check()
    namespace = target.record.namespace
    before = read_live(job.kube, namespace, target.made)
    named = target.path if target.is_named else ""
    restored = restore_beside(handle, target.record, objects, target.made, target.suffix, named)
    claim = read_live(job.kube, namespace, target.made)
    if claim is None or claim.mark != target.sign:
        raise Refused(f"{target.id}: somebody deleted the new claim {target.made}", hint=AGAIN)
    return _judge_new(job.kube, target, claim).model_copy(update={"created": before is None}), restored


def wait_bound(kube: KubeClient, target: SnapshotTarget, limit: timedelta) -> NewVolume:
    """Waits until the storage has made the volume, and proves that it is another one than the old, and large enough."""
    namespace, lost = target.record.namespace, list[str]()

    def look() -> Live:
        claim = read_live(kube, namespace, target.made)
        if claim is None and lost:  # only now: nothing waits for the snapshot any more
            raise Refused(
                f"{target.id}: the storage cannot make a volume of the snapshot {target.record.handle}: {lost[0]}",
                hint="name another backup with --backup, if the storage has its snapshots",
            )
        if claim is None or (claim.deleting and not lost):
            raise Refused(f"{target.id}: somebody deleted the new claim {target.made}", hint=AGAIN)
        if claim.phase == "Bound" and not lost:
            return claim
        said = lost[0] if lost else _last_warning(kube, namespace, claim.uid)
        if NO_SNAPSHOT.search(said) and not lost:
            _forget(kube, namespace, target.made, claim)
            lost.append(said)
        hint = f"`kubectl -n {namespace} describe pvc {target.made}` shows the events"
        raise NotYet(f"{target.id}: the claim {target.made} has no volume yet{f': {said}' if said else ''}", hint=hint)

    claim = wait_for(look, limit, what="the storage to make the volume", about=target.id, every=LOOK_EVERY)
    return _judge_new(kube, target, claim)


def _judge_new(kube: KubeClient, target: SnapshotTarget | ArchiveTarget, claim: Live) -> NewVolume:
    disk = parse_disk(kube.get(f"{VOLUMES}/{claim.volume}"))
    size = disk.spec.capacity.get("storage", "")
    if wrong := _what_is_wrong(target, disk, size):
        raise Refused(
            f"{target.id}: the new volume {claim.volume} is not what was asked for: {wrong}",
            hint=f"kubectl -n {target.record.namespace} delete pvc {target.made}; then {AGAIN}",
        )
    return NewVolume(id=target.id, claim=target.made, volume=claim.volume, handle=disk.handle, size=size)


def _what_is_wrong(target: SnapshotTarget | ArchiveTarget, disk: Disk, size: str) -> str:
    if isinstance(target, ArchiveTarget):
        return "" if disk.folder == target.path else f"it is {disk.handle or 'no folder'}, not {target.path}"
    driver = disk.spec.csi.driver if disk.spec.csi else ""
    if driver != target.record.driver:
        return f"it is of {driver or 'no CSI driver'}, not of {target.record.driver}"
    if disk.handle in {target.record.volume_handle, target.old.volume_handle if target.old else ""}:
        return f"it is the old volume {disk.handle}"
    if bytes_of(size) < target.record.restore_size:
        return f"it has {size or 'no'} capacity, and the snapshot needs {target.record.restore_size} bytes"
    return ""


def _last_warning(kube: KubeClient, namespace: str, uid: str) -> str:
    """Returns what the provisioner said last about a claim."""
    query = {"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
    found = kube.items(f"/api/v1/namespaces/{namespace}/events", **query)
    newest = max(found, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""), default={})
    return str(newest.get("message", ""))


def _forget(kube: KubeClient, namespace: str, name: str, claim: Live) -> None:
    """Deletes a new claim that never gets a volume."""
    kube.delete(f"{path_of_claims(namespace)}/{name}", {"preconditions": {"uid": claim.uid}})
    log_about(f"{namespace}/{name}").info("deleted: it would wait for ever")


def proven_claim(kube: KubeClient, target: SnapshotTarget | ArchiveTarget, volume: str) -> str:
    """Reads a restored claim back, and returns it with its volume. `Refused` if it has another one than this restore made."""
    claim = read_live(kube, target.record.namespace, target.name)
    if claim is None or (claim.phase, claim.volume, claim.deleting) != ("Bound", volume, False):
        state = f"{claim.phase} to {claim.volume or 'nothing'}" if claim else "gone"
        raise Refused(
            f"{target.id}: the claim {target.name} is {state}{' and being deleted' if claim and claim.deleting else ''}, "
            f"not bound to the new volume {volume}, which has the restored data and stays",
            hint=f"find what made it again: kubectl -n {target.record.namespace} describe pvc {target.name}",
        )
    _judge_new(kube, target, claim)
    return f"{target.record.namespace}/{target.name}: {claim.volume} ({claim.volume_handle})"
