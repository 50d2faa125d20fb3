"""Parses claims, volumes and classes. Asked at: /api/v1/persistentvolumeclaims, /api/v1/persistentvolumes, /apis/storage.k8s.io/v1/storageclasses."""

from typing import Any

from pydantic import Field, ValidationError

from tasks.core.errors import Refused
from tasks.core.models.outside import Metadata, Outside, name_of
from tasks.volumes.policy.beside import ARCHIVE
from tasks.volumes.probes.objects import LAST_APPLIED
from tasks.volumes_restore.models.facts import RESTORE, DiskClass, Existing, Journal, Live, SnapshotTarget, Template

JSON = dict[str, Any]

SELECTED_NODE = "volume.kubernetes.io/selected-node"
SNAPSHOT_API = "snapshot.storage.k8s.io"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"

OF_CONTROLLERS = frozenset(
    {
        SELECTED_NODE,
        LAST_APPLIED,
        RESTORE,
        ARCHIVE,
        "pv.kubernetes.io/bind-completed",
        "pv.kubernetes.io/bound-by-controller",
        "volume.kubernetes.io/storage-provisioner",
        "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/storage-resizer",
    }
)
"""Lists annotations of a claim that belong to its old volume."""


class _Owned(Metadata):
    owner_references: tuple[JSON, ...] = ()


class _Resources(Outside):
    requests: dict[str, str] = Field(default={})


class _ClaimSpec(Outside):
    volume_name: str = ""
    storage_class_name: str = ""
    volume_mode: str = "Filesystem"
    access_modes: tuple[str, ...] = ()
    volume_attributes_class_name: str = ""
    resources: _Resources = _Resources()


class _Status(Outside):
    phase: str = ""


class _Claim(Outside):
    metadata: _Owned
    spec: _ClaimSpec = _ClaimSpec()
    status: _Status = _Status()


class _Csi(Outside):
    driver: str
    volume_handle: str


class _Path(Outside):
    path: str


class _Reference(Outside):
    namespace: str = ""
    name: str = ""
    uid: str = ""


class _VolumeSpec(Outside):
    csi: _Csi | None = None
    local: _Path | None = None
    host_path: _Path | None = None
    storage_class_name: str = ""
    claim_ref: _Reference = _Reference()
    capacity: dict[str, str] = Field(default={})
    persistent_volume_reclaim_policy: str = ""


class Disk(Outside):
    """This is a PersistentVolume."""

    metadata: Metadata
    spec: _VolumeSpec = _VolumeSpec()
    status: _Status = _Status()

    @property
    def folder(self) -> str:
        """Returns the path of the volume, if it is a folder of a node."""
        found = self.spec.local or self.spec.host_path
        return found.path if found else ""

    @property
    def handle(self) -> str:
        """Returns the name of the volume at the storage, or its path on its node."""
        return self.spec.csi.volume_handle if self.spec.csi else self.folder


class _DiskClass(Outside):
    metadata: Metadata
    provisioner: str
    volume_binding_mode: str = ""


def parse_template(raw: JSON) -> Template:
    """Parses what a claim is made of, as the cluster or a manifest has it."""
    one = _Claim.read(raw, name_of("claim", raw))
    meta, spec = one.metadata, one.spec
    return Template(
        labels={name: value for name, value in meta.labels.items() if name != RESTORE},
        annotations={name: value for name, value in meta.annotations.items() if name not in OF_CONTROLLERS},
        owners=meta.owner_references,
        access_modes=spec.access_modes,
        block=spec.volume_mode == "Block",
        storage_class=spec.storage_class_name,
        attributes_class=spec.volume_attributes_class_name,
        request=spec.resources.requests.get("storage", ""),
        node=meta.annotations.get(SELECTED_NODE, ""),
    )


def parse_live(raw: JSON, volume: JSON | None) -> Live:
    """Parses a claim of the cluster with its volume."""
    one = _Claim.read(raw, name_of("claim", raw))
    return Live(
        uid=one.metadata.uid,
        phase=one.status.phase,
        deleting=one.metadata.deletion_timestamp is not None,
        mark=one.metadata.labels.get(RESTORE, "") or one.metadata.annotations.get(ARCHIVE, ""),
        template=parse_template(raw),
        volume=one.spec.volume_name,
        volume_handle=parse_disk(volume).handle if volume else "",
    )


def parse_disk(raw: JSON) -> Disk:
    """Parses a PersistentVolume."""
    return Disk.read(raw, name_of("volume", raw))


def parse_existing(raw: JSON) -> Existing:
    """Parses a PersistentVolume that has a name which a restore wants."""
    one = parse_disk(raw)
    ref = one.spec.claim_ref
    made_of = one.metadata.annotations.get(ARCHIVE, "")
    return Existing(
        name=one.metadata.name,
        made_of=made_of,
        claim=f"{ref.namespace}/{ref.name}",
        claim_uid=ref.uid,
        folder=one.folder,
    )


def parse_journal(raw: JSON) -> Journal | None:
    """Parses the journal of a switch; None if the volume has none. `Refused` if it has one that cannot be read."""
    meta = parse_disk(raw).metadata
    if RESTORE not in meta.annotations:
        return None
    try:
        return Journal.model_validate_json(meta.annotations[RESTORE])
    except ValidationError:
        raise Refused(
            f"the annotation {RESTORE} of the volume {meta.name} cannot be read: how far a restore has switched to it is not known",
            hint=f"`kubectl get pv {meta.name} -o yaml` shows its claim; see that the claim has the right volume, then remove the annotation",
        ) from None


def parse_disk_class(raw: JSON) -> DiskClass:
    """Parses a StorageClass."""
    one = _DiskClass.read(raw, name_of("StorageClass", raw))
    return DiskClass(
        name=one.metadata.name,
        provisioner=one.provisioner,
        waits=one.volume_binding_mode == "WaitForFirstConsumer",
        is_default=one.metadata.annotations.get(DEFAULT_CLASS) == "true",
    )


def whole_of(template: Template) -> JSON:
    """Returns the labels, annotations and owners of the old claim, for the claim that takes its place.

    A claim beside the old one has none of them: by them a Helm chart or Argo CD would take it for theirs and delete it.
    """
    owners = {"ownerReferences": list(template.owners)} if template.owners else {}
    return {"labels": template.labels, "annotations": template.annotations, **owners}


def new_claim(target: SnapshotTarget, backup: str) -> JSON:
    """Returns the claim by which the storage makes the new volume."""
    spec = {
        "storageClassName": target.storage_class,
        "resources": {"requests": {"storage": target.request}},
        "dataSource": {"apiGroup": SNAPSHOT_API, "kind": "VolumeSnapshot", "name": target.source.snapshot},
    }
    notes = {RESTORE: backup} | ({SELECTED_NODE: target.node} if target.node else {})
    meta = {"labels": {RESTORE: target.mark}, "annotations": notes}
    return claim_body((target.record.namespace, target.made), target.template, spec, meta)


def claim_body(place: tuple[str, str], template: Template, spec: JSON, meta: JSON) -> JSON:
    """Returns a claim as it is created; `place` is its namespace and its name."""
    more = {"volumeAttributesClassName": template.attributes_class} if template.attributes_class else {}
    about: JSON = {
        "accessModes": list(template.access_modes),
        "volumeMode": "Block" if template.block else "Filesystem",
        **more,
    }
    namespace, name = place
    named = {"namespace": namespace, "name": name, **meta}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named, "spec": about | spec}
