"""A plan: what will be done and why, what will not be and why not, and which rules say no. Published before any act."""

import hashlib
import json
from enum import StrEnum
from typing import Literal

from pydantic import Field

from tasks.models.base import Model


class Mode(StrEnum):
    """What a run may do."""

    PLAN = "plan"
    """Look, decide, and show what would be done."""
    APPROVE = "approve"
    """Show it, wait for a person's word, and do it if it is still the plan."""
    APPLY = "apply"
    """Do it."""


PlanOrApply = Literal[Mode.PLAN, Mode.APPLY]
"""For a runbook that is confirmed in another way."""


class Step(Model):
    """One act of the plan, and the reason for it."""

    subject: str
    act: str
    reason: str


class Skip(Model):
    """Something that will not be done, and why."""

    subject: str
    reason: str


class Caution(Model):
    """Something that does not stop the run and that a person should look at."""

    subject: str
    problem: str
    next_step: str = ""


class Refusal(Model):
    """A rule that says no, and what to do about it."""

    subject: str
    problem: str
    next_step: str


class Plan(Model):
    """Steps, skips, cautions and all refusals at once."""

    steps: tuple[Step, ...] = ()
    skips: tuple[Skip, ...] = ()
    cautions: tuple[Caution, ...] = ()
    refusals: tuple[Refusal, ...] = Field(default=(), description="not empty: nothing is done")

    @property
    def digest(self) -> str:
        """Of the decisions (who, what), not of reasons with volatile figures: an approval holds for one digest."""
        decisions = [(step.subject, step.act) for step in self.steps], [skip.subject for skip in self.skips]
        return hashlib.sha256(json.dumps(decisions).encode()).hexdigest()[:16]
