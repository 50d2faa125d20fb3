"""Models the containers that are frozen while the snapshots are cut."""

from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Duration, Model, UtcTime


class HookPod(Model):
    """This is a pod that a hook or a check of the profile fits, with the container that it names."""

    hook: str
    namespace: str
    pod: str
    pod_uid: str
    node: str = ""
    phase: str = ""
    deleting: bool = False
    container: str
    container_id: str = Field(
        default="", description="as the container runtime of its node has it; empty if it has none"
    )
    containers: tuple[str, ...] = Field(default=(), description="names of all containers of the pod")
    is_ready: bool = False
    claims: tuple[str, ...] = Field(default=(), description="claims that the pod mounts, as NAMESPACE/NAME")
    problem: str = Field(default="", description="why its node cannot run a command in it; empty if it can")

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME."""
        return f"{self.namespace}/{self.pod}"

    @property
    def is_over(self) -> bool:
        """Checks whether the pod has ended, so that it writes nothing more."""
        return self.phase in {"Succeeded", "Failed"}


class Freeze(Model):
    """This is a container that is frozen, by which command, and how it is thawed."""

    COVERED: ClassVar[Reasons] = {
        "hook namespace pod pod_uid node container container_id claims": "in which container",
        "freeze thaw limit": "what runs there, and how long it stays frozen",
    }

    hook: str
    namespace: str
    pod: str
    pod_uid: str
    node: str
    container: str
    container_id: str
    claims: tuple[str, ...]
    freeze: tuple[str, ...]
    thaw: tuple[str, ...]
    limit: Duration

    @property
    def id(self) -> str:
        """Returns NAMESPACE/NAME of the pod, and the container."""
        return f"{self.namespace}/{self.pod} {self.container}"


class FreezeJournal(Model):
    """This is what a run may have frozen. It is in the bucket before the first container is frozen."""

    format: int = 1
    run: str
    until: UtcTime = Field(description="time when the nodes thaw the containers themselves")
    freezes: tuple[Freeze, ...]


class Quiesced(Model):
    """This is a container that was frozen while the snapshots were cut."""

    hook: str
    pod: str = Field(description="NAMESPACE/NAME")
    container: str
    claims: tuple[str, ...] = Field(description="claims that the pod mounts, as NAMESPACE/NAME")
    frozen_at: UtcTime
    seconds: float = Field(description="longest time that it can have been frozen, as the worker saw it")


class Thawed(Model):
    """This is what interrupted runs had left frozen, and what was done with it."""

    thawed: tuple[str, ...] = Field(default=(), description="containers that this run thawed")
    over: tuple[str, ...] = Field(
        default=(), description="containers that their node had thawed already, or that do not run any more"
    )
