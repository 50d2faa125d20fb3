"""Whether an API server says that it is ready."""

from tasks.core.shell import script


def ask_readyz() -> str:
    """Prints 200 when this node's does; other scripts have the line `. tasks/control_plane/scripts/readiness.lib.sh`."""
    return script(__file__, "readyz")
