"""Models the work on many nodes: how many at once, how many may fail, and how long each part took."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Model

Amount = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3}$|^([1-9]\d?|100)%$")]
"""This is a number of nodes or a percentage of them, such as `2` or `25%`. It is never zero."""


class Waves(Model):
    """This sets how many workers a run works on at once."""

    COVERED: ClassVar[Reasons] = {"max_unavailable canary max_failed": CHOICE}

    max_unavailable: Amount = Field(
        default="1", description="how many workers at once: a number, or a percentage such as 25%"
    )
    canary: bool = Field(
        default=True, description="start with a wave of one worker, then 2, 4, ... up to max_unavailable"
    )
    max_failed: int = Field(default=0, ge=0, le=1000, description="how many workers may fail before the run stops")
