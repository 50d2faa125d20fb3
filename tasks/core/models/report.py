"""Defines the report: what a run did, how long each step took, what it proved and what is left."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field, JsonValue

from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Plan


class Took(Model):
    """This is one part of the work on a node, and its duration."""

    what: str
    took: timedelta


class Outcome(StrEnum):
    """This is the current or final state of a run."""

    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    """There was a reason to do nothing now, and this is no failure."""
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    CRASHED = "crashed"


class Done(Model):
    """This is a finished step. Its `evidence` holds what the step found or changed."""

    step: str
    started_at: UtcTime
    took: timedelta
    evidence: dict[str, JsonValue] = Field(default_factory=dict)


class Choice(Model):
    """This is a yes or no that a run asks of the person who approves its plan."""

    name: str = Field(description="of the option that it takes the place of")
    default: bool = Field(description="the value of the option")
    asks: str = Field(description="what yes means")

    @property
    def in_words(self) -> str:
        """Returns the question with its default, for people."""
        return f"{self.name} ({_yes_or_no(self.default)}, unless you choose otherwise): {self.asks}"


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"


class Approval(Model):
    """This is a person's answer to a plan."""

    plan: str = Field(description="its digest")
    approved: bool
    who: str = Field(default="", description="in their own words: Prefect knows nobody by name")
    reason: str = ""
    choices: dict[str, bool] = Field(default={}, description="what the person chose beside it, by the option's name")

    @property
    def person(self) -> str:
        """Returns who gave the answer."""
        return self.who or "somebody who gave no name"

    @property
    def sentence(self) -> str:
        """Returns the answer as a sentence for people."""
        decision = "approved" if self.approved else "denied"
        reason = f": {self.reason}" if self.reason else ""
        chosen = "".join(f"; {name}: {_yes_or_no(value)}" for name, value in self.choices.items() if self.approved)
        return f"plan {self.plan} was {decision} by {self.person}{reason}{chosen}"

    def held_for(self, plan: Plan) -> str:
        """Returns the answer as a sentence for people.

        If `plan` is another plan, the sentence also says that it is a part of the approved plan. It then needs no approval
        of its own.
        """
        part = "" if self.plan == plan.digest else f"; plan {plan.digest} is a part of it"
        return f"{self.sentence}{part}"


class Report(Model):
    """This is the record of one attempt of a run: its journal during the run, its report afterwards."""

    runbook: str
    cluster: str
    run_id: str
    run_name: str
    attempt: int = Field(ge=1, description="1, and one more for each retry of the same flow run")
    mode: str = Field(default="", description="plan, approve or apply; empty for a runbook without modes")
    outcome: Outcome
    started_at: UtcTime
    ended_at: UtcTime | None = None
    plan: Plan | None = None
    approval: Approval | None = None
    done: tuple[Done, ...] = ()
    doing: str = Field(default="", description="the step that was under way when this was written")
    problem: str = Field(default="", description="a line for each, if there are several; `next_step` then has as many")
    next_step: str = ""
    way_back: str = Field(default="", description="what undoes the run, while there is something to undo")
    summary: tuple[str, ...] = Field(default=(), description="what an operator wants to read first")
