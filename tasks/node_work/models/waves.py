"""Work on many nodes: how many at once, how many may fail, and how long each part of it took."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Model

Amount = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,3}$|^([1-9]\d?|100)%$")]
"""A number of nodes, or a percentage of them: `2`, `25%`. Never zero."""


class Waves(Model):
    """How many workers at once."""

    COVERED: ClassVar[Reasons] = {"max_unavailable canary error_budget": CHOICE}

    max_unavailable: Amount = Field(default="1", description="workers at once: a number, or a percentage (25%)")
    canary: bool = Field(default=True, description="the first wave is one worker; then 2, 4, ... up to the limit")
    error_budget: int = Field(default=0, ge=0, le=1000, description="workers that may fail before the run stops")
