"""What a lab looks like: its machines, versions and addresses, all from the ranges that RFC 2544 keeps for tests."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self

from tests.servers.binaries import KUBERNETES_VERSION

BUCKET = "lab"
"""In a lab's S3 store, there from the start."""

PODS, SERVICES = "198.18.128.0/17", "198.19.0.0/16"
"""Each lab has a network namespace of its own: these may be the same in all of them."""

NETWORKS = range(128)
"""`198.18.N.0/24` is a lab's network of machines, which the worker reaches; N is the lab's own."""


class Role(StrEnum):
    """What a machine is for."""

    CONTROL_PLANE = "cp"
    WORKER = "w"
    ETCD = "etcd"
    BASTION = "bastion"


_FIRST = {Role.BASTION: 5, Role.CONTROL_PLANE: 11, Role.WORKER: 31, Role.ETCD: 51}
"""Last byte of the address of the first machine of a role; its pods are in `198.18.(128 + that byte).0/24`."""


@dataclass(frozen=True)
class Place:
    """A machine's name, role and addresses."""

    name: str
    role: Role
    address: str
    pods: str


@dataclass(frozen=True)
class Shape:
    """Parameters of a lab. Two labs differ in `name` and `network`."""

    name: str = "lab"
    network: int = 0
    control_planes: int = 3
    workers: int = 2
    kubernetes: str = KUBERNETES_VERSION
    etcd: str = ""
    """Version of etcd; empty for the one that kubeadm brings."""
    external_etcd: int = 0
    """Machines with an etcd of their own, started by systemd; none for members beside the control planes (stacked)."""
    leaf_hours: int = 0
    """That kubeadm makes leaf certificates for (`certificateValidityPeriod`); 0 for its own year. A frozen lab ends with them."""
    bastion: bool = False
    """The worker reaches the machines through a bastion only."""

    def __post_init__(self) -> None:
        """ValueError names the field, the value and what is possible."""
        for field, value, allowed in (
            ("network", self.network, NETWORKS),
            ("control_planes", self.control_planes, range(1, 8)),
            ("workers", self.workers, range(21)),
            ("external_etcd", self.external_etcd, (0, 1, 3, 5)),
        ):
            if value not in allowed:
                possible = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else "0, 1, 3 or 5"
                message = f"{field}: {value} is not possible: give {possible}"
                raise ValueError(message)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """As `to_json` wrote it."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """For the lab's folder."""
        return json.dumps(asdict(self))

    @property
    def gateway(self) -> str:
        """Of the load balancer (6443), the registry (5000), the packages (8080) and the store, as machines see them."""
        return f"198.18.{self.network}.1"

    @property
    def host(self) -> str:
        """Of the machine that the lab runs on, where the worker is."""
        return f"198.18.{self.network}.254"

    @property
    def cable(self) -> str:
        """The network link there that leads to the lab."""
        return f"krlab{self.network}"

    @property
    def machines(self) -> tuple[Place, ...]:
        """All of them, control planes first."""
        return tuple(
            place
            for role, count in (
                (Role.CONTROL_PLANE, self.control_planes),
                (Role.WORKER, self.workers),
                (Role.ETCD, self.external_etcd),
            )
            for place in self._places(role, count)
        ) + (tuple(self._places(Role.BASTION, 1)) if self.bastion else ())

    def of_role(self, role: Role) -> tuple[Place, ...]:
        """The machines of a role, in the order of their numbers."""
        return tuple(place for place in self.machines if place.role is role)

    def _places(self, role: Role, count: int) -> Iterator[Place]:
        for number in range(count):
            last = _FIRST[role] + number
            name = role.value if role is Role.BASTION else f"{role}{number + 1}"
            yield Place(name, role, f"198.18.{self.network}.{last}", f"198.18.{128 + last}.0/24")
