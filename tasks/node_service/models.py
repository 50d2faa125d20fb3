"""Defines the values for taking one node out of service, putting it back, or rebooting it.

A person or an incident requests this.
"""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.request import Requested
from tasks.drain.models import DrainForecast, DrainOptions
from tasks.node_work.models.health import Symptom
from tasks.nodes.models.nodes import KubeNode, NodeFacts


class RebootOptions(Model):
    """Defines what the reboot of one node may do. Every default is the safe one."""

    COVERED: ClassVar[Reasons] = {"drain allow_downtime reboot_timeout stable_for": CHOICE}

    drain: DrainOptions = Field(default=DrainOptions(), description="what the drain may do and how long it may take")
    allow_downtime: bool = Field(
        default=False, description="reboot the only control plane node; the API does not answer meanwhile"
    )
    reboot_timeout: Duration = Field(
        default=timedelta(minutes=20), gt=timedelta(0), description="how long the node may take to reboot"
    )
    stable_for: Duration = Field(
        default=timedelta(seconds=10), description="how long the node must stay healthy after the reboot"
    )


class Request(Requested):
    """Names the node of a request."""

    node: str


class ServiceFacts(Model):
    """Holds what is known about one node before it is drained or uncordoned."""

    observed_at: UtcTime
    machine: NodeFacts
    kube: KubeNode | None = Field(default=None, description="none when there is no Node object with this name")
    forecast: DrainForecast | None = None
    symptoms: tuple[Symptom, ...] = Field(default=(), description="what the proof of the node would find wrong now")
    elsewhere: tuple[str, ...] = Field(
        default=(), description="`of` of those that have nothing to do with the node: another one has them, too"
    )


class Uncordoned(Model):
    """Describes a node that is in service again, or that already was in service."""

    node: str
    was_cordoned: bool
    reason: str = Field(default="", description="of the cordon that was taken away, as its annotations had it")
    noticed: tuple[str, ...] = Field(default=(), description="what is wrong, and no reason to fail")
    took: timedelta
