"""Decides from which snapshot a claim is made: the one that is here, or its handle at the storage."""

from tasks.volumes.models.backups import VolumeRecord
from tasks.volumes.models.snapshots import Content, Snapshot
from tasks.volumes_restore.models.facts import Source, Way
from tasks.volumes_restore.policy.names import content_name, import_name

AGREES = "its VolumeSnapshot is here, and agrees with the manifest"


def source_of(record: VolumeRecord, mark: str, snapshot: Snapshot | None, content: Content | None) -> Source:
    """Returns the source. An imported one has names of its own, which each attempt finds again."""
    wrong = what_differs(record, snapshot, content)
    if not wrong:
        return Source(way=Way.OBJECTS, snapshot=record.snapshot, content=record.content, why=AGREES)
    why = f"{wrong}: its handle is imported"
    return Source(way=Way.HANDLE, snapshot=import_name(record.claim, mark), content=content_name(mark), why=why)


def what_differs(record: VolumeRecord, snapshot: Snapshot | None, content: Content | None) -> str:
    """Returns why the objects of the backup cannot be used; empty if both are here and agree in both directions."""
    if snapshot is None or content is None:
        return "its VolumeSnapshot is not here" if snapshot is None else "its VolumeSnapshotContent is not here"
    if snapshot.deleting:
        return "its VolumeSnapshot is about to be deleted"
    pairs = {
        "uid of the VolumeSnapshot": (snapshot.uid, record.snapshot_uid),
        "content of the VolumeSnapshot": (snapshot.content, record.content),
        "uid in the content": (content.snapshot_uid, record.snapshot_uid),
        "handle": (content.handle, record.handle),
        "driver": (content.driver, record.driver),
    }
    return ", ".join(
        f"the {what} is {found or 'empty'}, not {wanted}" for what, (found, wanted) in pairs.items() if found != wanted
    )


def what_is_missing(source: Source, record: VolumeRecord, snapshot: Snapshot | None, content: Content | None) -> str:
    """Returns what an imported snapshot still lacks; empty if it is ready and both objects name each other."""
    if snapshot is None or content is None:
        return "one of its two objects does not exist"
    if error := content.error or snapshot.error:
        return f"the last error, which is retried: {error}"
    named = f"{record.namespace}/{source.snapshot}"
    if (content.snapshot, content.snapshot_uid, snapshot.content) != (named, snapshot.uid, source.content):
        return "its two objects do not name each other yet"
    if content.handle != record.handle:
        return f"its handle is {content.handle or 'empty'}, not {record.handle}"
    return "" if snapshot.is_ready and content.is_ready else "it is not ready to use yet"
