"""Decides what the manifest records of a snapshot."""

from tasks.volumes.models.backups import VolumeRecord
from tasks.volumes.models.facts import Target
from tasks.volumes.models.snapshots import Pair


def record_of(target: Target, pair: Pair) -> VolumeRecord | None:
    """Returns the record of a snapshot; None if the storage has not cut it."""
    snapshot, content = pair.snapshot, pair.content
    if snapshot is None or content is None or content.cut_at is None:
        return None
    return VolumeRecord(
        namespace=target.claim.namespace,
        claim=target.claim.name,
        claim_uid=target.claim.uid,
        volume=target.volume.name,
        volume_handle=target.volume.handle,
        driver=content.driver,
        snapshot=snapshot.name,
        snapshot_uid=snapshot.uid,
        content=content.name,
        handle=content.handle,
        restore_size=content.size,
        cut_at=content.cut_at,
        created_at=snapshot.created_at,
        mode="Block" if target.claim.block else "Filesystem",
        snapshot_class=target.snapshot_class.model_copy(
            update={"policy": content.class_policy or target.snapshot_class.policy}
        ),
    )
