"""Models persistent volumes, where they are attached, and the classes of their snapshots."""

from pydantic import Field

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.nodes import NodeSelector
from tasks.core.models.outside.objects import Metadata

DEFAULT_SNAPSHOT_CLASS = "snapshot.storage.kubernetes.io/is-default-class"
"""Names the annotation of a VolumeSnapshotClass that is the default of its driver."""


class ClaimReference(Outside):
    """This is the claim to which a persistent volume is bound."""

    namespace: str
    name: str


class VolumeAffinity(Outside):
    """This is the rule for where a persistent volume can be used."""

    required: NodeSelector | None = None


class VolumeSpec(Outside):
    """This is the spec of a persistent volume."""

    claim_ref: ClaimReference | None = None
    node_affinity: VolumeAffinity = VolumeAffinity()


class Volume(Outside):
    """This is a v1 PersistentVolume."""

    metadata: Metadata
    spec: VolumeSpec = VolumeSpec()


class AttachmentSource(Outside):
    """This is the source of an attachment."""

    persistent_volume_name: str = ""


class AttachmentSpec(Outside):
    """This is the spec of an attachment."""

    node_name: str
    attacher: str
    source: AttachmentSource = AttachmentSource()


class AttachmentError(Outside):
    """This is why a volume could not be attached or detached."""

    message: str = ""


class AttachmentStatus(Outside):
    """This is the status of an attachment."""

    detach_error: AttachmentError = AttachmentError()


class Attachment(Outside):
    """This is a storage.k8s.io/v1 VolumeAttachment."""

    metadata: Metadata
    spec: AttachmentSpec
    status: AttachmentStatus = AttachmentStatus()


class SnapshotClass(Outside):
    """This is a snapshot.storage.k8s.io/v1 VolumeSnapshotClass."""

    metadata: Metadata
    driver: str
    deletion_policy: str
    parameters: dict[str, str] = Field(default={})

    @property
    def is_default(self) -> bool:
        """Checks whether it is the default of its driver."""
        return self.metadata.annotations.get(DEFAULT_SNAPSHOT_CLASS) == "true"
