"""Models the options of an audit."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, Reasons
from tasks.core.models.base import Duration, Model


class AuditOptions(Model):
    """These are the options of an access audit. Without the canary it changes nothing."""

    COVERED: ClassVar[Reasons] = {"canary canary_image canary_timeout": CHOICE}

    canary: bool = Field(
        default=False,
        description="make two pods in a namespace of their own, try with them whether the network enforces "
        "NetworkPolicies, and remove them",
    )
    canary_image: str = Field(
        default="", description="image of CoreDNS for these pods; default: the one that the DNS pods of the cluster run"
    )
    canary_timeout: Duration = Field(
        default=timedelta(minutes=2),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=30),
        description="how long these pods may take to be Ready",
    )
