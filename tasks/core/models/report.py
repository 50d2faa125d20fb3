"""What a run did, how long each step took, what it proved and what it left."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field, JsonValue

from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Plan


class Took(Model):
    """One part of the work on a node."""

    what: str
    took: timedelta


class Outcome(StrEnum):
    """How a run stands or ended."""

    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    """There was a reason to do nothing now, and it is no failure."""
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    CRASHED = "crashed"


class Done(Model):
    """A step that ended, with what it found or changed as evidence."""

    step: str
    started_at: UtcTime
    took: timedelta
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class Approval(Model):
    """What a person said to a plan."""

    plan: str = Field(description="its digest")
    approved: bool
    who: str = Field(default="", description="in their own words: Prefect knows nobody by name")
    reason: str = ""

    @property
    def sentence(self) -> str:
        """For people."""
        decision = "approved" if self.approved else "aborted"
        reason = f": {self.reason}" if self.reason else ""
        return f"plan {self.plan} was {decision} by {self.who or 'somebody who gave no name'}{reason}"


class Report(Model):
    """The record of one attempt of a run; its journal while it runs, its report afterwards."""

    runbook: str
    cluster: str
    run_id: str
    run_name: str
    attempt: int = Field(ge=1, description="1, and one more for each retry of the same flow run")
    outcome: Outcome
    started_at: UtcTime
    ended_at: UtcTime | None = None
    plan: Plan | None = None
    approval: Approval | None = None
    done: tuple[Done, ...] = ()
    doing: str = Field(default="", description="the step that was under way when this was written")
    problem: str = ""
    next_step: str = ""
    way_back: str = Field(default="", description="what undoes the run, while there is something to undo")
    summary: tuple[str, ...] = Field(default=(), description="what an operator wants to read first")
