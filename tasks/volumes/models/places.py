"""Models the folder into which an archive is restored, and what the node keeps free meanwhile."""

from hashlib import sha256

from pydantic import Field

from tasks.core.models.base import Model
from tasks.core.models.folders import VOLUMES
from tasks.volumes.models.archives import Archive

OF_THE_NODE = ("/", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/containers", "/var/lib/docker")
"""Names the folders whose file systems kubelet watches: when they are full, it evicts pods."""

KEEP_BYTES = 15
"""This is how many percent of such a file system stay free. By default kubelet evicts below 10, and below 15 where images are."""

KEEP_ENTRIES = 5
"""This is the same of its inodes."""


class Target(Model):
    """This is the folder into which an archive is restored."""

    path: str
    is_named: bool = Field(default=False, description="a person named it: it exists, and is empty")

    def unfinished(self, one: Archive) -> str:
        """Returns the folder for what is not whole yet, on the same file system."""
        parent, _, last = self.path.rpartition("/")
        return (
            f"{self.path}/.kube-runbooks-{one.stored.sha256[:12]}"
            if self.is_named
            else f"{parent}/.{last}.kube-runbooks"
        )

    @property
    def mark(self) -> str:
        """Returns a name for the path."""
        return sha256(self.path.encode()).hexdigest()[:12]

    @property
    def note(self) -> str:
        """Returns the file on the node that says which archive was restored there."""
        return f"{VOLUMES}/restored-{self.mark}"


class Place(Model):
    """This is what a node says of the folder into which an archive is restored."""

    path: str
    kind: str = Field(description="as `stat -c %F` has it, or `nothing`")
    real: str = Field(
        default="",
        description="the path without symbolic links, of the folder above if it does not exist; empty if that is none",
    )
    content: str = Field(
        default="", description="the first entry in it, without an empty lost+found and what an attempt left"
    )
    is_whole: bool = Field(default=False, description="an earlier attempt has restored this archive there")
    is_apart: bool = Field(default=False, description="the old folder exists, and is on another file system")
    filesystem: str = Field(default="", description="where that is mounted")
    free: int = Field(default=0, description="bytes")
    spare: int = Field(default=0, description="bytes that may be written; the node keeps the other free ones")
    spare_entries: int | None = Field(default=None, description="the same of inodes; None if it has no limit")
    left: int = Field(default=0, description="bytes that an interrupted attempt left, which are removed first")
    volumes: tuple[str, ...] = Field(
        default=(), description="volumes of the cluster that are on this path, or below or above it"
    )
