"""What people read first of a backup, a drill, and the age of backups."""

from collections.abc import Sequence

from tasks.backup.models.backups import Backup, BackupProof, Drill, Freshness, Pki, Swept
from tasks.core.models.plan import Skip
from tasks.core.models.retention import RetentionDecision


def summarize_backup(
    backup: Backup, place: str, proof: BackupProof, swept: Swept, kept: RetentionDecision
) -> tuple[str, ...]:
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
        *_pki_lines(backup.pki),
        f"proven: made by this flow run, {proof.flow_run}; snapshot taken at {proof.taken_at:%Y-%m-%d %H:%M:%S} UTC",
        f"retention: {len(kept.kept)} kept, {len(kept.removed)} removed",
        *_left_lines((*swept.left, *kept.left)),
    )


def _left_lines(left: Sequence[Skip]) -> tuple[str, ...]:
    """The first of what the store did not let go; all of it is in the evidence of the steps."""
    return (f"left in the store: {len(left)}; the first: {left[0].subject}: {left[0].reason}",) if left else ()


def summarize_drill(backup: Backup, place: str, drill: Drill, fresh: Freshness) -> tuple[str, ...]:
    """For the report of a restore drill."""
    return (
        f"backup {backup.id} in {place}",
        "proven: every byte in the store is the one that was sent, and etcd's own sha256 trailer holds",
        _drill_line(drill),
        *_pki_lines(backup.pki),
        *summarize_freshness(fresh),
    )


def summarize_freshness(fresh: Freshness) -> tuple[str, ...]:
    """How old the newest backup is, and which ones do not count."""
    return (
        f"the newest backup, {fresh.newest}, is {str(fresh.age).partition('.')[0]} old; the recovery point objective is {fresh.rpo}",
        *(f"not counted: {skip.subject}: {skip.reason}" for skip in fresh.not_counted),
    )


def restore_command(backup: Backup) -> str:
    """What brings the cluster back to the state of a backup."""
    parameters = f"-p cluster={backup.cluster} -p backup={backup.id} -p mode=apply -p confirm={backup.cluster}"
    return f"prefect deployment run etcd_restore_from_s3/etcd-restore {parameters}"


def _drill_line(drill: Drill | None) -> str:
    if drill is None:
        return "not proven by a restore: no drill was asked for (etcd_restore_drill does one on any backup)"
    return (
        f"proven: restored with etcd {drill.etcd_version} in {drill.took.total_seconds():.1f} s; at revision {drill.revision} "
        f"its {drill.restored_keys} keys and their hash {drill.restored_hash.hash} are those of the live member"
    )


def _pki_lines(pki: Pki | None) -> tuple[str, ...]:
    """None when it was not asked for. What is missing in it stands here, in the report, and not only in the manifest."""
    if pki is None:
        return ()
    return (
        f"key material of {pki.node}: {len(pki.paths)} files, encrypted for {len(pki.recipients)} recipients",
        f"proven: the stored key material, read back, has sha256 {pki.stored.sha256}",
        "not proven: that a recipient can read it; with the secret key, type age -d -i key.txt pki.tar.age | tar -t",
        *(f"not in it: {absent.subject}: {absent.reason}" for absent in pki.absent),
        *(f"look at {caution.subject}: {caution.problem}; {caution.next_step}" for caution in pki.cautions),
    )
