"""Describes the room that the pods of a rollout need, and what there is."""

from decimal import Decimal

from pydantic import Field

from tasks.core.models.base import Model

Amounts = dict[str, Decimal]
"""Maps `pods`, `requests.cpu`, `limits.memory` and the like to an amount; memory is in bytes."""


class QuotaLeft(Model):
    """Says what a ResourceQuota has left for pods."""

    name: str
    left: Amounts


class Room(Model):
    """Holds what one new pod needs, and what there is now."""

    pod: Amounts = Field(default={}, description="of one pod of the new template, as the API would admit it")
    growth: Amounts = Field(default={}, description="how much more than one of the template before")
    quotas: tuple[QuotaLeft, ...] = ()
    nodes: int = Field(default=0, description="nodes that take such a pod")
    fits: bool = Field(default=False, description="one of them has room for it")
    most: Amounts = Field(default={}, description="the most of each resource that is free on one of them")
    unknown: str = Field(default="", description="what could not be read for this")
