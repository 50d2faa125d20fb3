"""Summarizes a backup of volumes: what people read first."""

from tasks.core.commands import AGAIN
from tasks.core.words import counted
from tasks.volumes.models.backups import Cut, Expired, VolumeBackup, VolumeRecord
from tasks.volumes.models.facts import VolumePlan
from tasks.volumes.models.freezes import Quiesced
from tasks.volumes.models.selection import Selection

CRASH_CONSISTENT = "a snapshot has what the storage had at that moment, as after a power cut; what an application still had in memory is not in it"


def summarize_volume_plan(plan: VolumePlan, select: Selection) -> tuple[str, ...]:
    """Returns the report text of a plan that was not carried out."""
    frozen = f", while {counted(len(plan.freezes), 'container')} would be frozen" if plan.freezes else ""
    return (
        f"nothing was done: the plan has {counted(len(plan.targets), 'snapshot')} of {select.in_words}{frozen}",
        f"to do it: {AGAIN} --mode=apply",
    )


def summarize_volume_backup(backup: VolumeBackup, place: str, cut: Cut | None, expired: Expired) -> tuple[str, ...]:
    """Returns the report text of a backup."""
    count = counted(len(backup.records), "snapshot")
    present = f"; {len(cut.present)} of them an earlier attempt had taken" if cut and cut.present else ""
    spread = f", cut within {backup.spread:.1f} s" if len(backup.records) > 1 else ""
    return (
        f"{count} of {backup.selection.in_words}{spread}{present}",
        f"backup {backup.id} in {place}",
        *[_record_words(one) for one in backup.records],
        *[f"NOT backed up: {one.subject}: {one.reason}" for one in backup.left_out],
        *[_quiesced_words(one) for one in backup.quiesced],
        *(() if backup.is_quiesced else (CRASH_CONSISTENT,)),
        _expired_words(expired),
        *[f"NOT removed: {one.subject}: {one.reason}" for one in expired.left],
    )


def _record_words(one: VolumeRecord) -> str:
    size = f", restores into {one.restore_size} bytes" if one.restore_size else ""
    return f"{one.namespace}/{one.claim}: {one.handle} of {one.driver}, cut at {one.cut_at:%Y-%m-%dT%H:%M:%SZ}{size}"


def _quiesced_words(one: Quiesced) -> str:
    return f"{one.pod}: the container {one.container} was frozen by the hook {one.hook} meanwhile, for {one.seconds:.1f} s at most"


def _expired_words(expired: Expired) -> str:
    swept = f"; {counted(len(expired.swept), 'snapshot')} of interrupted runs removed" if expired.swept else ""
    return f"retention: {len(expired.kept)} kept, {len(expired.removed)} removed{swept}"
