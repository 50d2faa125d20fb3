"""Persistent volumes and where they are attached."""

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.nodes import NodeSelector
from tasks.core.models.outside.objects import Metadata


class ClaimReference(Outside):
    """Of a persistent volume that is bound."""

    namespace: str
    name: str


class VolumeAffinity(Outside):
    """Where a persistent volume can be used."""

    required: NodeSelector | None = None


class VolumeSpec(Outside):
    """Of a persistent volume."""

    claim_ref: ClaimReference | None = None
    node_affinity: VolumeAffinity = VolumeAffinity()


class Volume(Outside):
    """v1 PersistentVolume."""

    metadata: Metadata
    spec: VolumeSpec = VolumeSpec()


class AttachmentSource(Outside):
    """Of an attachment."""

    persistent_volume_name: str = ""


class AttachmentSpec(Outside):
    """Of an attachment."""

    node_name: str
    attacher: str
    source: AttachmentSource = AttachmentSource()


class Attachment(Outside):
    """storage.k8s.io/v1 VolumeAttachment."""

    metadata: Metadata
    spec: AttachmentSpec
