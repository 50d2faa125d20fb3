"""Acts on a node: takes, renews and returns its lock.

The holder's text comes by standard input, never as a part of a script.
"""

from tasks.core.models.folders import LOCK
from tasks.core.shell import script


def take_lock() -> str:
    """Writes the record if the lock still matches the first line of stdin; prints the content at that moment.

    The record starts on the second line of stdin.
    """
    return script(__file__, "take_lock", lock=LOCK)


def renew_lock() -> str:
    """Touches the file if it still matches stdin; prints the content at that moment."""
    return script(__file__, "renew_lock", lock=LOCK)


def return_lock() -> str:
    """Removes the file if it still matches stdin; prints the content at that moment."""
    return script(__file__, "return_lock", lock=LOCK)
