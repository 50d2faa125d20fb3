"""A plan: what will be done and why, what will not be and why not, and which rules say no. Published before any act."""

import hashlib
import json
import re
import secrets
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from tasks.core.models.approval import ADVICE, Reasons
from tasks.core.models.base import Model


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


_NONCE = secrets.token_hex(8)
_BEGINS, _ENDS = f"<{_NONCE}", f"{_NONCE}>"
"""Of this process alone: no text that comes from a node or an API can hide a part of itself."""

ONLY_FIGURES = "…"
"""What is left of a text that is a figure as a whole."""

_WAVE = re.compile(r"^wave \d+: ")
_FIGURE = re.compile(f"{_BEGINS}(?:(?!{_BEGINS}|{_ENDS}).)*{_ENDS}", re.DOTALL)


def figure(value: object) -> str:
    """Marks a part of a plan's text that changes by the minute: people see it, and an approval holds whatever it is.

    The marks live until the text is in a line of a plan, which takes them out.
    """
    return f"{_BEGINS}{value}{_ENDS}"


def without_figures(text: str) -> str:
    """The same text with `…` in the place of each figure."""
    while (shorter := _FIGURE.sub("…", text)) != text:
        text = shorter
    return text


def joined(*parts: str) -> str:
    """A text of parts with `; ` between. One that is a figure as a whole may be there or not: pass `figure("")` where it is not, never `""`."""
    text = ""
    for part in parts:
        if _FIGURE.fullmatch(part):
            plain = _without_marks(part)
            text += figure(f"; {plain}" if plain else "")
        elif part:
            text += f"; {part}" if text else part
    return text


def _without_marks(text: str) -> str:
    return text.replace(_BEGINS, "").replace(_ENDS, "")


class Line(Model):
    """A line of a plan. Its text may have figures; what an approval holds for has none."""

    LEFT_OUT: ClassVar[Reasons] = {"lasting": "it takes the place of the text"}

    TEXT: ClassVar[str]
    """The field with the text."""

    lasting: str = Field(default="", description="the text without its figures; empty when it has none")

    @model_validator(mode="before")
    @classmethod
    def _figures_apart(cls, fields: Any) -> Any:  # noqa: ANN401 - whatever pydantic is given
        if not isinstance(fields, dict):
            return fields
        plain = {name: _without_marks(value) if isinstance(value, str) else value for name, value in fields.items()}
        text = str(fields.get(cls.TEXT, ""))
        return plain | {"lasting": without_figures(text)} if _BEGINS in text else plain

    @property
    def basis(self) -> str:
        """What an approval holds for."""
        return self.lasting or str(getattr(self, self.TEXT))

    @property
    def is_passing(self) -> bool:
        """All of it is a figure: it may be there or not."""
        return self.basis == ONLY_FIGURES


class Step(Line):
    """One act of the plan, and the reason for it."""

    COVERED: ClassVar[Reasons] = {"subject act": "who, and what", "reason": "why, without its figures"}

    TEXT = "reason"

    subject: str
    act: str
    reason: str

    @property
    def deed(self) -> str:
        """The act, whichever wave it is in: where a part is done, the rest has other numbers."""
        return _WAVE.sub("", self.act)


class Skip(Line):
    """Something that will not be done, and why."""

    COVERED: ClassVar[Reasons] = {"subject": "who is left alone", "reason": "why, without its figures"}

    TEXT = "reason"

    subject: str
    reason: str


class Caution(Line):
    """Something that does not stop the run and that a person should look at."""

    COVERED: ClassVar[Reasons] = {
        "subject problem": "what a person has to know before, without its figures; not where it is nothing but a figure"
    }
    LEFT_OUT: ClassVar[Reasons] = {"next_step": ADVICE}

    TEXT = "problem"

    subject: str
    problem: str
    next_step: str = ""


class Refusal(Line):
    """A rule that says no, and what to do about it."""

    COVERED: ClassVar[Reasons] = {"subject problem": "what is in the way, without its figures"}
    LEFT_OUT: ClassVar[Reasons] = {"next_step": ADVICE}

    TEXT = "problem"

    subject: str
    problem: str
    next_step: str


class Term(Model):
    """A condition that the plan was made under: a parameter of the run, or a section of the cluster's profile."""

    COVERED: ClassVar[Reasons] = {"name value": "a condition of the run"}

    name: str
    value: str


class Plan(Model):
    """Steps, skips, cautions and all refusals at once."""

    COVERED: ClassVar[Reasons] = {
        "steps skips cautions refusals": "they are what a person reads",
        "evicts": "whose pods go, and what is lost, is what others notice; by controller, since names of pods and their nodes change all the time",
        "terms": "the same steps under other conditions are another thing",
    }
    LEFT_OUT: ClassVar[Reasons] = {"digest": "it is made of all the others"}

    steps: tuple[Step, ...] = ()
    skips: tuple[Skip, ...] = ()
    cautions: tuple[Caution, ...] = ()
    refusals: tuple[Refusal, ...] = Field(default=(), description="not empty: nothing is done")
    evicts: tuple[str, ...] = Field(
        default=(), description="controllers whose pods are evicted, as namespace/name-*, and what is lost"
    )
    terms: tuple[Term, ...] = Field(default=(), description="filled in when the plan is settled")
    digest: str = Field(default="", description="of all that an approval holds for; filled in when the plan is settled")

    @property
    def acts(self) -> str:
        """A digest of who and what alone, for the names of jobs: the same in every attempt, whatever else has changed."""
        decisions = [(step.subject, step.act) for step in self.steps], [skip.subject for skip in self.skips]
        return hashlib.sha256(json.dumps(decisions).encode()).hexdigest()[:16]

    def was_announced_by(self, approved: "Plan") -> bool:
        """Whether an approved plan said that this one comes after it, as the steps of a chain do."""
        del approved
        return False
