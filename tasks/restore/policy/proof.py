"""Decides what proves that a restored cluster works, and what does not."""

from tasks.core.models.findings import Problem
from tasks.restore.models import Write


def problem_of_write(written: Write, restore_id: str) -> Problem | None:
    """Returns what is wrong with the write, its watch, or the old watch; None if all are correct.

    The old watch must get the answer that its revision is gone.
    """
    if written.id != restore_id:
        return Problem(text=f"the object that was written reads {written.id!r}")
    if restore_id not in written.watched:
        return Problem(text=f"a watch did not see the write: {', '.join(written.watched) or 'no event'}")
    if not written.old_is_gone:
        return Problem(text=f"a watch from before the restore was not refused: {written.old!r}")
    return None
