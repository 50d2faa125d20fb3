"""What a lab looks like: its machines, versions and addresses, from the ranges that RFC 2544 and RFC 5180 keep for tests."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self

from tests.servers.binaries import KUBERNETES_VERSION

BUCKET = "lab"
"""In a lab's S3 store, there from the start."""

PODS, SERVICES = "198.18.128.0/17", "198.19.0.0/16"
"""Each lab has a network namespace of its own: these may be the same in all of them."""

PODS6, SERVICES6 = "2001:2:0:8000::/56", "2001:2:0:ff00::/112"
"""The same in IPv6."""

NETWORKS = range(128)
"""`198.18.N.0/24` is a lab's network of machines, which the worker reaches; N is the lab's own."""


class Family(StrEnum):
    """Of addresses, by nftables' word."""

    V4 = "ip"
    V6 = "ip6"


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
    """A machine's name, role, and addresses by family: the first is the node's own."""

    name: str
    role: Role
    addresses: dict[Family, str]
    pods: dict[Family, str]

    @property
    def address(self) -> str:
        """Of the node, and of its sshd."""
        return next(iter(self.addresses.values()))

    @property
    def url_host(self) -> str:
        """The same within a URL."""
        return in_url(self.address)


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
    ipv6: bool = False
    """Nodes, pods and services have IPv6 addresses alone; with `dual_stack` they have both, IPv6 first."""
    dual_stack: bool = False
    """IPv4 and IPv6 addresses, IPv4 first."""
    dns_domain: str = ""
    """Of the cluster, where it is not `cluster.local`."""
    certificates_dir: str = ""
    """kubeadm's, where it is not `/etc/kubernetes/pki`."""
    pki_link: bool = False
    """That folder is a link to `ssl` beside it, as kubespray's is."""
    patches: bool = False
    """kubeadm's `patches: {directory}`: a flag of the API server that stands nowhere else."""
    hand_edited: bool = False
    """Audit, OIDC, a mount, and encryption at rest (without `encrypted_secrets`), written into manifests only."""
    encrypted_secrets: bool = False
    """Encryption at rest by kubeadm-config, and a Secret."""
    etcd_port: int = 0
    """Where the API server reaches etcd on loopback; kubeadm itself wants 2379 on the node's own address."""
    bind_address: bool = False
    """The API server listens on the node's own address only."""
    kubelet_healthz: str = ""
    """`10348`, `node:10348` for that port of the node's own address, `0` for none."""
    login_noise: bool = False
    """The login's .bashrc prints, on both outputs."""
    sudo_rs: bool = False
    """The real one, in the place of sudo."""
    legacy_apt_key: bool = False
    """The repository's key is in apt's old keyring, of which apt warns."""
    deb822: bool = False
    """The repository is the second of three stanzas of a .sources file."""
    hostname_differs: bool = False
    """From the node's name."""

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
        if self.kubelet_healthz and not re.fullmatch(r"0|(node:)?[1-9]\d*", self.kubelet_healthz):
            message = f"kubelet_healthz: {self.kubelet_healthz} is not possible: give PORT, node:PORT or 0"
            raise ValueError(message)
        if (self.bind_address or self.etcd_port) and self.control_planes > 1:
            raise ValueError("bind_address, etcd_port: one control plane, for kubeadm-config has one value for all")
        if (self.ipv6 or self.dual_stack) and (self.bastion or self.external_etcd):
            raise ValueError("ipv6, dual_stack: without bastion and external_etcd, whose addresses are IPv4 here")

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
    def gateways(self) -> dict[Family, str]:
        """The same in each family that the machines have; the first is that of the cluster's endpoint."""
        return self._addresses(1)

    @property
    def balancer(self) -> str:
        """The load balancer's host, as it stands in a URL."""
        return in_url(next(iter(self.gateways.values())))

    @property
    def host(self) -> str:
        """Of the machine that the lab runs on, where the worker is."""
        return f"198.18.{self.network}.254"

    @property
    def hosts(self) -> dict[Family, str]:
        """The same in each family."""
        return self._addresses(254)

    @property
    def families(self) -> tuple[Family, ...]:
        """Of the cluster; machines have an IPv4 address in any case, for their mirrors."""
        if self.dual_stack:
            return (Family.V6, Family.V4) if self.ipv6 else (Family.V4, Family.V6)
        return (Family.V6,) if self.ipv6 else (Family.V4,)

    @property
    def pki(self) -> str:
        """Where kubeadm keeps certificates."""
        return self.certificates_dir or "/etc/kubernetes/pki"

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
            yield Place(name, role, self._addresses(last), pods_of(last, self.families))

    def _addresses(self, last: int) -> dict[Family, str]:
        both = {Family.V4: f"198.18.{self.network}.{last}", Family.V6: f"2001:2:0:{self.network:x}::{last:x}"}
        wanted = [*self.families, *({Family.V4} - set(self.families))]
        return {family: both[family] for family in wanted}


def pods_of(last: int, families: tuple[Family, ...]) -> dict[Family, str]:
    """The networks of a machine's pods, by the last part of its address."""
    both = {Family.V4: f"198.18.{128 + last}.0/24", Family.V6: f"2001:2:0:80{last:02x}::/64"}
    return {family: both[family] for family in families}


def subnets(of: dict[Family, str], families: tuple[Family, ...]) -> str:
    """As kubeadm wants them, in the order of the families."""
    return ",".join(of[family] for family in families)


def in_url(address: str) -> str:
    """A host as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


ALL_PODS = {Family.V4: PODS, Family.V6: PODS6}
ALL_SERVICES = {Family.V4: SERVICES, Family.V6: SERVICES6}

ODDITIES = {
    "ipv6": "IPv6 addresses alone; with --dual-stack both families, IPv6 first",
    "dual_stack": "IPv4 and IPv6 addresses, IPv4 first",
    "dns_domain": "the cluster's domain, for example k8s.example",
    "certificates_dir": "kubeadm's certificatesDir, for example /srv/pki",
    "pki_link": "the folder of the certificates is a link to ssl beside it, as kubespray makes it",
    "patches": "kubeadm's patches add a flag to the API server",
    "hand_edited": "audit, OIDC, a mount and encryption at rest stand in manifests only",
    "encrypted_secrets": "encryption at rest, by kubeadm-config, and a Secret",
    "etcd_port": "where the API server reaches etcd on loopback, for example 12379",
    "bind_address": "the API server listens on the node's own address only",
    "kubelet_healthz": "kubelet's healthz: PORT, node:PORT for the node's own address, or 0 for none",
    "login_noise": "the login's .bashrc prints on both outputs",
    "sudo_rs": "sudo-rs in the place of sudo; cargo builds it once, and without cargo a stub has its words",
    "legacy_apt_key": "apt warns of a key in its old keyring",
    "deb822": "the repository is the second of three stanzas of a .sources file",
    "hostname_differs": "a machine's hostname is not its node's name",
}
"""What `make lab-up` takes for each."""
