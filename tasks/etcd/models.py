"""Models the maintenance of etcd: when to defragment, what the plan does, and the results."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Model
from tasks.core.models.etcd import Member
from tasks.core.models.plan import Plan

MIB = 2**20


class ControlPlaneSeen(Model):
    """Lists the control plane nodes from the API, and which of them may go away at any moment."""

    names: tuple[str, ...] = ()
    out: dict[str, str] = Field(default={}, description="cordoned, or not Ready: by name, with the reason")
    unseen: str = Field(default="", description="why the API could not be asked")
    no_way: bool = Field(default=False, description="the profile has no way to any API")


class Worth(Model):
    """Defines how much a defragmentation must free to be worth its pause.

    A member that is being defragmented serves nothing for seconds per GB.
    """

    COVERED: ClassVar[Reasons] = {"reclaimable_mib reclaimable_percent": CHOICE}

    reclaimable_mib: int = Field(
        default=100, ge=0, le=8192, description="defragment a member with at least this many MiB of free pages, and ..."
    )
    reclaimable_percent: int = Field(
        default=50, ge=0, le=100, description="... at least this percentage of the database file"
    )


class MaintenancePlan(Plan):
    """Lists the members to defragment, in that order, and those whose NOSPACE alarm is to be cleared."""

    COVERED: ClassVar[Reasons] = {"defragment nospace": "the members, in their order"}

    defragment: tuple[Member, ...] = ()
    nospace: tuple[str, ...] = Field(default=(), description="ids of members with the alarm")


class Defragmented(Model):
    """Holds the result of a member's defragmentation."""

    member: str
    before: int = Field(description="bytes of the file")
    after: int
    leader_moved_to: str = ""
    took: timedelta


class Disarmed(Model):
    """Lists the members whose alarms were cleared after the proof that there is space."""

    members: tuple[str, ...]
