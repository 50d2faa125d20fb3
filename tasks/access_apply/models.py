"""Models how the objects of an access policy differ from those in the cluster, and what a run changed."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.access.models.audit import Judged
from tasks.access.models.declared import JSON, Kind, Place
from tasks.access.models.policy import AccessPolicy
from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Caution, Refusal


class Act(StrEnum):
    """This is what a run does with an object."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    """Deletes and creates it: the API lets nobody change the role of a binding."""
    DELETE = "delete"


class ApplyOptions(Model):
    """These are the choices of `access_apply`."""

    COVERED: ClassVar[Reasons] = {"remove": "whether rights are taken away"}

    remove: bool = Field(default=True, description="delete objects of kube-runbooks that the policy no longer has")


class Version(Model):
    """This is an object at one moment: another object with the same name has another uid."""

    uid: str = ""
    resource_version: str = ""


class Change(Model):
    """This is an object that is not as the policy wants it."""

    kind: Kind
    namespace: str = ""
    name: str
    subject: str = Field(description="subject of the policy, for example User:ada")
    act: Act
    difference: tuple[str, ...] = Field(default=(), description="what is added (+) and what is taken away (-)")
    body: JSON = Field(default={}, description="the object as the policy wants it; empty if it is deleted")
    version: Version = Field(default=Version(), description="the object as it was read; empty if it is created")

    @property
    def place(self) -> Place:
        """Returns where it is."""
        return Place(self.kind, self.namespace, self.name)

    @property
    def is_same_as(self) -> tuple[Place, Act, tuple[str, ...], JSON]:
        """Returns what a person has approved. The object may have another version, as long as this is the same."""
        return self.place, self.act, self.difference, self.body


class Comparison(Model):
    """This is how a cluster differs from its access policy."""

    observed_at: UtcTime
    policy: AccessPolicy | None = Field(description="as it was read; none if the cluster has none")
    changes: tuple[Change, ...] = Field(default=(), description="in the order in which they are made; deletions last")
    same: int = Field(default=0, description="objects that are as the policy wants them")
    refusals: tuple[Refusal, ...] = ()
    cautions: tuple[Caution, ...] = ()
    cells: tuple[Judged, ...] = Field(default=(), description="cells of the matrix before the run")
    stay: tuple[str, ...] = Field(default=(), description="cells that fail now and that this policy does not correct")


class Applied(Model):
    """This is what a run did with the objects."""

    done: tuple[str, ...] = Field(default=(), description="objects that were changed, and how")
    already: tuple[str, ...] = Field(default=(), description="objects that were as planned before this attempt")


class Proven(Model):
    """This is the proof: what was read back, and what the API server answers."""

    same: int = Field(description="objects that were read back and are as the policy wants them")
    holding: int = Field(description="cells of the matrix that hold")
    failing: tuple[str, ...] = Field(default=(), description="cells that failed before the run, and still fail")
