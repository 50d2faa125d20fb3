"""When and under which conditions nodes may be disturbed, and what an upgrade has to know."""

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Duration, Model
from tasks.core.models.profile.words import HostName
from tasks.core.models.windows import Window


class UpgradeRules(Model):
    """What upgrades of this cluster have to know."""

    COVERED: ClassVar[Reasons] = {"ignore_preflight_errors": "a check that nobody makes any more"}

    ignore_preflight_errors: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")], ...] = Field(
        default=(), description="of kubeadm, for example SystemVerification"
    )


class SiteGate(Model):
    """What a site wants to hold before and after each act: a command, a condition of an object, or a query of Prometheus."""

    COVERED: ClassVar[Reasons] = {"name command on object condition query url at_most at_least": "what stops the run"}

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$")]
    command: str = Field(
        default="", description="a line of shell, as root on the node `on`; status 0 lets the run go on"
    )
    on: HostName | None = Field(default=None, description="for a command: name of an entry of `nodes`")
    object: Annotated[str, StringConstraints(pattern=r"^$|^/apis?/\S+$")] = Field(
        default="", description="path of an object in the API, for example /apis/apps/v1/namespaces/x/deployments/y"
    )
    condition: str = Field(default="Available", description="of the object, which has to be True")
    query: str = Field(default="", description="PromQL; each value that it gives is compared, none at all is fine")
    url: Annotated[str, StringConstraints(pattern=r"^$|^https?://[^/@\s]+(/\S*)?$")] = Field(
        default="", description="of Prometheus, for a query"
    )
    at_most: float | None = Field(default=None, description="for a query: the largest value that is good")
    at_least: float | None = Field(default=None, description="for a query: the smallest value that is good")

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Self:
        if sum(map(bool, (self.command, self.object, self.query))) != 1:
            message = f"gate {self.name!r}: give one of command, object and query"
            raise ValueError(message)
        if self.command and not self.on:
            message = f"gate {self.name!r}: a command needs `on`, the name of a node"
            raise ValueError(message)
        if self.query and (not self.url or (self.at_most is None and self.at_least is None)):
            message = f"gate {self.name!r}: a query needs `url`, and at_most or at_least"
            raise ValueError(message)
        return self


class AlertRules(Model):
    """Which alerts mean that nothing may be disturbed."""

    COVERED: ClassVar[Reasons] = {"url query": "what stops the run"}

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+(/\S*)?$")] = Field(description="of Prometheus")
    query: Annotated[str, StringConstraints(min_length=1)] = Field(
        default='ALERTS{alertstate="firing", alertname!~"Watchdog|InfoInhibitor"}',
        description="PromQL; each series that it gives is an alert that blocks",
    )


class Console(Model):
    """How the console of a machine is read that does not come back, for example by its management controller."""

    COVERED: ClassVar[Reasons] = {"command node": "it is run as root"}

    command: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="a line of shell, as root on the node `node`; $NODE is the name of the machine that is asked about"
    )
    node: HostName = Field(description="name of an entry of `nodes`")


class MaintenanceRules(Model):
    """When nodes may be disturbed, what forbids it, and what is never touched on them."""

    COVERED: ClassVar[Reasons] = {
        "windows node_takes margin_percent alerts protect console": "when nodes may be disturbed, and what is never touched"
    }

    windows: tuple[Window, ...] = Field(default=(), description="none: at any time")
    node_takes: Duration = Field(
        default=timedelta(minutes=20),
        gt=timedelta(0),
        description="how long a node is expected to take that no earlier run has done",
    )
    margin_percent: int = Field(default=50, ge=0, le=1000, description="on top of what a node is expected to take")
    alerts: AlertRules | None = Field(default=None, description="of Prometheus: while one fires no node is disturbed")
    protect: tuple[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.+_-]*$")], ...] = Field(
        default=(), description="packages that are not touched either, for example the driver of a GPU"
    )
    console: Console | None = None
