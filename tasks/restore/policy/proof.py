"""What proves that a restored cluster works, and what does not."""

from tasks.core.models.findings import Problem
from tasks.restore.models import Write


def problem_of_write(written: Write, restore_id: str) -> Problem | None:
    """Of the write, its watch, and the old watch, which has to be told that its revision is gone."""
    if (written.read or "").partition(" ")[0] != restore_id:
        return Problem(text=f"the object that was written reads {written.read!r}")
    if restore_id not in (written.watched or ""):
        return Problem(text=f"a watch did not see the write: {written.watched!r}")
    if not is_gone(written.old or ""):
        return Problem(text=f"a watch from before the restore was not refused: {written.old!r}")
    return None


def is_gone(answer: str) -> bool:
    """410 Gone, as a status, as an event of the watch, or in kubectl's words."""
    return any(sign in answer for sign in ('"code":410', "(Gone)", "(Expired)"))
