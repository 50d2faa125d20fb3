"""Acts on a node and, for a drill, on the worker. What a node sends to the store or reads there has modules of its own."""

from tasks.core.shell import script


def until_stdin_ends() -> str:
    """Runs a command, its arguments, that does not outlive its standard input."""
    return script(__file__, "until_stdin_ends")


def remove_at_end() -> str:
    """Removes a folder, its argument, at the end of its standard input."""
    return script(__file__, "remove_at_end")
