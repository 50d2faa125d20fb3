"""Models a cluster's schedulers and controller managers: who runs one, who leads, if the leader is alive."""

from pydantic import Field

from tasks.core.models.base import Model

COMPONENTS = ("kube-scheduler", "kube-controller-manager")
"""Names the static pods of which one leads and the others wait."""


class Instance(Model):
    """This is a scheduler or a controller manager on a control plane node."""

    component: str
    node: str
    problem: str = Field(default="", description="why it does not count; empty when its pod is Ready")
    lease: str = Field(
        default="",
        description="namespace/name of the Lease by which it leads; empty: it asks none, or another file names it",
    )


class Leader(Model):
    """This is a Lease that a scheduler or a controller manager leads by.

    It was watched for as long as it is valid.
    """

    component: str
    lease: str = Field(description="namespace/name")
    holder: str = Field(default="", description="as the Lease names it; empty: nobody")
    seconds: int = Field(default=0, description="for which it was watched at most")
    is_alive: bool = Field(description="its holder renewed it while it was watched")


class Controllers(Model):
    """This holds the schedulers and controller managers of some nodes, and the leaders."""

    instances: tuple[Instance, ...] = ()
    leaders: tuple[Leader, ...] = ()
