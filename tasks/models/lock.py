"""Who holds a cluster's lock, as a person who finds it taken needs to know."""

from datetime import datetime

from tasks.models.base import Model, UtcTime


class Holder(Model):
    """A run that takes the lock, beside its id."""

    runbook: str
    run_name: str
    started_at: UtcTime


class LockRecord(Model):
    """What a Lease says. As long as none of it changes, its holder has not renewed it."""

    holder: str
    """Id of its run; empty when the lock is free."""
    process: str = ""
    """Of the run: a retry is the same run, and another process."""
    runbook: str = ""
    run_name: str = ""
    since: str = ""
    """As the holder's own clock had it: to be shown, never compared with another clock."""
    renewed: str = ""
    transitions: int = 0
    seconds: int = 0
    """Without a renewal, after which the holder counts as dead."""

    @property
    def sentence(self) -> str:
        """For people."""
        what = f"{self.runbook} {self.run_name}".strip() or "a run"
        return f"{what} (run {self.holder}, {self.process or 'process not known'}) has had the lock since {self.since}"


def micro_time(moment: datetime) -> str:
    """As Leases have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
