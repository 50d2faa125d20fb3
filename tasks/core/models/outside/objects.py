"""What objects of every kind have: metadata, conditions, selectors; and what the API says of them as lists, or instead of them."""

from typing import Any

from pydantic import Field

from tasks.core.models.base import UtcTime
from tasks.core.models.outside.answers import Outside


class Kind(Outside):
    """Of any object."""

    kind: str


class Notes(Outside):
    """Metadata of which only the annotations matter."""

    annotations: dict[str, str] = Field(default={})


class Metadata(Outside):
    """Of any object."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    generation: int = 0
    deletion_timestamp: UtcTime | None = None


class Named(Outside):
    """Any object, of which only the name matters."""

    metadata: Metadata


class PlacedMetadata(Metadata):
    """Of an object in a namespace."""

    namespace: str


class Placed(Outside):
    """Any object in a namespace, of which only the name matters."""

    metadata: PlacedMetadata

    @property
    def id(self) -> str:
        """namespace/name."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


class ReadMetadata(Metadata):
    """Of an object that is changed only if nobody has changed it since it was read."""

    resource_version: str


class Read(Outside):
    """An object that is going to be changed."""

    metadata: ReadMetadata


class Change(Outside):
    """Who has written something in an object, and when."""

    time: UtcTime | None = None


class WrittenMetadata(PlacedMetadata):
    """With when the object was written."""

    creation_timestamp: UtcTime
    managed_fields: tuple[Change, ...] = ()


class Condition(Outside):
    """Of any object's status."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_heartbeat_time: UtcTime | None = None


class Requirement(Outside):
    """Of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class Selector(Outside):
    """LabelSelector."""

    match_labels: dict[str, str] = Field(default={})
    match_expressions: tuple[Requirement, ...] = ()


class Conditions(Outside):
    """A status of which only the conditions matter."""

    conditions: tuple[Condition, ...] = ()


class WithConditions(Outside):
    """Any object that has conditions; one that no controller has looked at yet has none."""

    status: Conditions = Conditions()


class Cause(Outside):
    """Why a request was refused."""

    reason: str = ""
    message: str = ""


class StatusDetails(Outside):
    """Of an answer that is no object."""

    retry_after_seconds: int = 0
    causes: tuple[Cause, ...] = ()


class Status(Outside):
    """v1 Status: what the API says where it gives no object."""

    status: str = ""
    message: str = ""
    code: int = 0
    details: StatusDetails = StatusDetails()


class ListMetadata(Outside):
    """Of a page of a list."""

    following: str = Field(default="", alias="continue")


class ListPage(Outside):
    """A page of a list of objects."""

    metadata: ListMetadata = ListMetadata()
    items: tuple[dict[str, Any], ...] = ()
