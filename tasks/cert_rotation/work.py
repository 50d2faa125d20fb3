"""What one run does on one node: its orders, and what it has done so far."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tasks.cert_rotation.models.rotation import CERT_ROTATION, NodeRotation, RotationRecord
from tasks.cert_rotation.reach import Reach
from tasks.core.errors import Refused
from tasks.run.locks import Check
from tasks.run.parts import NodeParts


@dataclass(frozen=True)
class Limits:
    """How long a node may take for what comes by itself."""

    renew: timedelta = timedelta(minutes=10)
    """For kubeadm."""
    proof: timedelta = timedelta(minutes=5)
    """For a static pod to run again and to say that it is well. etcd may need a minute of it, where its kubelet waits for its own API server."""
    awake: timedelta = timedelta(seconds=20)
    """For one that is on its way up."""
    stays: timedelta = timedelta(seconds=5)
    """After which it has to be well still."""
    users: timedelta = timedelta(minutes=2)
    """For an API that has just been started, and for a kubelet."""


@dataclass(frozen=True)
class Orders:
    """Which run it is, and what it may."""

    run_id: str
    check: Check
    """The lock is still this run's; raises when it is not."""
    allow_downtime: bool = False
    runbook: str = CERT_ROTATION
    """That resumes what is left there when the run dies."""
    limits: Limits = Limits()


class Work:
    """The state of the work on one node; what is done stands in functions beside it."""

    def __init__(self, reach: Reach, node: NodeRotation, orders: Orders) -> None:
        self.name, self.reach, self.node, self.orders = reach.name, reach, node, orders
        self.parts = NodeParts(reach.name)
        self.found: RotationRecord | None = None
        """What is written down on the node, once that is known."""
        self.containers: dict[str, str] = {}
        """Static pod to its container before it was started anew."""
        self.restarted: list[str] = []
        self.leader_moved_to = ""
        self.copies: tuple[str, ...] = ()
        """That were refreshed."""
        self.copies_left: dict[str, str] = {}
        """Those that were not, and why."""
        self.users: dict[str, str] = {}
        """Kubeconfig to whom the API sees with it."""

    @property
    def record(self) -> RotationRecord:
        """What is written down there."""
        if self.found is None:
            raise Refused(f"{self.name}: nothing is written down there", hint="run it again")
        return self.found

    @property
    def limits(self) -> Limits:
        """Of the run."""
        return self.orders.limits

    def check(self) -> None:
        """Raises when the lock is not this run's any more."""
        self.orders.check()

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """A part of the work, with its time."""
        with self.parts.part(what):
            yield
