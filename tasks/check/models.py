"""Holds the models of what a check finds."""

from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model
from tasks.core.models.profile import Route


class State(StrEnum):
    """This is the state of a finding."""

    OK = "ok"
    WARN = "warn"
    """Runbooks work.

    Something apart from them does not work, or does not work as well as it could.
    """
    FAIL = "fail"
    NOT_CHECKED = "skip"
    """It was not checked, or could not be, because of a failure that another finding has."""


class Finding(Model):
    """This is one thing that was tried, and its result."""

    area: str = Field(
        description="profile, keys, ssh, login shell, sudo, api, rights, etcd, bucket, volumes or prefect"
    )
    subject: str = Field(description="a field, a node, a member, a runbook, or what was done")
    state: State
    told: str
    fix: str = Field(default="", description="the next step; empty where nothing is wrong, or another finding has it")
    needs: tuple[str, ...] = Field(
        default=(),
        exclude=True,
        description="what has to work first: an area with a subject, for example `ssh cp1`, or all of an area, as `api`",
    )

    @property
    def name(self) -> str:
        """Returns the area and the subject, as `needs` of other findings has them."""
        return f"{self.area} {self.subject}"


class Right(Model):
    """This is something that the API must allow: a verb on a kind of object, or on a path that is not a resource."""

    verb: str
    resource: str = Field(default="", description="plural, with its subresource: pods/eviction; empty for a path")
    group: str = Field(default="", description="of the API; empty for the core")
    namespace: str = Field(default="", description="empty for all of them, and for what is in none")
    name: str = Field(default="", description="of the one object; empty for all of them")
    path: str = Field(default="", description="what is no resource, for example /metrics")

    @property
    def in_words(self) -> str:
        """Returns the right as text: `list pods`, `update leases.coordination.k8s.io in kube-system`, `get /metrics`."""
        kind, _, below = self.resource.partition("/")
        what = self.path or f"{kind}{'.' if self.group else ''}{self.group}{'/' if below else ''}{below}"
        one = f" {self.name}" if self.name else ""
        return f"{self.verb} {what}{one}" + (f" in {self.namespace}" if self.namespace else "")


class Tried(Model):
    """This is a query to an etcd member by one route, with the reason if it did not work."""

    member: str
    route: Route
    told: str = Field(default="", description="of a member that answered")
    problem: str = ""
    fix: str = ""
    needs: tuple[str, ...] = Field(default=(), description="what has to work first, as in a finding")


class FittingPod(Model):
    """This is a pod that has the labels of a hook or a check."""

    name: str
    containers: tuple[str, ...] = ()
    has_claim: bool = Field(default=False, description="it uses a claim")


class SnapshotController(Model):
    """This is a Deployment whose image is that of a snapshot-controller."""

    id: str = Field(description="NAMESPACE/NAME")
    available: int = 0
