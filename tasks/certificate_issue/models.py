"""Certificates from nothing: who asks for which, what is there already, and what is to be made."""

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, IPvAnyAddress, StringConstraints, model_validator

from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import Leaf
from tasks.core.models.approval import CHOICE, WORK_ON_NODE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.plan import Plan
from tasks.core.models.profile import HostName, Port
from tasks.nodes.models.nodes import NodeName

WORK = "pki/.kube-runbooks"
"""Below kubeadm's folder: where a new key waits for its certificate. A certificate there was never put in its place."""


def _are_networks(text: str) -> str:
    for part in text.split(","):
        ip_network(part)
    return text


def _is_a_version(text: str) -> str:
    if not re.fullmatch(r"v?\d+\.\d+\.\d+", text):
        message = "not a version of Kubernetes; write for example 1.37.2"
        raise ValueError(message)
    return text


class Machine(Model):
    """An entry of the profile's `nodes`, with the address that the others of the cluster reach it at."""

    COVERED: ClassVar[Reasons] = {"name address": "which machine gets the certificate"}

    name: NodeName = Field(description="of the node, as the profile has it")
    address: IPvAnyAddress = Field(description="IP address that the others of the cluster reach it at")


class IssueRequest(Model):
    """A control plane, an external etcd, or both, whose certificates are wanted."""

    COVERED: ClassVar[Reasons] = {
        "control_planes etcd endpoint version port names service_subnet dns_domain validity authority_validity replace": CHOICE
    }

    control_planes: tuple[Machine, ...] = Field(default=(), description="that are to run an API server")
    etcd: tuple[Machine, ...] = Field(
        default=(), description="of an external etcd; none: each control plane node has a member of its own"
    )
    endpoint: Annotated[str, StringConstraints(pattern=r"^$|^[A-Za-z0-9.-]+(:\d{1,5})?$")] = Field(
        default="", description="of the control plane as a whole, for example api.example.org:6443"
    )
    version: Annotated[str, AfterValidator(_is_a_version)] = Field(
        description="of Kubernetes that is to run there, for example 1.37.2: kubeadm's own certificates depend on it"
    )
    port: Port = Field(default=6443, description="of each API server")
    names: tuple[HostName, ...] = Field(default=(), description="more names and addresses of the API servers")
    service_subnet: Annotated[str, AfterValidator(_are_networks)] = Field(
        default="10.96.0.0/12", description="one, or two with a comma between"
    )
    dns_domain: HostName = Field(default="cluster.local", description="of the cluster's services")
    validity: Duration = Field(default=timedelta(days=365), ge=timedelta(hours=1), description="of what is signed")
    authority_validity: Duration = Field(
        default=timedelta(days=3650), ge=timedelta(days=1), description="of an authority that is made"
    )
    replace: bool = Field(
        default=False, description="also certificates that are there and are not as asked for; a copy of them is kept"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.control_planes and not self.etcd:
            message = "control_planes and etcd: none; name the machines that are to have certificates"
            raise ValueError(message)
        if self.control_planes and not self.endpoint:
            message = "endpoint: none; give the name or the address that clients are to find the control plane at"
            raise ValueError(message)
        for what, machines in (("control_planes", self.control_planes), ("etcd", self.etcd)):
            names = [machine.name for machine in machines]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                message = f"{what}: named twice: {', '.join(twice)}"
                raise ValueError(message)
        return self

    @property
    def machines(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys(machine.name for machine in (*self.control_planes, *self.etcd)))

    @property
    def url(self) -> str:
        """Of the control plane as a whole."""
        return f"https://{self.endpoint if ':' in self.endpoint else f'{self.endpoint}:{self.port}'}"


class IssueFacts(Model):
    """What all machines of a request have."""

    observed_at: UtcTime
    folder: PurePosixPath = Field(description="kubeadm's, on each of them")
    machines: tuple[NodeCertificates, ...]


class MachineWork(Model):
    """What one machine is to get."""

    COVERED: ClassVar[Reasons] = {"name certificates signs_with service_accounts leaves": WORK_ON_NODE}

    name: str
    certificates: tuple[str, ...] = Field(default=(), description="of authorities that it is to trust")
    signs_with: tuple[str, ...] = Field(default=(), description="authorities whose key it is to have")
    service_accounts: bool = Field(default=False, description="the key pair of service-account tokens")
    leaves: tuple[Leaf, ...] = ()


class IssuePlan(Plan):
    """The plan, machine by machine."""

    COVERED: ClassVar[Reasons] = {
        "machines": "what is made where",
        "sources": "whose key is used, or that a new one is made",
    }

    machines: tuple[MachineWork, ...] = ()
    sources: dict[str, str] = Field(
        default={}, description="authority, or sa, to the machine whose key is used; empty: it is made"
    )


class MachineIssued(Model):
    """What one machine got."""

    name: str
    written: tuple[str, ...] = Field(description="paths below kubeadm's folder")
    kept: str = Field(default="", description="the folder with a copy of what was replaced; empty: nothing was")


class IssuedAll(Model):
    """What all of them got."""

    authorities: dict[str, str] = Field(
        description="authority to the machine that had it, or until when the one is good that was made"
    )
    machines: tuple[MachineIssued, ...]
