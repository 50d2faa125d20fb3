"""What interrupted runs have left on nodes, of every runbook: who began it, when, and who resumes it."""

from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model, UtcTime


class RecordKind(StrEnum):
    """What a node has of a run that has not ended."""

    CERTIFICATES = "certificates"
    """A rotation of leaves has begun there; its copy of kubeadm's folder waits for its end, or for being put back."""
    CA = "ca"
    """The halves of a CA rotation lie there: it has begun, and may be between two of its stages."""
    RESTORE = "restore"
    """A restore of etcd is under way."""
    PATCH = "patch"
    """Packages of the operating system, or a reboot."""
    UPGRADE = "upgrade"
    """A job of an upgrade is at work there now: it outlives the run that began it."""
    PARKED = "parked"
    """Manifests of static pods are away from kubelet, and no record says for whom."""


UPGRADE_JOBS = ("install-kubeadm-", "kubeadm-", "install-kubelet-")
"""How the names of remote jobs begin that change a node, as `tasks/upgrade/node.py` names them. Staging changes nothing."""


class OpenRecord(Model):
    """One of them."""

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
    """Of all nodes of a profile."""

    found: tuple[OpenRecord, ...] = ()
    unseen: dict[str, str] = Field(default={}, description="node to why its records are not known")
    blind: bool = Field(default=False, description="the profile has no way to log in to nodes")
