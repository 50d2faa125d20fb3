"""Summarizes a backup of volumes: what people read first."""

from tasks.core.commands import AGAIN
from tasks.core.words import counted
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.backups import Cut, Expired, VolumeBackup, VolumeRecord
from tasks.volumes.models.facts import VolumePlan
from tasks.volumes.models.freezes import Quiesced
from tasks.volumes.models.selection import Selection

CRASH_CONSISTENT = "a snapshot has what the storage had at that moment, as after a power cut; what an application still had in memory is not in it"


def summarize_volume_plan(plan: VolumePlan, select: Selection) -> tuple[str, ...]:
    """Returns the report text of a plan that was not carried out."""
    frozen = f", while {counted(len(plan.freezes), 'container')} would be frozen" if plan.freezes else ""
    return (
        f"nothing was done: the plan has {_counted(len(plan.targets), len(plan.archives))} of {select.in_words}{frozen}",
        f"to do it: {AGAIN} --mode=apply",
    )


def summarize_volume_backup(backup: VolumeBackup, place: str, cut: Cut | None, expired: Expired) -> tuple[str, ...]:
    """Returns the report text of a backup."""
    count = _counted(len(backup.records), len(backup.archives))
    present = f"; {len(cut.present)} of them an earlier attempt had taken" if cut and cut.present else ""
    spread = f", cut within {backup.spread:.1f} s" if len(backup.records) > 1 else ""
    return (
        f"{count} of {backup.selection.in_words}{spread}{present}",
        f"backup {backup.id} in {place}",
        *[_record_words(one) for one in backup.records],
        *[line for one in backup.archives for line in _archive_words(one)],
        *[f"NOT backed up: {one.subject}: {one.reason}" for one in backup.left_out],
        *[_quiesced_words(one) for one in backup.quiesced],
        *([] if backup.is_quiesced else [CRASH_CONSISTENT]),
        _expired_words(expired),
        *[f"NOT removed: {one.subject}: {one.reason}" for one in expired.left],
    )


def _counted(snapshots: int, archives: int) -> str:
    words = [counted(snapshots, "snapshot")] if snapshots or not archives else []
    return " and ".join([*words, *([counted(archives, "archive")] if archives else [])])


def _archive_words(one: Archive) -> tuple[str, ...]:
    size = f"{counted(one.files, 'file')}, {one.plain.size} bytes, stored as {one.stored.size}"
    return (
        f"{one.id}: {one.path} on {one.node}, {size}, copied at {one.taken_at:%Y-%m-%dT%H:%M:%SZ}",
        *([f"NOT consistent: {one.id} is fuzzy ({one.fuzzy}): its files may not fit together"] if one.fuzzy else []),
        *[f"NOT in the archive of {one.id}: {skip.subject}: {skip.reason}" for skip in one.left_out],
    )


def _record_words(one: VolumeRecord) -> str:
    size = f", restores into {one.restore_size} bytes" if one.restore_size else ""
    return f"{one.namespace}/{one.claim}: {one.handle} of {one.driver}, cut at {one.cut_at:%Y-%m-%dT%H:%M:%SZ}{size}"


def _quiesced_words(one: Quiesced) -> str:
    return f"{one.pod}: the container {one.container} was frozen by the hook {one.hook} meanwhile, for {one.seconds:.1f} s at most"


def _expired_words(expired: Expired) -> str:
    swept = f"; {counted(len(expired.swept), 'snapshot')} of interrupted runs removed" if expired.swept else ""
    objects = counted(len(expired.swept_archives), "object of an archive", "objects of archives")
    swept += f"; {objects} of interrupted runs removed" if expired.swept_archives else ""
    return f"retention: {len(expired.kept)} kept, {len(expired.removed)} removed{swept}"
