"""Models which claims of a backup are restored, and what the run may do."""

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model
from tasks.core.models.findings import listed
from tasks.core.models.profile import ClusterName
from tasks.volumes.models.selection import LONGEST_WAIT, ClaimName
from tasks.workloads.models.names import NamespaceName

LATEST = "latest"

BackupName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""This is the id of a backup, or latest."""

SHORTEST = timedelta(seconds=1)


def _is_a_path(text: str) -> str:
    if text and (
        not text.isprintable() or str(PurePosixPath("/", text)) != text or {"..", ""} & set(text.split("/")[1:])
    ):
        message = (
            f"{text!r} is no path; write it from the root and without .. and a / at the end, for example /mnt/disks/new"
        )
        raise ValueError(message)
    return text


class ClaimsToRestore(Model):
    """This says which claims of a backup are restored; without any, all of them."""

    COVERED: ClassVar[Reasons] = {"claims namespaces": "whose data is restored"}

    claims: tuple[ClaimName, ...] = Field(default=(), description="these claims, as NAMESPACE/NAME in the backup")
    namespaces: tuple[NamespaceName, ...] = Field(default=(), description="all claims of these namespaces")

    @property
    def is_empty(self) -> bool:
        """Checks whether all claims of the backup are meant."""
        return not (self.claims or self.namespaces)

    def has(self, namespace: str, name: str) -> bool:
        """Checks whether a claim is meant."""
        return self.is_empty or f"{namespace}/{name}" in self.claims or namespace in self.namespaces

    @property
    def in_words(self) -> str:
        """Returns the selection as people read it."""
        parts = [
            f"claims {listed(self.claims)}" if self.claims else "",
            f"all claims in {listed(self.namespaces)}" if self.namespaces else "",
        ]
        return " and ".join(one for one in parts if one) or "all claims"


class VolumeRestoreOptions(Model):
    """These are the choices of a restore of volumes."""

    COVERED: ClassVar[Reasons] = {
        "switch suffix storage_class size node path from_cluster": CHOICE,
        "ready_within bound_within stop_within start_within": "how long the run waits, also while workloads are stopped",
    }

    switch: bool = Field(
        default=False,
        description="put the restored volume in the place of the old one: workloads are stopped, switched and started again",
    )
    suffix: str = Field(
        default="",
        pattern=r"^([a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?)?$",
        description="new claims beside the old ones are called NAME-SUFFIX; if empty, NAME-restored- and a mark of the backup",
    )
    storage_class: str = Field(
        default="", pattern=r"^[a-z0-9.-]*$", description="StorageClass of the new volumes; if empty, that of the claim"
    )
    size: str = Field(
        default="",
        pattern=r"^([0-9]+([KMGTPE]i?|k)?)?$",
        description="size of each new volume, for example 20Gi; if empty, that of the claim, or what the snapshot needs",
    )
    node: str = Field(
        default="",
        pattern=r"^[a-z0-9.-]*$",
        description="node for which volumes of a class with WaitForFirstConsumer are made; if empty, that of the old claim",
    )
    path: Annotated[str, AfterValidator(_is_a_path)] = Field(
        default="",
        description="existing empty folder of the node, also a mount point, that gets an archive; if empty, a new folder beside the old one",
    )
    from_cluster: ClusterName | None = Field(
        default=None, description="cluster whose backup it is, in the same bucket; default is the cluster itself"
    )
    ready_within: Duration = Field(
        default=timedelta(minutes=10),
        ge=SHORTEST,
        le=LONGEST_WAIT,
        description="how long an imported snapshot may take until it is ready to use",
    )
    bound_within: Duration = Field(
        default=timedelta(hours=1),
        ge=SHORTEST,
        le=LONGEST_WAIT,
        description="how long the storage may take to make the new volumes; workloads still run",
    )
    stop_within: Duration = Field(
        default=timedelta(minutes=15), ge=SHORTEST, le=LONGEST_WAIT, description="how long pods may take to stop"
    )
    start_within: Duration = Field(
        default=timedelta(minutes=15),
        ge=SHORTEST,
        le=LONGEST_WAIT,
        description="how long pods may take until they are ready again",
    )
