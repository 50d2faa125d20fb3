"""Holds the models of certificates from nothing: the request, what already exists, and what is to be made."""

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, IPvAnyAddress, model_validator

from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.kubeadm import Leaf
from tasks.core.models.approval import CHOICE, WORK_ON_NODE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.plan import Plan
from tasks.core.models.profile import HostName, Port
from tasks.core.models.shape import ClusterShape
from tasks.core.probes.addresses import address_of_text, is_ip
from tasks.nodes.models.nodes import NodeName

WORK = "pki/.kube-runbooks"
"""Names the folder, relative to kubeadm's folder, where a new key waits for its certificate.

A certificate that is still there was never put in place.
"""


SERVICE_SUBNET = "10.96.0.0/12"
API_PORT = 6443
"""This is kubeadm's default port of an API server."""


def _are_networks(text: str) -> str:
    for part in text.split(",") if text else ():
        ip_network(part.strip())
    return text


def _is_an_endpoint(text: str) -> str:
    if not text:
        return text
    found = address_of_text(text, 1)
    whole = text.lower() in {found.text, found.in_url, found.host}
    if not whole or not (is_ip(found.host) or re.fullmatch(r"[a-z0-9.-]+", found.host)):
        message = "no host and port; write for example api.example.org:6443, 192.0.2.10 or [fd00::10]:6443"
        raise ValueError(message)
    return text


def _is_a_version(text: str) -> str:
    if not re.fullmatch(r"v?\d+\.\d+\.\d+", text):
        message = "not a version of Kubernetes; write for example 1.37.2"
        raise ValueError(message)
    return text


class Machine(Model):
    """Describes an entry of the profile's `nodes`, with the address at which the rest of the cluster reaches it."""

    COVERED: ClassVar[Reasons] = {"name address": "which machine gets the certificate"}

    name: NodeName = Field(description="name of the node in the profile's nodes")
    address: IPvAnyAddress = Field(description="IP address at which the rest of the cluster reaches it")


class IssueRequest(Model):
    """Describes a control plane, an external etcd, or both, whose certificates are requested."""

    COVERED: ClassVar[Reasons] = {
        "control_planes etcd endpoint version port names service_subnet dns_domain validity authority_validity replace": CHOICE
    }

    control_planes: tuple[Machine, ...] = Field(default=(), description="machines that will run an API server")
    etcd: tuple[Machine, ...] = Field(
        default=(), description="machines of an external etcd; if empty, each control plane node has its own member"
    )
    endpoint: Annotated[str, AfterValidator(_is_an_endpoint)] = Field(
        default="",
        description="address of the whole control plane, for example api.example.org:6443 or [fd00::10]:6443",
    )
    version: Annotated[str, AfterValidator(_is_a_version)] = Field(
        description="Kubernetes version that will run there, for example 1.37.2; kubeadm's certificates depend on it"
    )
    port: Port | None = Field(
        default=None, description="port of each API server; if empty, the profile's kubernetes.port, else 6443"
    )
    names: tuple[HostName, ...] = Field(default=(), description="further names and addresses of the API servers")
    service_subnet: Annotated[str, AfterValidator(_are_networks)] = Field(
        default="",
        description=(
            "CIDR of Services, or two separated by a comma; if empty, kubeadm-config's, or kubeadm's default "
            "if no API answers"
        ),
    )
    dns_domain: HostName | Literal[""] = Field(
        default="",
        description="DNS domain of Services; if empty, kubeadm-config's, or kubeadm's default if no API answers",
    )
    validity: Duration = Field(
        default=timedelta(days=365), ge=timedelta(hours=1), description="how long the signed certificates are valid"
    )
    authority_validity: Duration = Field(
        default=timedelta(days=3650), ge=timedelta(days=1), description="how long a new CA is valid"
    )
    replace: bool = Field(
        default=False,
        description="also replace existing certificates that differ from the request; a copy of them is kept",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.control_planes and not self.etcd:
            message = "control_planes and etcd are empty; name the machines that need certificates"
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
        """Returns the names of all machines, each once."""
        return tuple(dict.fromkeys(machine.name for machine in (*self.control_planes, *self.etcd)))

    @property
    def url(self) -> str:
        """Returns the URL of the whole control plane."""
        return f"https://{address_of_text(self.endpoint, self.port or API_PORT).text}"


class IssueFacts(Model):
    """Describes what all machines of a request have."""

    observed_at: UtcTime
    folder: PurePosixPath = Field(description="kubeadm's, on each of them")
    machines: tuple[NodeCertificates, ...]
    port: int = Field(default=API_PORT, description="kubernetes.port of the profile, else kubeadm's own")
    shape: ClusterShape | None = Field(default=None, description="as kubeadm-config has it; none where no API answers")
    shape_problem: str = Field(default="", description="why there is none")
    places: dict[str, str] = Field(
        default={}, description="machine to where kubeadm's pki folder is on it, once links are followed"
    )


def completed(request: IssueRequest, facts: IssueFacts) -> IssueRequest:
    """Returns the request with its empty fields filled from the cluster, or else from kubeadm's defaults."""
    own = facts.shape or ClusterShape()
    return request.model_copy(
        update={
            "port": request.port or facts.port,
            "service_subnet": request.service_subnet or ",".join(own.service_subnets) or SERVICE_SUBNET,
            "dns_domain": request.dns_domain or own.dns_domain,
        }
    )


class MachineWork(Model):
    """Describes what one machine must get."""

    COVERED: ClassVar[Reasons] = {"name certificates signs_with service_accounts leaves": WORK_ON_NODE}

    name: str
    certificates: tuple[str, ...] = Field(default=(), description="certificates of CAs that it must trust")
    signs_with: tuple[str, ...] = Field(default=(), description="CAs whose key it needs")
    service_accounts: bool = Field(default=False, description="the key pair of service-account tokens")
    leaves: tuple[Leaf, ...] = ()


class IssuePlan(Plan):
    """Describes the plan for each machine."""

    COVERED: ClassVar[Reasons] = {
        "machines": "what is made where",
        "sources": "whose key is used, or that a new one is made",
    }

    machines: tuple[MachineWork, ...] = ()
    sources: dict[str, str] = Field(
        default={}, description="CA, or sa, to the machine whose key is used; empty if it is made"
    )


class MachineIssued(Model):
    """Describes what one machine got."""

    name: str
    written: tuple[str, ...] = Field(description="paths below kubeadm's folder")
    kept: str = Field(default="", description="the folder with a copy of what was replaced; empty: nothing was")


class IssuedAll(Model):
    """Describes what all machines got."""

    authorities: dict[str, str] = Field(
        description="CA to the machine that had it, or to the expiry of the one that was made"
    )
    machines: tuple[MachineIssued, ...]
