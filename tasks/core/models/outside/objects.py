"""Models what objects of every kind have: metadata, conditions, selectors.

It also models lists, and the Status that replaces an object.
"""

from typing import Any

from pydantic import Field

from tasks.core.models.base import UtcTime
from tasks.core.models.outside.answers import Outside


class Kind(Outside):
    """This is the kind of any object."""

    kind: str


class Notes(Outside):
    """This is metadata of which only the annotations are read."""

    annotations: dict[str, str] = Field(default={})


class Metadata(Outside):
    """This is the metadata of any object."""

    name: str
    namespace: str = ""
    uid: str = ""
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    generation: int = 0
    deletion_timestamp: UtcTime | None = None


class Named(Outside):
    """This is any object of which only the name is read."""

    metadata: Metadata


class PlacedMetadata(Metadata):
    """This is the metadata of an object in a namespace."""

    namespace: str


class NamespaceStatus(Outside):
    """This is the status of a namespace: its phase."""

    phase: str = ""


class Namespace(Outside):
    """This is a v1 Namespace."""

    metadata: Metadata
    status: NamespaceStatus = NamespaceStatus()


class Placed(Outside):
    """This is any object in a namespace of which only the name is read."""

    metadata: PlacedMetadata

    @property
    def id(self) -> str:
        """Returns namespace/name."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


class ReadMetadata(Metadata):
    """This is the metadata of an object that is changed only if nobody has changed it since it was read."""

    resource_version: str


class Read(Outside):
    """This is an object that is about to be changed."""

    metadata: ReadMetadata


class Change(Outside):
    """This is a record of a write to an object; only its time is read."""

    time: UtcTime | None = None


class WrittenMetadata(PlacedMetadata):
    """This is metadata with the times at which the object was written."""

    creation_timestamp: UtcTime
    managed_fields: tuple[Change, ...] = ()


class FieldManager(Outside):
    """This is a record of who wrote fields of an object, and by which version of the API."""

    manager: str = ""
    api_version: str = ""


class ManagedMetadata(Metadata):
    """This is metadata with who wrote the object."""

    managed_fields: tuple[FieldManager, ...] = ()


class Managed(Outside):
    """This is any object of which only the metadata is read, with who wrote it."""

    metadata: ManagedMetadata


class Condition(Outside):
    """This is a condition in the status of any object."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_heartbeat_time: UtcTime | None = None


class Requirement(Outside):
    """This is a requirement of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class Selector(Outside):
    """This is a LabelSelector."""

    match_labels: dict[str, str] = Field(default={})
    match_expressions: tuple[Requirement, ...] = ()


class Conditions(Outside):
    """This is a status of which only the conditions are read."""

    conditions: tuple[Condition, ...] = ()


class WithConditions(Outside):
    """This is any object with conditions; it has none if no controller has processed it yet."""

    status: Conditions = Conditions()


class Cause(Outside):
    """This is the cause of a refused request."""

    reason: str = ""
    message: str = ""


class StatusDetails(Outside):
    """This is the details section of a Status."""

    retry_after_seconds: int = 0
    causes: tuple[Cause, ...] = ()


class Status(Outside):
    """This is a v1 Status: the API's answer if it returns no object."""

    status: str = ""
    message: str = ""
    code: int = 0
    details: StatusDetails = StatusDetails()


class ListMetadata(Outside):
    """This is the metadata of one page of a list."""

    following: str = Field(default="", alias="continue")
    resource_version: str = ""


class ListPage(Outside):
    """This is one page of a list of objects."""

    metadata: ListMetadata = ListMetadata()
    items: tuple[dict[str, Any], ...] = ()
