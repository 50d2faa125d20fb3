"""Models archives: what a node copies of a volume that has no snapshots, and what it needs for that."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from tasks.backup.models.backups import Digest
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.plan import Skip


class PodOfClaim(Model):
    """This is a pod that uses a claim. A pod that has finished does not use it any more."""

    namespace: str
    name: str
    uid: str
    node: str = ""
    is_finished: bool = False
    controller_kind: str = Field(default="", description="StatefulSet, Deployment, Job; empty if it is a pod alone")
    controller: str = Field(default="", description="name of that")
    claims: tuple[str, ...] = Field(default=(), description="as NAMESPACE/NAME")

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.namespace}/{self.name}"


class Folder(Model):
    """This is what a node says of the path of a volume."""

    boot_id: str
    kind: str = Field(description="as `stat -c %F` has it, or `nothing`")
    real: str = Field(default="", description="its path without symbolic links")
    filesystem: str = ""
    size: int = Field(default=0, description="bytes of its files")
    entries: int = Field(default=0, description="files, folders and all others")
    free: int = Field(description="bytes on the node for the part that waits for its upload")
    missing: tuple[str, ...] = Field(default=(), description="programs that an archive needs")


class Home(Model):
    """This is the node of a volume, and what it has there."""

    volume: str
    node: str = ""
    boot_id: str = Field(default="", description="of the node, as the API has it")
    problem: str = Field(default="", description="why it is not known; empty if the node answered")
    next_step: str = ""
    folder: Folder | None = None
    filled_in: str = Field(
        default="", description="newest backup that has an archive of it, if that has files and it has none now"
    )


class Archive(Model):
    """This is one archive of a backup: two objects in the bucket, and all that a restore checks."""

    namespace: str
    claim: str
    claim_uid: str
    volume: str
    volume_uid: str
    source: Literal["local", "hostPath"]
    node: str
    path: str
    data_key: str = Field(description="object key of the archive: tar, compressed by zstd")
    list_key: str = Field(description="object key of its list: modes, owners, sizes, times, and sha256 of each file")
    stored: Digest = Field(description="of the archive")
    plain: Digest = Field(description="of the tar in it")
    listed: Digest = Field(description="of the list")
    files: int = Field(description="regular files")
    entries: int = Field(default=0, description="files, folders and all others; 0 if an older version made it")
    filesystem: str = ""
    fuzzy: str = Field(default="", description="what may have written while it was read; empty if nothing did")
    left_out: tuple[Skip, ...] = Field(default=(), description="sockets, and other file systems mounted in the folder")
    taken_at: UtcTime
    took: Duration = timedelta(0)

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME of the claim."""
        return f"{self.namespace}/{self.claim}"


class Archived(Model):
    """These are the archives of a run, and what an earlier attempt had left."""

    archives: tuple[Archive, ...] = ()
    kept: tuple[str, ...] = Field(
        default=(), description="claims whose archive is that of an earlier attempt of this run, as NAMESPACE/NAME"
    )
    removed: tuple[str, ...] = Field(default=(), description="object keys of an earlier attempt of this run")


class Restored(Model):
    """This is what became of an archive."""

    node: str
    path: str
    different: int = Field(default=0, description="lines of its list that differ; only a fuzzy archive may have some")
