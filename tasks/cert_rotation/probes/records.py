"""Reads what rotations have left on a node."""

import base64
from datetime import UTC, datetime

from tasks.cert_rotation.models.files import PUT_BACK, RECORD
from tasks.cert_rotation.models.rotation import OnNode, RotationRecord
from tasks.core.models.folders import ROTATIONS
from tasks.core.probes.printed import Printed
from tasks.core.shell import script


def look_at_record() -> str:
    """Returns the script that prints the record and the runs that finished on the node. `parse_left` reads its output."""
    return script(__file__, "look_at_record", work=ROTATIONS, record=RECORD)


def parse_left(node: str, stdout: bytes) -> OnNode:
    """Parses the output of `look_at_record`."""
    told = Printed.of(stdout)
    record, unreadable = _record(told.one("record"))
    return OnNode(
        node=node,
        record=record,
        unreadable=unreadable,
        ended=told.all("ended"),
    )


def when_put_back() -> str:
    """Returns the script that prints when the previous files were restored. `parse_time` reads its output."""
    return script(__file__, "when_put_back", put_back=PUT_BACK)


def parse_time(text: str) -> datetime | None:
    """Parses a time. It returns None if nothing was printed."""
    return datetime.fromtimestamp(int(text), UTC) if text.strip() else None


def _record(text: str) -> tuple[RotationRecord | None, str]:
    """Returns the record, or the reason why it cannot be understood.

    An unreadable record is not the same as none: its node would then count as complete.
    """
    try:
        return (RotationRecord.model_validate_json(base64.b64decode(text)) if text else None), ""
    except ValueError:
        return None, f"{RECORD} exists and could not be parsed"
