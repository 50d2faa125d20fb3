"""Models the lock of a cluster: what its places contain, what a process knows of them, and what it may do."""

import hashlib
import re
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from tasks.core.models.base import Model, UtcTime


class Holder(Model):
    """Describes a run that takes the lock, apart from its id."""

    runbook: str
    run_name: str
    started_at: UtcTime


class Owner(Model):
    """Identifies one process of one run.

    A retry of the same run is another process, and so another owner.
    """

    run_id: str
    process: str
    """It holds the name of the process in the format of `process_named`."""


class LockRecord(Model):
    """Holds the content of one place; as long as it does not change, its owner has not renewed it."""

    holder: str = ""
    """It holds the id of the holder's run; empty if the place is free.

    If the place has text that is not a valid record, the text is here, shortened.
    """
    process: str = ""
    runbook: str = ""
    run_name: str = ""
    since: str = ""
    """It holds the time from the holder's own clock, for people only; never compare it with another clock."""
    renewed: str = ""
    """It holds a mark that each renewal changes, from any clock; compare it only with itself."""
    transitions: int = 0
    seconds: int = 0
    """It holds the seconds without a renewal after which the holder counts as dead."""

    @property
    def is_free(self) -> bool:
        """True if nobody holds the place."""
        return not self.holder

    @property
    def sentence(self) -> str:
        """Describes the holder in a sentence for people."""
        what = f"{self.runbook} {self.run_name}".strip() or "a run"
        since = f" since {self.since}" if self.since else ""
        return f"{what} (run {self.holder}, {self.process or 'process not known'}) has had the lock{since}"

    def is_of(self, owner: Owner) -> bool:
        """Checks whether this very process holds the place."""
        return (self.holder, self.process) == (owner.run_id, owner.process)


class Place(Model):
    """Holds what a process knows of one place of the lock.

    Times are seconds of its own clock, which continues during sleep.
    """

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
    """Records when a place was queried and when it answered, by the caller's own clock."""

    asked: float
    answered: float


class Terms(Model):
    """Defines who is to own the lock, and which places it consists of."""

    owner: Owner
    voters: tuple[str, ...] = Field(default=(), description="control plane nodes, also those that do not answer")
    machines: tuple[str, ...] = Field(default=(), description="nodes that have to be locked before anything is done")
    without_lease: bool = Field(default=False, description="the run may begin where the API gives no Lease")
    seconds: float = Field(default=30.0, gt=0, description="without a renewal, after which an owner is dead")


class Question(StrEnum):
    """Lists the requests that a place accepts."""

    LOOK = "look"
    """This request reads the place without any change."""
    TAKE = "take"
    """This request writes the record of this process if the place still has the content that was found."""
    RENEW = "renew"
    """This request renews the record of this process if it is there."""


class Standing(Model):
    """Describes what holds at one moment.

    At most one of `lost` and `waits` has text. If neither has, the process may continue.
    """

    lost: str = ""
    waits: str = ""
    run_id: str = Field(default="", description="of the other owner that is known to live")


PROCESS = re.compile(r"process (?P<pid>[1-9][0-9]{0,8}) on .*, (?P<machine>[0-9a-f]{16})-[0-9a-f]{8}", re.DOTALL)


def process_named(pid: int, host: str, machine: str, one: str) -> str:
    """Returns the name of an owner's process, for people and for `pid_on`.

    `machine` tells where the process id is valid. `one` belongs to this owner alone.
    """
    return f"process {pid} on {host}, {machine}-{one}" if machine else f"process {pid} on {host}, {one}"


def machine_of(boot: str, namespace: str, *more: str) -> str:
    """Returns an id for the place where process ids are valid: one boot of one kernel, and one PID namespace.

    A boot with too little randomness may give two hosts the same boot id. Each value in `more` tells them apart.
    """
    return hashlib.sha256(" ".join((boot, namespace, *more)).encode()).hexdigest()[:16]


def pid_on(machine: str, process: str) -> int:
    """Returns the process id if the process was named on this host.

    It returns 0 for a process of another host or container, or if its host is not known.
    """
    found = PROCESS.fullmatch(process)
    return int(found["pid"]) if found and found["machine"] == machine else 0


def micro_time(moment: datetime) -> str:
    """Formats a time as Leases have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
