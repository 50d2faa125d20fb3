"""Checks if the container runtime of a node listens.

It checks the socket that the kubelet uses, not the name of a unit.
"""

from tasks.core.probes.printed import Printed
from tasks.core.shell import script

DEFAULT = "unix:///run/containerd/containerd.sock"
"""This is the runtime endpoint of a kubelet whose configuration names none."""

SCHEME = "unix://"


def socket_of(endpoint: str) -> str:
    """Returns the path of a kubelet's runtime endpoint.

    It is empty if the endpoint is no socket in the file system.
    """
    path = (endpoint or DEFAULT).removeprefix(SCHEME)
    return path if path.startswith("/") else ""


def ask_runtime(endpoint: str) -> str:
    """Returns the script that prints who listens at the runtime endpoint."""
    return script(__file__, "runtime", socket=socket_of(endpoint))


def what_runtime_lacks(stdout: bytes, endpoint: str) -> str:
    """Returns what is wrong in the output of `ask_runtime`. It is empty if something listens."""
    if Printed.of(stdout).all("listens"):
        return ""
    return f"no container runtime listens at {endpoint or DEFAULT}, where its kubelet asks it"
