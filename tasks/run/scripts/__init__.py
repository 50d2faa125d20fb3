"""Acts on a node: its lock is taken, renewed and returned. What the holder wrote comes by standard input, never as a part of a script."""

from tasks.core.models.folders import LOCK
from tasks.core.shell import script


def take_lock() -> str:
    """Writes the record from the second line of stdin on, if the lock is still as its first line says; prints what is there then."""
    return script(__file__, "take_lock", lock=LOCK)


def renew_lock() -> str:
    """Touches the file if it is still the one on stdin; prints what is there then."""
    return script(__file__, "renew_lock", lock=LOCK)


def return_lock() -> str:
    """Removes the file if it is still the one on stdin; prints what is there then."""
    return script(__file__, "return_lock", lock=LOCK)
