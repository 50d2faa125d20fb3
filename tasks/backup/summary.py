"""Writes what people read first about a backup, a drill, and the age of backups."""

from collections.abc import Sequence

from tasks.backup.models.backups import Backup, BackupProof, Drill, Freshness, Pki, Swept
from tasks.core.commands import run_command
from tasks.core.models.plan import Skip
from tasks.core.models.retention import RetentionDecision
from tasks.core.words import counted, duration_in_words


def summarize_backup(
    backup: Backup, place: str, proof: BackupProof, swept: Swept, kept: RetentionDecision
) -> tuple[str, ...]:
    """Returns the summary for the report of a backup."""
    taken, read_back = backup.snapshot, backup.read_back
    seconds = taken.took.total_seconds()
    return (
        f"backup {backup.id} in {place}",
        f"member {taken.member} by route {taken.route}: {taken.plain.size} bytes, stored as {taken.stored.size}, "
        f"in {duration_in_words(taken.took)} ({taken.plain.size / 1e6 / max(seconds, 0.001):.0f} MB/s)",
        f"proven: etcd's own sha256 trailer of all {taken.plain.size} bytes, recomputed",
        f"proven: the stored object, read back whole in {duration_in_words(read_back.took)}, "
        f"has sha256 {read_back.stored.sha256}",
        _drill_line(backup, backup.drill),
        *_pki_lines(backup.pki),
        f"proven: made by this flow run, {proof.flow_run}; snapshot taken at {proof.taken_at:%Y-%m-%d %H:%M:%S} UTC",
        f"retention: {len(kept.kept)} kept, {len(kept.removed)} removed",
        *_left_lines((*swept.left, *kept.left)),
    )


def _left_lines(left: Sequence[Skip]) -> tuple[str, ...]:
    """Returns a line with the first object that the store did not delete.

    The results of the steps have all of them.
    """
    return (
        (f"left in the store: {counted(len(left), 'object')}; the first: {left[0].subject}: {left[0].reason}",)
        if left
        else ()
    )


def summarize_drill(backup: Backup, place: str, drill: Drill, fresh: Freshness) -> tuple[str, ...]:
    """Returns the summary for the report of a restore drill."""
    return (
        f"backup {backup.id} in {place}",
        "proven: every byte in the store is the one that was sent, and etcd's own sha256 trailer holds",
        _drill_line(backup, drill),
        *_pki_lines(backup.pki),
        *summarize_freshness(fresh),
    )


def summarize_freshness(fresh: Freshness) -> tuple[str, ...]:
    """Returns how old the newest backup is, and which backups do not count."""
    return (
        f"the newest backup, {fresh.newest}, is {duration_in_words(fresh.age)} old; the recovery point objective is {duration_in_words(fresh.rpo)}",
        *(f"not counted: {skip.subject}: {skip.reason}" for skip in fresh.not_counted),
    )


def drill_command(backup: Backup) -> str:
    """Returns the command that restores a backup into a scratch etcd."""
    return run_command("etcd_restore_drill", backup.cluster, f"--backup={backup.id}")


def restore_command(backup: Backup) -> str:
    """Returns the command that restores the cluster to the state of a backup."""
    confirmed = ("--mode=apply", f"--confirm={backup.cluster}")
    return run_command("etcd_restore_from_s3", backup.cluster, f"--backup={backup.id}", *confirmed)


def _drill_line(backup: Backup, drill: Drill | None) -> str:
    if drill is None:
        return f"not proven by a restore: no drill was requested; to run one: {drill_command(backup)}"
    return (
        f"proven: restored with etcd {drill.etcd_version} in {duration_in_words(drill.took)}; at revision {drill.revision} "
        f"its {drill.restored_keys} keys and their hash {drill.restored_hash.hash} are those of the live member"
    )


def _pki_lines(pki: Pki | None) -> tuple[str, ...]:
    """Returns the lines on the key material; none if it was not requested.

    What is missing in it appears here in the report, and not only in the manifest.
    """
    if pki is None:
        return ()
    return (
        f"key material of {pki.node}: {counted(len(pki.paths), 'file')}, encrypted for {counted(len(pki.recipients), 'recipient')}",
        f"proven: the stored key material, read back, has sha256 {pki.stored.sha256}",
        "not proven: that a recipient can read it; with the secret key, type age -d -i key.txt pki.tar.age | tar -t",
        *(f"not in it: {absent.subject}: {absent.reason}" for absent in pki.absent),
        *(f"check {caution.subject}: {caution.problem}; {caution.next_step}" for caution in pki.cautions),
    )
