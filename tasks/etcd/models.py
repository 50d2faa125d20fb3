"""Maintenance of etcd: when a defragmentation is worth its pause, what will be done, what came of it."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Model
from tasks.core.models.etcd import Member
from tasks.core.models.plan import Plan

MIB = 2**20


class ControlPlaneSeen(Model):
    """Control plane nodes as the API has them: which of them may be away any moment."""

    names: tuple[str, ...] = ()
    out: dict[str, str] = Field(default={}, description="cordoned, or not Ready: by name, with the reason")
    unseen: str = Field(default="", description="why the API could not be asked")
    no_way: bool = Field(default=False, description="the profile has no way to any API")


class Worth(Model):
    """A member that is defragmented serves nothing for seconds per GB: only when it frees this much."""

    COVERED: ClassVar[Reasons] = {"reclaimable_mib reclaimable_percent": CHOICE}

    reclaimable_mib: int = Field(default=100, ge=0, le=8192, description="at least so many MiB of free pages, and ...")
    reclaimable_percent: int = Field(default=50, ge=0, le=100, description="... at least so many percent of the file")


class MaintenancePlan(Plan):
    """Members to defragment, in that order; and those whose alarm NOSPACE is to be ended."""

    COVERED: ClassVar[Reasons] = {"defragment nospace": "the members, in their order"}

    defragment: tuple[Member, ...] = ()
    nospace: tuple[str, ...] = Field(default=(), description="ids of members with the alarm")


class Defragmented(Model):
    """What came of a member's defragmentation."""

    member: str
    before: int = Field(description="bytes of the file")
    after: int
    leader_moved_to: str = ""
    took: timedelta


class Disarmed(Model):
    """Alarms that were ended, after the proof that there is space."""

    members: tuple[str, ...]
