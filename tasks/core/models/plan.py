"""Defines a plan: what is done and why, what is skipped and why, and which rules refuse.

A run publishes its plan before it acts.
"""

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
    """This is what a run may do."""

    PLAN = "plan"
    """The run observes, decides, and shows what it would do."""
    APPROVE = "approve"
    """The run shows the plan, waits for an approval, and acts if the plan is still the same."""
    APPLY = "apply"
    """The run acts without an approval."""


PlanOrApply = Literal[Mode.PLAN, Mode.APPLY]
"""These are the modes of a runbook that is confirmed in another way."""


_NONCE = secrets.token_hex(8)
_BEGINS, _ENDS = f"<{_NONCE}>", f"</{_NONCE}>"
"""These marks belong to this process alone.

So no text from a node or an API can hide a part of itself, or become a mark next to one.
"""

ONLY_FIGURES = "…"
"""This is what remains of a text that is one figure as a whole."""

_WAVE = re.compile(r"^wave \d+: ")
_FIGURE = re.compile(f"{_BEGINS}(?:(?!{_BEGINS}|{_ENDS}).)*{_ENDS}", re.DOTALL)


def figure(value: object) -> str:
    """Marks a part of a plan's text that changes every minute.

    People see this part, and an approval holds for any value of it. A line of a plan removes the marks from its
    text.
    """
    return f"{_BEGINS}{value}{_ENDS}"


def without_figures(text: str) -> str:
    """Returns the same text with `…` in the place of each figure."""
    while (shorter := _FIGURE.sub("…", text)) != text:
        text = shorter
    return text


def joined(*parts: str) -> str:
    """Returns one text of all parts, with `; ` between them.

    A part that is one figure as a whole may be present or not. If it is not, pass `figure("")`, never `""`.
    """
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
    """This is a line of a plan. Its text may have figures; the text that an approval covers has none."""

    LEFT_OUT: ClassVar[Reasons] = {"lasting": "it takes the place of the text"}

    TEXT: ClassVar[str]
    """Names the field that holds the text."""

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
        """Returns the text that an approval covers."""
        return self.lasting or str(getattr(self, self.TEXT))

    @property
    def is_passing(self) -> bool:
        """Checks whether the whole text is a figure, so that the line may be present or not."""
        return self.basis == ONLY_FIGURES


class Step(Line):
    """This is one action of the plan, and its reason."""

    COVERED: ClassVar[Reasons] = {"subject act": "who, and what", "reason": "why, without its figures"}

    LEFT_OUT: ClassVar[Reasons] = {
        "lasting_act": "it takes the place of the act, where another plan is looked for in this one"
    }

    TEXT = "reason"

    subject: str
    act: str
    reason: str
    lasting_act: str = Field(default="", description="the act without its figures; empty when it has none")

    @model_validator(mode="before")
    @classmethod
    def _act_apart(cls, fields: Any) -> Any:  # noqa: ANN401 - whatever pydantic is given
        if not isinstance(fields, dict) or _BEGINS not in str(fields.get("act", "")):
            return fields
        return fields | {"lasting_act": without_figures(str(fields["act"]))}

    @property
    def deed(self) -> str:
        """Returns the action without its wave number. If a part is done, the rest has other wave numbers."""
        return _WAVE.sub("", self.act)

    @property
    def lasting_deed(self) -> str:
        """Returns the action without its wave number and without its figures.

        Figures change: for example, who leads etcd changes with every restart.
        """
        return _WAVE.sub("", self.lasting_act or self.act)


class Skip(Line):
    """This is something that will not be done, and why."""

    COVERED: ClassVar[Reasons] = {"subject": "who is left alone", "reason": "why, without its figures"}

    TEXT = "reason"

    subject: str
    reason: str


class Caution(Line):
    """This is something that does not stop the run but that a person should check."""

    COVERED: ClassVar[Reasons] = {
        "subject problem": "what a person has to know before, without its figures; not where it is nothing but a figure"
    }
    LEFT_OUT: ClassVar[Reasons] = {"next_step": ADVICE}

    TEXT = "problem"

    subject: str
    problem: str
    next_step: str = ""


class Refusal(Line):
    """This is a refusal of a rule, and what to do about it."""

    COVERED: ClassVar[Reasons] = {"subject problem": "what is in the way, without its figures"}
    LEFT_OUT: ClassVar[Reasons] = {"next_step": ADVICE}

    TEXT = "problem"

    subject: str
    problem: str
    next_step: str


class Term(Model):
    """This is a condition of the plan: a parameter of the run, or a section of the cluster's profile."""

    COVERED: ClassVar[Reasons] = {"name value": "a condition of the run"}

    name: str
    value: str


class Plan(Model):
    """This is a plan: its steps, its skips, its cautions and all its refusals together."""

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
        """Returns a digest of subjects and actions alone, for the names of jobs.

        It is the same in every attempt, even if anything else has changed.
        """
        decisions = [(step.subject, step.act) for step in self.steps], [skip.subject for skip in self.skips]
        return hashlib.sha256(json.dumps(decisions).encode()).hexdigest()[:16]

    def was_announced_by(self, approved: "Plan") -> bool:
        """Checks whether an approved plan announced this one as its successor, as the steps of a chain do."""
        del approved
        return False
