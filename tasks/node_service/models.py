"""One node out of service, back in service, or rebooted, because a person or an incident wants it."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.drain.models import DrainForecast, DrainOptions
from tasks.node_work.models.health import Symptom
from tasks.nodes.models.nodes import KubeNode, NodeFacts

Reason = Annotated[str, StringConstraints(min_length=3, max_length=200, pattern=r"^[^\r\n]+$")]
Ticket = Annotated[str, StringConstraints(max_length=63, pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/#:-]*$")]


class RebootOptions(Model):
    """What a reboot of one node may do; every default is the safe one."""

    COVERED: ClassVar[Reasons] = {"drain allow_downtime come_back settle": CHOICE}

    drain: DrainOptions = Field(default=DrainOptions(), description="what the drain may do, and how long it may take")
    allow_downtime: bool = Field(
        default=False, description="reboot the only control plane of a cluster, whose API is away meanwhile"
    )
    come_back: Duration = Field(
        default=timedelta(minutes=20), gt=timedelta(0), description="that the node has, to be back after its reboot"
    )
    settle: Duration = Field(
        default=timedelta(seconds=10), description="that the node has to look healthy without a break, afterwards"
    )


class Request(Model):
    """Who wants what of which node."""

    node: str
    reason: str
    ticket: str = ""
    run_id: str

    @property
    def in_words(self) -> str:
        """`INC-7: its disk is failing`."""
        return f"{self.ticket}: {self.reason}" if self.ticket else self.reason


class ServiceFacts(Model):
    """What is known of one node before it is drained or uncordoned."""

    observed_at: UtcTime
    machine: NodeFacts
    kube: KubeNode | None = Field(default=None, description="none when the API does not know it")
    forecast: DrainForecast | None = None
    symptoms: tuple[Symptom, ...] = Field(default=(), description="what the proof of the node would find wrong now")


class Uncordoned(Model):
    """A node that is in service again, or was."""

    node: str
    was_cordoned: bool
    reason: str = Field(default="", description="of the cordon that was taken away, as its annotations had it")
    noticed: tuple[str, ...] = Field(default=(), description="what is wrong, and no reason to fail")
    took: timedelta
