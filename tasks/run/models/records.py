"""Models what interrupted runs of every runbook left on nodes: who began it, when, and who resumes it."""

from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model, UtcTime


class RecordKind(StrEnum):
    """Lists what a node may have from a run that has not finished."""

    CERTIFICATES = "certificates"
    """A rotation of leaf certificates has begun there.

    Its copy of kubeadm's folder stays until the rotation finishes or the copy is put back.
    """
    CA = "ca"
    """The halves of a CA rotation are there: it has begun, and may be between two of its stages."""
    RESTORE = "restore"
    """A restore of etcd is in progress."""
    PATCH = "patch"
    """A patch of operating system packages or a reboot is in progress."""
    UPGRADE = "upgrade"
    """A job of an upgrade runs there now, and outlives the run that began it."""
    PARKED = "parked"
    """Manifests of static pods are away from kubelet, and no record tells which run moved them."""


UPGRADE_JOBS = ("install-kubeadm-", "kubeadm-", "install-kubelet-")
"""Lists the prefixes of the names of remote jobs that change a node, as `tasks/upgrade/node.py` names them.

Staging changes nothing, so its jobs are not listed.
"""


class OpenRecord(Model):
    """Describes one thing that an interrupted run left on a node."""

    kind: RecordKind
    node: str
    runbook: str = Field(description="that began it, and resumes it")
    run_id: str = Field(default="", description="empty where it is not known")
    began_at: UtcTime | None = Field(default=None, description="by the node's clock")
    about: str = Field(default="", description="the CA, the backup, the static pods, the job")
    file: str = Field(default="", description="that it is; empty where it is none")
    in_service: bool = Field(
        default=False, description="of a patch: the API says that the node is in service again, so nothing resumes it"
    )


class OpenRecords(Model):
    """Holds the open records of all nodes of a profile."""

    found: tuple[OpenRecord, ...] = ()
    unseen: dict[str, str] = Field(default={}, description="node to why its records are not known")
    blind: bool = Field(default=False, description="the profile has no way to log in to nodes")
