"""Defines which commands freeze applications while their volumes are backed up, and which ones prove restored data."""

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Duration, Model
from tasks.core.models.profile.words import Name

Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=4096)]
"""This is one word of a command. It has no line ends."""

LONGEST_FREEZE = timedelta(seconds=60)
"""Limits how long an application may stay frozen."""


class InContainers(Model):
    """This says in which containers a command runs."""

    name: Name
    namespace: Name
    labels: str = Field(
        pattern=r"^[A-Za-z0-9!=,_./() -]+$", description="of the pods, for example app=db; they mount a selected claim"
    )
    container: Name


class VolumeHook(InContainers):
    """This is a pair of commands in a container: one freezes the application, the other one thaws it."""

    COVERED: ClassVar[Reasons] = {
        "name namespace labels container": "in which containers the commands run",
        "freeze thaw limit": "what runs there, and how long it stays frozen",
    }

    freeze: tuple[Word, ...] = Field(min_length=1, description="command and its arguments; they hold no secret")
    thaw: tuple[Word, ...] = Field(min_length=1, description="command that undoes it; it may run twice")
    limit: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        le=LONGEST_FREEZE,
        description="how long it may stay frozen, for example 30s",
    )


class VolumeCheck(InContainers):
    """This is a command in a container that succeeds if the data of the application is whole."""

    COVERED: ClassVar[Reasons] = {
        "name namespace labels container": "in which containers the command runs",
        "command limit wait": "what runs there, and how long it may take",
    }

    command: tuple[Word, ...] = Field(
        min_length=1,
        description="command and its arguments; it changes nothing, and its status is 0 if the data is whole",
    )
    limit: Duration = Field(
        default=timedelta(minutes=1),
        ge=timedelta(seconds=1),
        le=timedelta(hours=6),
        description="how long it may take, for example 10m",
    )
    wait: tuple[Word, ...] = Field(
        default=("sleep", "86400"),
        min_length=1,
        description="command of the image that only waits, for the pod of its own in which the files of a claim beside the old one are checked",
    )


class VolumeRules(Model):
    """These rules are for backups and restores of volumes."""

    COVERED: ClassVar[Reasons] = {"hooks checks": "which commands run in containers"}

    hooks: tuple[VolumeHook, ...] = ()
    checks: tuple[VolumeCheck, ...] = ()

    @model_validator(mode="after")
    def _each_has_its_own_name(self) -> Self:
        for kind, found in (("hooks", self.hooks), ("checks", self.checks)):
            names = [one.name for one in found]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                message = f"{kind}: two have the name {', '.join(twice)}; give each its own"
                raise ValueError(message)
        return self
