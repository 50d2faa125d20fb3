"""Models the choices of an operator for a patch."""

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
    """This says when a node is rebooted."""

    NEVER = "never"
    NEEDED = "needed"
    """It reboots if a reboot is pending, or if what was installed takes effect only with a reboot."""
    ALWAYS = "always"


class PatchOptions(Model):
    """This holds the choices of an operator. Every default is the safe one."""

    COVERED: ClassVar[Reasons] = {
        "scope reboot nodes waves drain repair outside_window allow_cordoned allow_downtime reboot_timeout stable_for": CHOICE
    }

    scope: Scope = Field(
        default=Scope.SECURITY, description="security installs only security updates; all installs every update"
    )
    reboot: RebootRule = Field(
        default=RebootRule.NEEDED,
        description="needed reboots a node only if a reboot is pending or an update requires it",
    )
    nodes: tuple[str, ...] = Field(default=(), description="names of nodes; if empty, all nodes")
    waves: Waves = Field(default=Waves(), description="how many workers at once and how many may fail")
    drain: DrainOptions = Field(default=DrainOptions(), description="what a drain may do and how long it may take")
    repair: bool = Field(
        default=False,
        description="finish an interrupted dpkg run by `dpkg --configure -a` before anything is installed",
    )
    outside_window: bool = Field(default=False, description="run although no maintenance window is open")
    allow_cordoned: bool = Field(
        default=False, description="run although somebody has cordoned a node; that node stays cordoned"
    )
    allow_downtime: bool = Field(
        default=False, description="disturb the only control plane node; the API does not answer meanwhile"
    )
    reboot_timeout: Duration = Field(
        default=timedelta(minutes=20), gt=timedelta(0), description="how long a node may take to reboot"
    )
    stable_for: Duration = Field(
        default=timedelta(seconds=10), description="how long a node must stay healthy afterwards"
    )
