"""Defines what a cluster runs, as far as work on its nodes may harm it."""

from pydantic import Field

from tasks.core.models.base import Model


class Webhook(Model):
    """Describes an admission webhook that blocks requests when its backend is unavailable (failurePolicy: Fail)."""

    name: str
    service: str = Field(description="namespace/name, or a URL")
    backends: tuple[str, ...] = Field(default=(), description="nodes that its ready pods are on")


class Workload(Model):
    """Describes a controller in any namespace, with its pods."""

    kind: str
    name: str = Field(description="namespace/name")
    desired: int
    ready: int
    images: tuple[str, ...] = ()
    by_hand: bool = Field(
        default=False,
        description="nothing replaces its pods by itself: it is paused, or waits until somebody deletes them",
    )
    rolled_out: bool = Field(default=True, description="all its pods are of its newest template")
    rollout: str = Field(default="", description="how far it is being rolled out; empty when it is not")
