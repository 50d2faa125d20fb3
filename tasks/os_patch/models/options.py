"""What an operator may choose of a patch."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model
from tasks.drain.models import DrainOptions
from tasks.node_work.models.waves import Waves
from tasks.os_patch.models.packages import Scope


class RebootRule(StrEnum):
    """When a node is rebooted."""

    NEVER = "never"
    NEEDED = "needed"
    """A reboot is pending, or what was installed takes effect with one only."""
    ALWAYS = "always"


class PatchOptions(Model):
    """What an operator may choose; every default is the safe one."""

    COVERED: ClassVar[Reasons] = {
        "scope reboot nodes waves drain repair outside_window allow_cordoned allow_downtime come_back settle": CHOICE
    }

    scope: Scope = Field(default=Scope.SECURITY, description="security: only security updates; all: every update")
    reboot: RebootRule = Field(
        default=RebootRule.NEEDED, description="needed: only where one is pending or an update asks for it"
    )
    nodes: tuple[str, ...] = Field(default=(), description="only these nodes; empty for all")
    waves: Waves = Field(default=Waves(), description="how many workers at once, and how many may fail")
    drain: DrainOptions = Field(default=DrainOptions(), description="what a drain may do, and how long it may take")
    repair: bool = Field(
        default=False,
        description="end what dpkg was cut off in, by `dpkg --configure -a`, before anything is installed",
    )
    outside_window: bool = Field(default=False, description="go on also where no maintenance window is open")
    allow_cordoned: bool = Field(
        default=False, description="go on although somebody has cordoned a node; that one stays cordoned"
    )
    allow_downtime: bool = Field(
        default=False, description="disturb the only control plane of a cluster, whose API is away meanwhile"
    )
    come_back: Duration = Field(
        default=timedelta(minutes=20), gt=timedelta(0), description="that a node has, to be back after its reboot"
    )
    settle: Duration = Field(
        default=timedelta(seconds=10), description="that a node has to look healthy without a break, afterwards"
    )
