"""Holds what nodes and registries say about the images of a rollout. It has no credential in it."""

from pydantic import Field

from tasks.core.models.base import Model
from tasks.registries.models.verdict import Verdict


class ImageAnswer(Model):
    """Says what was found out about one image from one node."""

    workload: str = Field(description="whose pods run it, for example shop/deployment/web")
    image: str
    node: str = Field(default="", description="from which the registry was asked; empty if there was none to ask")
    verdict: Verdict = Verdict.UNKNOWN
    said: str = Field(default="", description="the registry's answer, or why there is none")
    never: bool = Field(default=False, description="imagePullPolicy: Never")
    present: bool | None = Field(default=None, description="the node has it already; none: not known")
    uncertain: tuple[str, ...] = Field(
        default=(), description="why the kubelet may get another answer: credentials or mirrors that are not known"
    )
