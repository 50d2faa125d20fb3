"""The lock of a cluster: what its places say, what a process knows of them, and what it may do with that."""

import hashlib
import re
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model, UtcTime


class Holder(Model):
    """A run that takes the lock, beside its id."""

    runbook: str
    run_name: str
    started_at: UtcTime


class Owner(Model):
    """One process of one run: a retry of the same run is another process, and so another owner."""

    run_id: str
    process: str
    """As `process_named` words it."""


class LockRecord(Model):
    """What one place says. As long as none of it changes, its owner has not renewed it."""

    holder: str = ""
    """Id of its run; empty when the place is free. Text that is no record of ours stands here, shortened."""
    process: str = ""
    runbook: str = ""
    run_name: str = ""
    since: str = ""
    """As the holder's own clock had it: to be shown, never compared with another clock."""
    renewed: str = ""
    """A mark that each renewal changes, by whatever clock: only compared with itself."""
    transitions: int = 0
    seconds: int = 0
    """Without a renewal, after which the holder counts as dead."""

    @property
    def is_free(self) -> bool:
        """Nobody has it."""
        return not self.holder

    @property
    def sentence(self) -> str:
        """For people."""
        what = f"{self.runbook} {self.run_name}".strip() or "a run"
        since = f" since {self.since}" if self.since else ""
        return f"{what} (run {self.holder}, {self.process or 'process not known'}) has had the lock{since}"

    def is_of(self, owner: Owner) -> bool:
        """This very process has it."""
        return (self.holder, self.process) == (owner.run_id, owner.process)


class Place(Model):
    """What a process knows of one place of the lock. Times are seconds of its own clock, which goes on during sleep."""

    name: str
    is_lease: bool = False
    found: LockRecord | None = Field(default=None, description="what it said last; none when it did not answer")
    problem: str = Field(default="", description="why it did not answer")
    since: float = Field(default=0.0, description="since when the record was seen unchanged, without a gap")
    seen: float = Field(default=0.0, description="when it was asked last, and answered")
    alive: bool = Field(default=False, description="another process renewed it before our eyes")
    is_gone: bool = Field(default=False, description="its process was one of this machine, and does not exist any more")
    confirmed: float | None = Field(default=None, description="when the last renewal was asked for that it confirmed")
    lost: str = Field(default="", description="it was ours, and is not any more: for good")


class Call(Model):
    """When a place was asked and when it answered, by the asker's own clock."""

    asked: float
    answered: float


class Terms(Model):
    """Whose the lock is to be, and what it is made of."""

    owner: Owner
    voters: tuple[str, ...] = Field(default=(), description="control plane nodes, also those that do not answer")
    machines: tuple[str, ...] = Field(default=(), description="nodes that have to be locked before anything is done")
    without_lease: bool = Field(default=False, description="the run may begin where the API gives no Lease")
    seconds: float = Field(default=30.0, gt=0, description="without a renewal, after which an owner is dead")


class Question(StrEnum):
    """What a place can be asked."""

    LOOK = "look"
    """Changes nothing."""
    TAKE = "take"
    """Writes our record, if the place still says what was found."""
    RENEW = "renew"
    """Renews our record, if it is there."""


class Standing(Model):
    """What holds at one moment. At most one of `lost` and `waits` has text; none of them: go on."""

    lost: str = ""
    waits: str = ""
    run_id: str = Field(default="", description="of the other owner that is known to live")


PROCESS = re.compile(r"process (?P<pid>[1-9][0-9]{0,8}) on .*, (?P<machine>[0-9a-f]{16})-[0-9a-f]{8}", re.DOTALL)


def process_named(pid: int, host: str, machine: str, one: str) -> str:
    """Of an owner, for people and for `pid_on`; `machine` says where its number counts, `one` is of this owner alone."""
    return f"process {pid} on {host}, {machine}-{one}" if machine else f"process {pid} on {host}, {one}"


def machine_of(boot: str, namespace: str, *more: str) -> str:
    """Where numbers of processes mean the same: one boot of one kernel, and one of its process namespaces.

    Each of `more` tells two machines apart that a boot without enough randomness has given one id.
    """
    return hashlib.sha256(" ".join((boot, namespace, *more)).encode()).hexdigest()[:16]


def pid_on(machine: str, process: str) -> int:
    """The number of a process that was named there; 0 for one of another machine or container, or of nobody knows where."""
    found = PROCESS.fullmatch(process)
    return int(found["pid"]) if found and found["machine"] == machine else 0


def micro_time(moment: datetime) -> str:
    """As Leases have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
