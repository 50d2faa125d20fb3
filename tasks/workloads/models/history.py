"""Describes the revisions of a workload."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import Field

from tasks.core.models.base import Model, UtcTime


class Found(NamedTuple):
    """This is a revision as the API has it."""

    number: int
    name: str
    label: str
    created: datetime | None
    annotations: Mapping[str, str]
    template: Mapping[str, Any]


class Written(NamedTuple):
    """This is an entry of managedFields of the workload."""

    manager: str
    at: datetime


class Revision(Model):
    """Describes one revision: a ReplicaSet of a Deployment, or a ControllerRevision."""

    number: int
    name: str
    created: UtcTime | None = None
    runs: bool = Field(default=False, description="it is the revision of the newest template")
    pods: int = Field(default=0, description="pods of it that exist now")
    images: dict[str, str] = Field(default={}, description="by container")
    cause: str = Field(default="", description="kubernetes.io/change-cause")
    who: str = Field(default="", description="who wrote it, if the API or an annotation says so")
    changes: tuple[str, ...] = Field(
        default=(), description="what is different from the revision before; secrets are masked"
    )


class History(Model):
    """Holds the revisions of a workload, the newest first."""

    workload: str
    revisions: tuple[Revision, ...] = ()


class HistoriesFound(Model):
    """Holds the revisions of all workloads that were asked for."""

    namespace: str
    histories: tuple[History, ...] = ()
    absent: tuple[str, ...] = Field(default=(), description="asked for, and not there")
    has_namespace: bool = True
