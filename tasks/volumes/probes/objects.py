"""Parses claims, volumes, classes and snapshots. Asked at: /api/v1/persistentvolumeclaims, /apis/snapshot.storage.k8s.io/v1/..."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from tasks.core.models import outside
from tasks.core.models.base import UtcTime
from tasks.core.models.outside import Metadata, Outside, VolumeAffinity, name_of
from tasks.nodes.probes.pods import parse_node_terms
from tasks.volumes.models.facts import Claim, SnapshotClass, Volume
from tasks.volumes.models.snapshots import BACKUP, POLICY, RUN, Content, Snapshot

JSON = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

GROUP = "/apis/snapshot.storage.k8s.io/v1"
CLAIMS, VOLUMES, NODES = "/api/v1/persistentvolumeclaims", "/api/v1/persistentvolumes", "/api/v1/nodes"
SNAPSHOTS, CONTENTS, CLASSES = (
    f"{GROUP}/{kind}" for kind in ("volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses")
)

BEING_CREATED = "snapshot.storage.kubernetes.io/volumesnapshot-being-created"
BEING_DELETED = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

GENERAL = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)
"""Names the fields of a volume that every kind of volume has; the other one is its kind."""


class _Created(Metadata):
    creation_timestamp: UtcTime
    finalizers: tuple[str, ...] = ()


class _ClaimSpec(Outside):
    volume_name: str = ""
    storage_class_name: str = ""
    access_modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"


class _ClaimStatus(Outside):
    phase: str = ""
    capacity: dict[str, str] = Field(default={})


class _Claim(Outside):
    metadata: Metadata
    spec: _ClaimSpec = _ClaimSpec()
    status: _ClaimStatus = _ClaimStatus()


class _Csi(Outside):
    driver: str
    volume_handle: str


class _Path(Outside):
    path: str


class _VolumeSpec(Outside):
    csi: _Csi | None = None
    local: _Path | None = None
    host_path: _Path | None = None
    node_affinity: VolumeAffinity = VolumeAffinity()


class _Volume(Outside):
    metadata: Metadata
    spec: _VolumeSpec = _VolumeSpec()


class _Error(Outside):
    message: str = ""


class _SnapshotSource(Outside):
    persistent_volume_claim_name: str = ""


class _SnapshotSpec(Outside):
    source: _SnapshotSource = _SnapshotSource()


class _SnapshotStatus(Outside):
    bound_volume_snapshot_content_name: str = ""
    ready_to_use: bool = False
    error: _Error = _Error()


class _Snapshot(Outside):
    metadata: _Created
    spec: _SnapshotSpec = _SnapshotSpec()
    status: _SnapshotStatus | None = None


class _Reference(Outside):
    namespace: str = ""
    name: str = ""
    uid: str = ""


class _ContentSource(Outside):
    volume_handle: str = ""


class _ContentSpec(Outside):
    driver: str
    deletion_policy: str
    source_volume_mode: str = "Filesystem"
    source: _ContentSource = _ContentSource()
    volume_snapshot_ref: _Reference


class _ContentStatus(Outside):
    snapshot_handle: str = ""
    creation_time: int | None = None
    restore_size: int = 0
    ready_to_use: bool = False
    error: _Error = _Error()


class _Content(Outside):
    metadata: _Created
    spec: _ContentSpec
    status: _ContentStatus | None = None


def parse_claim(raw: JSON) -> Claim:
    """Parses a PersistentVolumeClaim."""
    one = _Claim.read(raw, name_of("claim", raw))
    return Claim(
        namespace=one.metadata.namespace,
        name=one.metadata.name,
        uid=one.metadata.uid,
        phase=one.status.phase,
        volume=one.spec.volume_name,
        storage_class=one.spec.storage_class_name,
        access_modes=one.spec.access_modes,
        block=one.spec.volume_mode == "Block",
        size=one.status.capacity.get("storage", ""),
        deleting=one.metadata.deletion_timestamp is not None,
    )


def parse_volume(raw: JSON) -> Volume:
    """Parses a PersistentVolume."""
    one = _Volume.read(raw, name_of("volume", raw))
    csi, folder = one.spec.csi, one.spec.local or one.spec.host_path
    return Volume(
        name=one.metadata.name,
        uid=one.metadata.uid,
        driver=csi.driver if csi else "",
        handle=csi.volume_handle if csi else "",
        source=next((name for name in raw.get("spec", {}) if name not in GENERAL), "unknown"),
        path=str(PurePosixPath("/" + folder.path.lstrip("/"))) if folder else "",
        node_terms=parse_node_terms(one.spec.node_affinity.required),
    )


def parse_class(raw: JSON) -> SnapshotClass:
    """Parses a VolumeSnapshotClass."""
    one = outside.SnapshotClass.read(raw, name_of("VolumeSnapshotClass", raw))
    secrets = [value for name, value in sorted(one.parameters.items()) if name.endswith("secret-name")]
    return SnapshotClass(
        name=one.metadata.name,
        driver=one.driver,
        policy=one.deletion_policy,
        is_default=one.is_default,
        secrets=tuple(secrets),
    )


def parse_snapshot(raw: JSON) -> Snapshot:
    """Parses a VolumeSnapshot."""
    one = _Snapshot.read(raw, name_of("VolumeSnapshot", raw))
    meta, status = one.metadata, one.status or _SnapshotStatus()
    return Snapshot(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        run=meta.labels.get(RUN, ""),
        backup=meta.annotations.get(BACKUP, ""),
        claim=one.spec.source.persistent_volume_claim_name,
        content=status.bound_volume_snapshot_content_name,
        is_ready=status.ready_to_use,
        is_seen=one.status is not None or bool(meta.finalizers),
        error=status.error.message,
        deleting=meta.deletion_timestamp is not None,
        created_at=meta.creation_timestamp,
    )


def parse_content(raw: JSON) -> Content:
    """Parses a VolumeSnapshotContent. Its creation time is in nanoseconds."""
    one = _Content.read(raw, name_of("VolumeSnapshotContent", raw))
    meta, spec, status = one.metadata, one.spec, one.status or _ContentStatus()
    return Content(
        name=meta.name,
        run=meta.labels.get(RUN, ""),
        backup=meta.annotations.get(BACKUP, ""),
        driver=spec.driver,
        policy=spec.deletion_policy,
        class_policy=meta.annotations.get(POLICY, ""),
        snapshot=f"{spec.volume_snapshot_ref.namespace}/{spec.volume_snapshot_ref.name}",
        snapshot_uid=spec.volume_snapshot_ref.uid,
        volume=spec.source.volume_handle,
        handle=status.snapshot_handle,
        size=status.restore_size,
        cut_at=_moment(status.creation_time),
        is_ready=status.ready_to_use,
        is_seen=one.status is not None or BEING_CREATED in meta.annotations,
        block=spec.source_volume_mode == "Block",
        error=status.error.message,
        created_at=meta.creation_timestamp,
    )


def _moment(nanoseconds: int | None) -> UtcTime | None:
    return None if nanoseconds is None else EPOCH + timedelta(microseconds=nanoseconds // 1000)


def bare_claim(one: Claim, now: JSON | None) -> JSON:
    """Returns the claim of a backup as a person would write it; if it is gone meanwhile, or another one, as the plan has it."""
    if now and now["metadata"].get("uid") == one.uid:
        return bare(now, "PersistentVolumeClaim")
    spec: JSON = {
        "accessModes": list(one.access_modes),
        "resources": {"requests": {"storage": one.size}},
        "storageClassName": one.storage_class,
        "volumeMode": "Block" if one.block else "Filesystem",
        "volumeName": one.volume,
    }
    return bare({"metadata": {"namespace": one.namespace, "name": one.name}, "spec": spec}, "PersistentVolumeClaim")


def bare(raw: JSON, kind: str) -> JSON:
    """Returns an object as a person would write it: without its status, and without what the server fills in."""
    meta = raw.get("metadata", {})
    kept = {name: meta[name] for name in ("name", "namespace", "labels") if meta.get(name)}
    notes = {name: value for name, value in (meta.get("annotations") or {}).items() if name != LAST_APPLIED}
    kept |= {"annotations": notes} if notes else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": kept, "spec": raw.get("spec", {})}
