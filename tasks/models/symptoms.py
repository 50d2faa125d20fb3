"""What a proof finds wrong with a node: the same words before an act and after it."""

from pydantic import Field

from tasks.models.base import Model


class Symptom(Model):
    """Something about a node that is not as it has to be."""

    of: str = Field(description="what was asked, for example `unit containerd`: the same before and after an act")
    problem: str = Field(description="with the figures of this moment")
    grave: bool = Field(default=False, description="no act may leave a node like this, even one that found it so")
