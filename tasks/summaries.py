"""The first lines of a report: where the backup is, how long it took, what was proven, what was not."""

from tasks.models.backups import Backup, BackupId, Drill
from tasks.models.retention import RetentionDecision


def summarize_backup(backup: Backup, place: str, kept: RetentionDecision) -> tuple[str, ...]:
    """For the report of a backup."""
    taken, read_back = backup.snapshot, backup.read_back
    seconds = taken.took.total_seconds()
    return (
        f"backup {backup.id} in {place}",
        f"member {taken.member} by route {taken.route}: {taken.plain.size} bytes, stored as {taken.stored.size}, "
        f"in {seconds:.1f} s ({taken.plain.size / 1e6 / max(seconds, 0.001):.0f} MB/s)",
        f"proven: etcd's own sha256 trailer of all {taken.plain.size} bytes, recomputed",
        f"proven: the stored object, read back whole in {read_back.took.total_seconds():.1f} s, "
        f"has sha256 {read_back.stored.sha256}",
        _drill_line(backup.drill),
        f"retention: {len(kept.kept)} kept, {len(kept.removed)} removed",
    )


def summarize_drill(backup: Backup, place: str, drill: Drill, newest: BackupId) -> tuple[str, ...]:
    """For the report of a restore drill."""
    return (
        f"backup {backup.id} in {place}",
        "proven: every byte in the store is the one that was sent, and etcd's own sha256 trailer holds",
        _drill_line(drill),
        f"the newest backup, {newest}, is younger than the recovery point objective",
    )


def _drill_line(drill: Drill | None) -> str:
    if drill is None:
        return "not proven by a restore: no drill was asked for (etcd_restore_drill does one on any backup)"
    return (
        f"proven: restored with etcd {drill.etcd_version} in {drill.took.total_seconds():.1f} s; at revision {drill.revision} "
        f"its {drill.restored_keys} keys and their hash {drill.restored_hash.hash} are those of the live member"
    )
