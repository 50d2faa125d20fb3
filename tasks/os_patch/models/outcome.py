"""Models the result of a patch: the record of each node, with its proof."""

from datetime import timedelta

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.core.models.report import Took
from tasks.os_patch.models.packages import Change


class Rebooted(Model):
    """This describes a node that rebooted and is reachable again."""

    before: str = Field(description="boot id")
    after: str
    away: timedelta = Field(description="from the order until it let us in again")


class NodePatched(Model):
    """This is the result for one node, with its proof. It is the record that is kept for each node."""

    node: str
    run_id: str
    at: UtcTime
    changes: tuple[Change, ...] = Field(default=(), description="as the package manager's own lists have them")
    rebooted: bool = False
    reboot_reason: str = ""
    reboot_pending: tuple[str, ...] = Field(default=(), description="why one is pending and was not made")
    boot_before: str = ""
    boot_after: str = ""
    away: timedelta | None = None
    kernel_before: str = ""
    kernel_after: str = ""
    system_state: str = ""
    failed_units: tuple[str, ...] = Field(default=(), description="that had failed before, too")
    protected: dict[str, str] = Field(default={}, description="packages that were not touched, with their versions")
    clock_synced: bool | None = None
    held: tuple[str, ...] = ()
    evicted: tuple[str, ...] = ()
    waited_for: tuple[str, ...] = ()
    leader_moved_to: str = ""
    drained_again: bool = Field(default=False, description="somebody had uncordoned it between drain and reboot")
    stays_cordoned: bool = Field(default=False, description="somebody had cordoned it before the run")
    noticed: tuple[str, ...] = Field(
        default=(), description="what is wrong, and no reason to fail: it was so before, or has to do with other nodes"
    )
    parts: tuple[Took, ...] = ()
    took: timedelta
    whole: bool = Field(
        default=False, description="from its gate to its proof in one attempt: its time says how long a node takes"
    )
    record: str = Field(default="", description="where this is kept")


class Waits(Model):
    """This is a node that was left for the next window."""

    node: str
    reason: str


class WavePatched(Model):
    """This is the result for the nodes of a wave."""

    nodes: tuple[NodePatched, ...] = ()
    waiting: tuple[Waits, ...] = ()
    failed: dict[str, str] = Field(default={}, description="node to the reason; at most max_failed")
