"""Models what is done to which node, in which order, and what the patch of each node receives."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import WORK_ON_NODE, Reasons
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Plan
from tasks.os_patch.models.options import PatchOptions
from tasks.os_patch.models.packages import Change


class NodePatch(Model):
    """This is one node of the plan."""

    COVERED: ClassVar[Reasons] = {"name control_plane changes reboot begun repair": WORK_ON_NODE}
    LEFT_OUT: ClassVar[Reasons] = {
        "evicted": "names of pods change all the time; `evicts` has their controllers, and what is lost",
        "expected needs": "an estimate",
    }

    name: str
    control_plane: bool
    changes: tuple[Change, ...] = ()
    reboot: str = Field(default="", description="why it will be rebooted; empty when nothing says so yet")
    begun: bool = Field(default=False, description="an earlier run has begun with it: this run resumes it")
    repair: bool = False
    evicted: tuple[str, ...] = Field(default=(), description="pods that the drain evicts")
    expected: timedelta = Field(description="that it takes")
    needs: timedelta = Field(description="the same with its margin")


class PatchPlan(Plan):
    """This is the order of the nodes: control plane nodes one at a time, then workers in waves."""

    COVERED: ClassVar[Reasons] = {
        "control_plane waves": "what is done to whom, in which order",
        "waiting": "nodes that are not done in this window",
    }
    LEFT_OUT: ClassVar[Reasons] = {
        "until": "it moves with the moment of planning; which nodes fit is covered",
        "opens closed": "there is nothing to approve while no window is open",
    }

    control_plane: tuple[NodePatch, ...] = ()
    waves: tuple[tuple[NodePatch, ...], ...] = ()
    until: UtcTime | None = Field(default=None, description="when all has to be over; none where there is no window")
    opens: UtcTime | None = Field(default=None, description="the next window, when none is open")
    closed: str = Field(default="", description="why nothing may be done now")
    waiting: tuple[str, ...] = Field(default=(), description="nodes that do not fit into the window any more")

    @property
    def nodes(self) -> tuple[NodePatch, ...]:
        """Returns all nodes of the plan, in order."""
        return (*self.control_plane, *(node for wave in self.waves for node in wave))

    @property
    def is_postponed(self) -> bool:
        """Returns True if there is work but no time for it now."""
        return not self.nodes and bool(self.closed or self.waiting)


class PatchOrders(Model):
    """This holds what the patch of each node receives."""

    options: PatchOptions
    run_id: str
    runbook: str = "node_os_patch"
    reason: str = Field(default="node_os_patch", description="of the cordon")
    ticket: str = ""
    urgent: bool = Field(default=False, description="other nodes, rollouts and alerts do not forbid it")
    until: UtcTime | None = None
    ours: tuple[str, ...] = Field(default=(), description="nodes that this run has out of service, or has given up")
