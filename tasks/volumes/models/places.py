"""Models the folder into which an archive is restored, and what the node keeps free meanwhile."""

from hashlib import sha256

from pydantic import Field

from tasks.core.models.base import Model
from tasks.core.models.findings import Problem
from tasks.core.models.folders import VOLUMES
from tasks.volumes.models.archives import Archive

OF_KUBELET = ("/", "/var/lib/kubelet")
"""Names folders whose file systems keep free what kubelet's signals nodefs say, beside its --root-dir. When they are full, it evicts pods."""

OF_IMAGES = ("/var/lib/containerd", "/var/lib/containers", "/var/lib/docker")
"""Names the same for its signals imagefs: the default folders of container runtimes, beside those that the runtime itself names."""


class Threshold(Model):
    """This is what stays free of a file system: a part of it, or a number of bytes or of inodes."""

    percent: int = 0
    amount: int = 0


class Watched(Model):
    """This is a folder of the node itself, and what its file system keeps free."""

    folder: str
    size: Threshold = Field(description="bytes")
    entries: Threshold = Field(description="inodes")

    @property
    def line(self) -> str:
        """Returns it as the scripts read it."""
        numbers = (self.size.percent, self.size.amount, self.entries.percent, self.entries.amount)
        return f"{' '.join(map(str, numbers))} {self.folder}"


class Watch(Model):
    """This is what a node keeps free, and what is not certain about it."""

    folders: tuple[Watched, ...]
    about_folders: tuple[Problem, ...] = Field(default=(), description="why not all of its folders are known")
    about_values: tuple[Problem, ...] = Field(default=(), description="which values are defaults, and why")

    @property
    def lines(self) -> str:
        """Returns a line for each folder, as the scripts read it."""
        return "\n".join(one.line for one in self.folders)


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
    is_watched: bool = Field(default=False, description="its file system has a folder of the node itself")
    doubts: tuple[Problem, ...] = Field(default=(), description="what is not certain about what stays free there")
    left: int = Field(default=0, description="bytes that an interrupted attempt left, which are removed first")
    volumes: tuple[str, ...] = Field(
        default=(), description="volumes of the cluster that are on this path, or below or above it"
    )

    @property
    def needs_room(self) -> bool:
        """Checks whether an archive is still to be written there."""
        return not (self.is_whole or self.content)
