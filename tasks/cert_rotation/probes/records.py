"""What rotations have left on a node, read."""

import base64
from datetime import UTC, datetime

from tasks.cert_rotation.models.files import PUT_BACK, RECORD
from tasks.cert_rotation.models.rotation import OnNode, RotationRecord
from tasks.core.models.folders import ROTATIONS
from tasks.core.probes.printed import Printed
from tasks.core.shell import script


def look_at_record() -> str:
    """Prints the record and the runs that ended there, for `parse_left`."""
    return script(__file__, "look_at_record", work=ROTATIONS, record=RECORD)


def parse_left(node: str, stdout: bytes) -> OnNode:
    """What `look_at_record` printed."""
    told = Printed.of(stdout)
    record, unreadable = _record(told.one("record"))
    return OnNode(
        node=node,
        record=record,
        unreadable=unreadable,
        ended=told.all("ended"),
    )


def when_put_back() -> str:
    """Prints when the previous files were put back, for `parse_time`."""
    return script(__file__, "when_put_back", put_back=PUT_BACK)


def parse_time(text: str) -> datetime | None:
    """None where nothing was printed."""
    return datetime.fromtimestamp(int(text), UTC) if text.strip() else None


def _record(text: str) -> tuple[RotationRecord | None, str]:
    """And why it is not understood: as good as none is no answer, for then its node would be taken for whole."""
    try:
        return (RotationRecord.model_validate_json(base64.b64decode(text)) if text else None), ""
    except ValueError:
        return None, f"{RECORD} is there and cannot be understood"
