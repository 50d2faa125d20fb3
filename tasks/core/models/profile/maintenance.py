"""Defines when and under which conditions nodes may be disrupted, and the settings of an upgrade."""

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Duration, Model
from tasks.core.models.profile.words import HostName, Name, NodePath, Url
from tasks.core.models.windows import Window


class UpgradeRules(Model):
    """These are the settings for upgrades of this cluster."""

    COVERED: ClassVar[Reasons] = {
        "ignore_preflight_errors": "a check that nobody makes any more",
        "patches": "what kubeadm writes",
    }

    ignore_preflight_errors: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$")], ...] = Field(
        default=(), description="kubeadm's preflight errors to ignore, for example SystemVerification"
    )
    patches: NodePath | None = Field(
        default=None,
        description=(
            "folder of kubeadm patches on the nodes, as for `kubeadm init --patches`; it must be the same on "
            "all control plane nodes"
        ),
    )


class SiteGate(Model):
    """This is a site's own condition that must hold before and after each action.

    It is a command, a condition of an object, or a Prometheus query.
    """

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
    query: str = Field(
        default="", description="PromQL; each value that it gives is compared, none at all is not within any bound"
    )
    url: Annotated[Url, StringConstraints(pattern=r"^$|^https?://[^/@\s]+(/\S*)?$")] = Field(
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


class WorkloadGate(SiteGate):
    """This is a site's own condition for rollouts of workloads: it must hold before one, and through its bake time."""

    COVERED: ClassVar[Reasons] = {"namespaces": "which rollouts it stops"}

    namespaces: tuple[Name, ...] = Field(
        default=(), description="namespaces of the workloads that it holds for; none means all"
    )


class WorkloadRules(Model):
    """These rules hold for rollouts of workloads."""

    COVERED: ClassVar[Reasons] = {"gates": "they allow and forbid"}

    gates: tuple[WorkloadGate, ...] = ()


class AlertRules(Model):
    """These rules define which alerts block the disruption of nodes."""

    COVERED: ClassVar[Reasons] = {"url query": "what stops the run"}

    url: Annotated[Url, StringConstraints(pattern=r"^https?://[^/@\s]+(/\S*)?$")] = Field(
        description="URL of Prometheus"
    )
    query: Annotated[str, StringConstraints(min_length=1)] = Field(
        default='ALERTS{alertstate="firing", alertname!~"Watchdog|InfoInhibitor"}',
        description="PromQL query; each series in its answer is an alert that blocks",
    )


class Console(Model):
    """This setting defines how to read the console of a node that does not boot again, for example through its BMC."""

    COVERED: ClassVar[Reasons] = {"command node": "it is run as root"}

    command: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="shell command, run as root on `node`; $NODE is the name of the node that does not come back"
    )
    node: HostName = Field(description="name of an entry of `nodes`")


class MaintenanceRules(Model):
    """These rules define when nodes may be disrupted, what blocks it, and what is never changed on them."""

    COVERED: ClassVar[Reasons] = {
        "windows expected_duration margin_percent alerts protect console": "when nodes may be disturbed, and what is never touched"
    }

    windows: tuple[Window, ...] = Field(default=(), description="maintenance windows; if empty, any time is allowed")
    expected_duration: Duration = Field(
        default=timedelta(minutes=20),
        gt=timedelta(0),
        description="how long one node is expected to take if no earlier run has measured it",
    )
    margin_percent: int = Field(
        default=50, ge=0, le=1000, description="margin in percent on top of the expected duration"
    )
    alerts: AlertRules | None = Field(
        default=None, description="Prometheus alerts; while one fires, no node is disturbed"
    )
    protect: tuple[Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.+_-]*$")], ...] = Field(
        default=(), description="further packages that are never touched, for example a GPU driver"
    )
    console: Console | None = None
