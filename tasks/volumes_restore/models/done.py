"""Models what a restore of volumes did."""

from pydantic import Field

from tasks.core.models.base import Model
from tasks.volumes_restore.models.checks import Checked


class Imported(Model):
    """This is which snapshots at the storage have objects in the cluster again."""

    created: tuple[str, ...] = Field(default=(), description="VolumeSnapshots that this attempt created")
    present: tuple[str, ...] = Field(default=(), description="VolumeSnapshots that were there")


class NewVolume(Model):
    """This is a volume with the restored data."""

    id: str = Field(description="NAMESPACE/NAME of the claim in the backup")
    claim: str = Field(description="name of the claim that it is bound to first")
    volume: str
    handle: str = Field(description="name of the volume at the storage, or its path on a node")
    size: str = ""
    created: bool = Field(default=False, description="whether this attempt created the claim")


class NewVolumes(Model):
    """These are the volumes with the restored data."""

    volumes: tuple[NewVolume, ...] = ()


class FromArchives(NewVolumes):
    """These are the archives that became volumes."""

    restored: tuple[str, ...] = Field(default=(), description="claims with their node and folder")
    different: tuple[str, ...] = Field(default=(), description="fuzzy archives that are not as their list says")


class Stopped(Model):
    """These are the workloads that were scaled to 0."""

    stopped: tuple[str, ...] = ()
    already: tuple[str, ...] = Field(default=(), description="an earlier attempt had stopped them")


class KeptVolume(Model):
    """This is an old volume, which is Retain now."""

    name: str
    policy: str = Field(default="", description="reclaim policy that it had")
    folder: str = Field(default="", description="its path, if it is a folder of a node")


class KeptVolumes(Model):
    """These are the old volumes."""

    volumes: tuple[KeptVolume, ...] = ()


class Bound(Model):
    """These are the claims that have their new volume."""

    claims: tuple[str, ...] = ()


class Started(Model):
    """These are the workloads that run again."""

    started: tuple[str, ...] = ()
    other: tuple[str, ...] = Field(default=(), description="somebody else had scaled them meanwhile")


class VolumeProof(Model):
    """This is what was read back after the restore."""

    bound: tuple[str, ...] = Field(default=(), description="claims with their volume and its name at the storage")
    ready: tuple[str, ...] = Field(default=(), description="workloads whose pods are ready again")
    attached: tuple[str, ...] = Field(default=(), description="old volumes that are still attached to a node, and why")
    checked: Checked = Field(default=Checked(), description="checks of the profile; each succeeded")
