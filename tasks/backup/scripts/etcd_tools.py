"""Finds etcd's own programs on a node: the host's if it has them, else those of the image that its member runs from."""

from tasks.core.errors import CommandFailed, Refused, RunbookError
from tasks.core.models.folders import PROGRAMS
from tasks.core.shell import script

NO_TOOLS = 3
"""This is the exit status of the search when neither the host nor the image has the programs."""


def find_tools(minor: str, image: str, runtime: str = "") -> str:
    """Prints a folder with etcdctl and etcdutl of that minor version.

    If the host has none, they are copied out of the member's container or image. `runtime` is containerd's socket if it
    is not the default one.
    """
    return script(__file__, "etcd_tools", minor=minor, image=image, runtime=runtime, programs=PROGRAMS)


def socket_of_containerd(endpoint: str) -> str:
    """Returns containerd's socket from the kubelet's `containerRuntimeEndpoint`.

    Empty if the endpoint belongs to another runtime, or is not set.
    """
    path = endpoint.removeprefix("unix://")
    return path if "containerd" in path else ""


def no_tools(node: str, minor: str, image: str, status: int, stderr: bytes) -> RunbookError:
    """Returns the error that explains why the command found no programs."""
    told = "; ".join(line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip())
    if status != NO_TOOLS:
        return CommandFailed(f"{node}: looking for etcd's programs: status {status}: {told}")
    where = f"nor has the image {image}" if image else "and it runs no member from an image"
    return Refused(
        f"{node}: no etcdctl and etcdutl {minor} on PATH, {where}{f' ({told})' if told else ''}",
        hint=f"install both programs of etcd {minor} on {node}, for example into /usr/local/bin",
    )
