"""Contains the scripts of a restore on a node; each checks the state first, so it can be run again at any point."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import MemberOnNode, Phase, RestoreRecord
from tasks.core.models.folders import JOBS, RESTORES
from tasks.core.shell import script
from tasks.restore.models import RestorePlan, RestoreTarget


def prepare(plan: RestorePlan, target: RestoreTarget, backup: Backup, words: Sequence[str]) -> str:
    """Returns the job that fetches, checks and restores a snapshot.

    Its standard input has the store's CA, then the URL. `words` is the command that restores `snapshot.db`.
    """
    given = {
        "id": plan.id,
        "record": _text_of(plan.record),
        "marker": _marker(plan),
        "stored_sha256": backup.snapshot.stored.sha256,
        "plain_sha256": backup.snapshot.plain.sha256,
        "etcdutl": "\n".join(words),
        "owner": target.member.owner,
        "work": f"{RESTORES}/download",
    }
    places = {"restores": RESTORES, "jobs": JOBS, **_data_of(target.member)}
    return script(__file__, "prepare", earlier=plan.record.attempts[:-1], **given, **places)


def mark(phase: Phase, record: RestoreRecord) -> str:
    """Records on the node how far a restore has progressed, unless the record is already further."""
    return script(__file__, "mark", id=record.id, record=_text_of(record), phase=phase, restores=RESTORES)


def swap(plan: RestorePlan, target: RestoreTarget) -> str:
    """Puts the new data in the place of the old data, which is kept.

    A mount point stays, and its content moves.
    """
    *earlier, _ = plan.record.attempts
    given = {"marker": _marker(plan), "restores": RESTORES, **_data_of(target.member)}
    return script(__file__, "swap", id=plan.id, earlier=earlier, **given)


def swap_back(attempts: Sequence[str], member: MemberOnNode) -> str:
    """Puts the original data back where an attempt has taken its place.

    The restored data is removed, because the backup still has it. `attempts` has the oldest first. The output is for
    `parse_kept`: `nothing` if there was no data before, and what is left of attempts.
    """
    return script(__file__, "swap_back", attempts=attempts, restores=RESTORES, jobs=JOBS, **_data_of(member))


def end(record: RestoreRecord, member: MemberOnNode | None = None) -> str:
    """Marks the restore as finished: its record stays under another name.

    It prints where the previous data is, for `parse_kept`.
    """
    first, *others = (one.id for one in record.chain)
    data = _data_of(member) if member else {"data": "", "is_mount": False}
    return script(__file__, "end", id=first, others=others, restores=RESTORES, **data)


class KeptFolders(NamedTuple):
    """Lists what a script found beside a data directory."""

    originals: tuple[str, ...]
    """It lists the folders with original data."""
    of_attempts: tuple[str, ...]
    """It lists the folders with the data that attempts had restored."""
    had_no_data: bool
    """True if there was no data before."""


def parse_kept(stdout: bytes) -> KeptFolders:
    """Parses the output of `end` and `swap_back`."""
    lines = [line.partition(" ")[::2] for line in stdout.decode().splitlines()]

    def of(kind: str) -> tuple[str, ...]:
        return tuple(folder for found, folder in lines if found == kind)

    return KeptFolders(of("original"), of("attempt"), ("nothing", "") in lines)


def forget(record: RestoreRecord) -> str:
    """Removes the record of a restore that was rolled back.

    If API servers have run on the data of an earlier attempt, the record of that attempt is put back as in progress.
    """
    before = _text_of(record.served) if record.served else ""
    return script(__file__, "forget", attempts=record.attempts, record=before, restores=RESTORES)


def close(record: RestoreRecord) -> str:
    """Marks the attempts of a restore as over, also for a node that returns later with a record of one of them.

    It runs when no node has such a record any more.
    """
    return script(__file__, "close", attempts=record.attempts, restores=RESTORES)


def _data_of(member: MemberOnNode) -> dict[str, str | bool]:
    return {"data": str(member.data_dir), "is_mount": member.is_mount}


def _marker(plan: RestorePlan) -> str:
    """Returns the marker of restored data, which names this restore and these members."""
    return f"{plan.id} {plan.backup} {plan.initial_cluster}"


def _text_of(record: RestoreRecord) -> str:
    """Returns the record as nodes store it, without the phase, which has its own file."""
    return record.model_dump_json(exclude={"phase"})
