"""Acts on a node and, for a drill, on the worker.

Other modules have the scripts with which a node sends data to the store or reads from it.
"""

from tasks.core.shell import script


def until_stdin_ends() -> str:
    """Runs the command in its arguments, which does not outlive its standard input."""
    return script(__file__, "until_stdin_ends")


def remove_at_end() -> str:
    """Removes the folder in its argument when its standard input ends."""
    return script(__file__, "remove_at_end")
