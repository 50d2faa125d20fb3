"""What a restore has a node do: each script looks at what is there first, so that it can be run again at any point."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import MemberOnNode, Phase, RestoreRecord
from tasks.core.models.folders import JOBS, RESTORES
from tasks.core.shell import script
from tasks.restore.models import OBJECT, RestorePlan, RestoreTarget, Write


def prepare(plan: RestorePlan, target: RestoreTarget, backup: Backup, words: Sequence[str]) -> str:
    """The job that fetches, checks and restores a snapshot; its standard input: the store's CA, then the URL.

    `words`: the command that restores `snapshot.db`.
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
    """Remembers on the node how far a restore has come, unless it has come further."""
    return script(__file__, "mark", id=record.id, record=_text_of(record), phase=phase, restores=RESTORES)


def swap(plan: RestorePlan, target: RestoreTarget) -> str:
    """Puts the new data in the old one's place, which is kept. A mount point stays: what is in it moves."""
    *earlier, _ = plan.record.attempts
    given = {"marker": _marker(plan), "restores": RESTORES, **_data_of(target.member)}
    return script(__file__, "swap", id=plan.id, earlier=earlier, **given)


def swap_back(attempts: Sequence[str], member: MemberOnNode) -> str:
    """Puts the original data back where an attempt has taken its place; what was restored, which is the backup's, goes.

    `attempts`: the oldest first. For `parse_kept`: says `nothing` where there was no data before, and what is left of attempts.
    """
    return script(__file__, "swap_back", attempts=attempts, restores=RESTORES, jobs=JOBS, **_data_of(member))


def end(record: RestoreRecord, member: MemberOnNode | None = None) -> str:
    """The restore is over: its record stays, under another name. Says where the data from before is, for `parse_kept`."""
    first, *others = (one.id for one in record.chain)
    data = _data_of(member) if member else {"data": "", "is_mount": False}
    return script(__file__, "end", id=first, others=others, restores=RESTORES, **data)


class KeptFolders(NamedTuple):
    """What a script found beside a data directory."""

    originals: tuple[str, ...]
    """Folders with original data."""
    of_attempts: tuple[str, ...]
    """Folders with what attempts had restored."""
    had_no_data: bool
    """There was no data before."""


def parse_kept(stdout: bytes) -> KeptFolders:
    """What `end` and `swap_back` printed."""
    lines = [line.partition(" ")[::2] for line in stdout.decode().splitlines()]

    def of(kind: str) -> tuple[str, ...]:
        return tuple(folder for found, folder in lines if found == kind)

    return KeptFolders(of("original"), of("attempt"), ("nothing", "") in lines)


def forget(record: RestoreRecord) -> str:
    """A restore was rolled back: it never was. One before it, on which API servers have run, is under way as it was."""
    before = _text_of(record.served) if record.served else ""
    return script(__file__, "forget", attempts=record.attempts, record=before, restores=RESTORES)


def close(record: RestoreRecord) -> str:
    """Its attempts are over, also for a node that comes back with a record of one; to be noted when no node has one any more."""
    return script(__file__, "close", attempts=record.attempts, restores=RESTORES)


def write_and_watch(data: Mapping[str, str], old_revision: int) -> str:
    """Writes an object, reads it, watches it from before its write, and opens a watch as an old client would; for `parse_write`."""
    metadata = {"name": OBJECT, "namespace": "kube-system"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}
    return script(__file__, "write_and_watch", name=OBJECT, body=json.dumps(body), old_revision=old_revision)


def parse_write(stdout: bytes) -> Write:
    """What `write_and_watch` printed."""
    told = dict(line.partition(" ")[::2] for line in stdout.decode(errors="replace").splitlines())
    return Write(read=told.get("read"), watched=told.get("watched"), old=told.get("old"))


def _data_of(member: MemberOnNode) -> dict[str, str | bool]:
    return {"data": str(member.data_dir), "is_mount": member.is_mount}


def _marker(plan: RestorePlan) -> str:
    """Of restored data: for this restore, with these members."""
    return f"{plan.id} {plan.backup} {plan.initial_cluster}"


def _text_of(record: RestoreRecord) -> str:
    """As nodes keep it: the phase has a file of its own."""
    return record.model_dump_json(exclude={"phase"})
