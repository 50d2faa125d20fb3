"""A lock on a node: a file that says who has it. A renewal touches it, and changes nothing else: also on a full disk.

What the holder wrote comes by standard input and is never a part of a script. Times of the node's clock are marks, that are
only compared with themselves. What cannot be read makes the script fail: it is not free.
"""

import json

from pydantic import ValidationError

from tasks.core.models.folders import LOCK
from tasks.core.shell import script
from tasks.run.models.lock import LockRecord

QUOTED_CHARACTERS = 100
"""Of a file that is no record of ours."""


def look_at_lock() -> str:
    """Prints `free`, or the mark of the last renewal and then the file. Changes nothing."""
    return script(__file__, "look_at_lock", lock=LOCK)


def record_on_node(record: LockRecord) -> str:
    """One line, for the file."""
    return json.dumps(record.model_dump(exclude={"renewed"}, exclude_defaults=True)) + "\n"


def expected(found: LockRecord) -> str:
    """How `take_lock` is told what was found."""
    return "free" if found.is_free else found.renewed


def parse_lock(output: bytes) -> LockRecord:
    """What a script has printed. A file that is no record of ours is somebody's: it is watched like any other."""
    mark, _, text = output.decode(errors="replace").partition("\n")
    if mark.strip() == "free":
        return LockRecord()
    try:
        told = LockRecord.model_validate_json(text)
    except ValidationError:
        told = LockRecord()
    shown = " ".join("".join(one if one.isprintable() else " " for one in text).split())[:QUOTED_CHARACTERS]
    found = told if told.holder else LockRecord(holder=shown or "of an empty file")
    return found.model_copy(update={"renewed": mark.strip()})
