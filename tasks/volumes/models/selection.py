"""Models which claims a backup of volumes includes, and what the run may do."""

import hashlib
import re
from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model
from tasks.core.models.findings import listed
from tasks.workloads.models.names import LABEL, NAME, NamespaceName, Ref, WorkloadName

LONGEST_WAIT = timedelta(days=1)
"""Limits each of the two waits of a run, so that nobody takes its snapshots for those of an interrupted run."""

_LABELS = re.compile(r"[A-Za-z0-9!=,_./() -]*")


def _is_a_claim(text: str) -> str:
    namespace, _, name = text.partition("/")
    if not (LABEL.fullmatch(namespace) and NAME.fullmatch(name)):
        message = f"{text!r} is no claim; write NAMESPACE/NAME, for example shop/data-db-0"
        raise ValueError(message)
    return text


def _are_labels(text: str) -> str:
    if not _LABELS.fullmatch(text):
        message = f"{text!r} is no label selector; write for example app=db,tier!=cache"
        raise ValueError(message)
    return text


ClaimName = Annotated[str, AfterValidator(_is_a_claim)]
"""This is the name of a claim in its namespace: `shop/data-db-0`."""


class Selection(Model):
    """This selects claims: by name, or by their workload, or all of some namespaces or with some labels."""

    COVERED: ClassVar[Reasons] = {"claims namespaces labels workload": "whose data is backed up"}

    claims: tuple[ClaimName, ...] = Field(default=(), description="these claims, as NAMESPACE/NAME")
    namespaces: tuple[NamespaceName, ...] = Field(
        default=(), description="all claims of these namespaces; with workload, the namespace of the workload"
    )
    labels: Annotated[str, AfterValidator(_are_labels)] = Field(
        default="", description="claims with these labels, for example app=db; without namespaces, in all of them"
    )
    workload: WorkloadName | None = Field(
        default=None, description="all claims of a workload, for example statefulset/db"
    )

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        ways = [bool(self.claims), self.workload is not None, bool(self.labels)]
        if self.workload and len(self.namespaces) != 1:
            message = "a workload needs exactly one namespace"
            raise ValueError(message)
        if self.claims and self.namespaces:
            message = "claims have their namespace in their name: leave out namespaces"
            raise ValueError(message)
        if sum(ways) > 1:
            message = "give only one of claims, workload and labels"
            raise ValueError(message)
        if not any(ways) and not self.namespaces:
            message = "selects nothing: give claims, namespaces, labels, or a workload"
            raise ValueError(message)
        return self

    @property
    def ref(self) -> Ref | None:
        """Returns the workload that is selected; None if the selection is another one."""
        return Ref.of(self.namespaces[0], self.workload) if self.workload else None

    @property
    def in_words(self) -> str:
        """Returns the selection as people read it."""
        if self.claims:
            return f"claims {listed(self.claims)}"
        if self.workload:
            return f"the claims of {self.workload} in {self.namespaces[0]}"
        where = f"in {listed(self.namespaces)}" if self.namespaces else "in all namespaces"
        return f"claims with {self.labels} {where}" if self.labels else f"all claims {where}"

    @property
    def series(self) -> str:
        """Returns the name of the series: backups of the same selection, which retention counts together."""
        normal = self.model_copy(
            update={"claims": tuple(sorted(set(self.claims))), "namespaces": tuple(sorted(set(self.namespaces)))}
        )
        return hashlib.sha256(normal.model_dump_json().encode()).hexdigest()[:8]


class VolumeOptions(Model):
    """These are the choices of a backup of volumes."""

    COVERED: ClassVar[Reasons] = {
        "snapshot_class": "by which class the snapshots are taken",
        "leave_out while_used use_hooks": CHOICE,
        "cut_within ready_within": "how long the run waits for the storage",
        "archive_within": "how long a node may be busy with an archive",
    }

    snapshot_class: str = Field(
        default="",
        pattern=r"^[a-z0-9.-]*$",
        description="VolumeSnapshotClass to use; if empty, the only class of the driver, or its default",
    )
    leave_out: bool = Field(
        default=False, description="leave out claims that cannot be backed up, and back up all others"
    )
    while_used: bool = Field(
        default=False,
        description="archive folders of nodes also while pods use them: such an archive is fuzzy, its files may not fit together",
    )
    use_hooks: bool = Field(
        default=True, description="freeze applications by volumes.hooks of the profile while the snapshots are cut"
    )
    cut_within: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=1),
        le=LONGEST_WAIT,
        description="how long the storage may take to cut the snapshots, for example 10m",
    )
    ready_within: Duration = Field(
        default=timedelta(hours=1),
        ge=timedelta(seconds=1),
        le=LONGEST_WAIT,
        description="how long the snapshots may take until they are ready to use, for example 1h",
    )
    archive_within: Duration = Field(
        default=timedelta(hours=6),
        ge=timedelta(seconds=1),
        le=LONGEST_WAIT,
        description="how long a node may take for one archive, for example 6h",
    )
