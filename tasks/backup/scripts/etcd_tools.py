"""etcd's own programs on a node: the host's where there are some, else those of the image that its member runs from."""

from tasks.core.errors import CommandFailed, Refused, RunbookError
from tasks.core.models.folders import PROGRAMS
from tasks.core.shell import script

NO_TOOLS = 3
"""The status of the search when neither the host nor the image has them."""


def find_tools(minor: str, image: str) -> str:
    """Prints a folder with etcdctl and etcdutl of that minor version; they are copied out of the image where the host has none."""
    return script(__file__, "etcd_tools", minor=minor, image=image, programs=PROGRAMS)


def no_tools(node: str, minor: str, image: str, status: int, stderr: bytes) -> RunbookError:
    """Why the command found nothing."""
    if status != NO_TOOLS:
        return CommandFailed(f"{node}: looking for etcd's programs: status {status}: {stderr.decode(errors='replace')}")
    where = f"nor has the image {image}" if image else "and it runs no member from an image"
    return Refused(
        f"{node}: no etcdctl and etcdutl {minor} on PATH, {where}",
        hint=f"install etcd {minor}'s programs on {node}, or leave its image in containerd",
    )
