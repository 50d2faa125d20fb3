"""Manages a lock on a node: a file that names its owner.

A renewal touches the file and changes nothing else, so it works on a full disk too. The holder's text comes by standard
input and is never a part of a script. Times of the node's clock are marks that are only compared with themselves. If
the file cannot be read, the script fails, because the lock is not free.
"""

import json

from pydantic import ValidationError

from tasks.core.models.folders import LOCK
from tasks.core.shell import script
from tasks.run.models.lock import LockRecord

QUOTED_CHARACTERS = 100
"""Limits the characters that are quoted from a file that is not a valid record."""


def look_at_lock() -> str:
    """Prints `free`, or the mark of the last renewal and then the file; it changes nothing."""
    return script(__file__, "look_at_lock", lock=LOCK)


def record_on_node(record: LockRecord) -> str:
    """Returns the record as one line for the file."""
    return json.dumps(record.model_dump(exclude={"renewed"}, exclude_defaults=True)) + "\n"


def expected(found: LockRecord) -> str:
    """Returns the text that tells `take_lock` what was found."""
    return "free" if found.is_free else found.renewed


def parse_lock(output: bytes) -> LockRecord:
    """Parses the output of a script.

    A file that is not a valid record belongs to somebody, and is watched like any other.
    """
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
