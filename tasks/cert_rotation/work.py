"""Holds the work of one run on one node: its orders, and its progress so far."""

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
    """Limits how long a node may take for each thing that happens without an action of the run."""

    renew: timedelta = timedelta(minutes=10)
    """It limits the time for kubeadm."""
    proof: timedelta = timedelta(minutes=5)
    """It limits the time until a static pod runs again and reports that it is healthy.

    etcd may need a minute of it if its kubelet waits for its own API server.
    """
    awake: timedelta = timedelta(seconds=20)
    """It limits the wait for a static pod that is starting."""
    stays: timedelta = timedelta(seconds=5)
    """It is the time after which a static pod must still be healthy."""
    users: timedelta = timedelta(minutes=2)
    """It limits the wait for an API that has just started, and for a kubelet."""


@dataclass(frozen=True)
class Orders:
    """Describes which run this is, and what it may do."""

    run_id: str
    check: Check
    """It checks that the lock is still this run's, and raises an error if it is not."""
    allow_downtime: bool = False
    runbook: str = CERT_ROTATION
    """It names the runbook that resumes the remaining work if the run is interrupted."""
    limits: Limits = Limits()


class Work:
    """Holds the state of the work on one node. The actions are functions in other modules."""

    def __init__(self, reach: Reach, node: NodeRotation, orders: Orders) -> None:
        self.name, self.reach, self.node, self.orders = reach.name, reach, node, orders
        self.parts = NodeParts(reach.name)
        self.found: RotationRecord | None = None
        """It holds the record on the node, once it is known."""
        self.containers: dict[str, str] = {}
        """It maps each static pod to its container before the restart."""
        self.restarted: list[str] = []
        self.leader_moved_to = ""
        self.copies: tuple[str, ...] = ()
        """It lists the kubeconfig copies that were refreshed."""
        self.copies_left: dict[str, str] = {}
        """It maps each kubeconfig copy that was not refreshed to the reason."""
        self.users: dict[str, str] = {}
        """It maps each kubeconfig to the user that the API sees."""

    @property
    def record(self) -> RotationRecord:
        """Returns the record on the node.

        Raises:
            Refused: if there is none.
        """
        if self.found is None:
            raise Refused(f"{self.name}: nothing is written down there", hint="run it again")
        return self.found

    @property
    def limits(self) -> Limits:
        """Returns the limits of the run."""
        return self.orders.limits

    def check(self) -> None:
        """Raises an error if this run no longer holds the lock."""
        self.orders.check()

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Measures the time of one part of the work."""
        with self.parts.part(what):
            yield
