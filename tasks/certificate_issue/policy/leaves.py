"""Lists the certificates that kubeadm has on each machine, with their subjects, usages and names."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from pydantic import Field

from tasks.certificate_issue.models import API_PORT, SERVICE_SUBNET, IssueRequest, Machine
from tasks.certificates.models.kubeadm import LEAVES, Leaf
from tasks.core.models.base import Model
from tasks.core.models.names import host_of, named, texts
from tasks.core.models.shape import Address, ClusterShape
from tasks.nodes.policy.versions import KubernetesVersion

ADMINISTRATORS = "kubeadm:cluster-admins"
"""This is the group that kubeadm binds to cluster-admin since v1.29. The binding can be removed."""

MASTERS = "system:masters"
"""This is the group whose rights no binding can remove. It is for the day on which bindings are broken."""

API_SERVER = "apiserver"
"""This is the name of the API server's leaf certificate."""

LOOPBACK = ("127.0.0.1", "::1")


class NameSources(Model):
    """Holds the values from which kubeadm takes the names of a leaf."""

    node: str
    address: str = Field(description="that the node's API server advertises")
    endpoint: str = Field(default="", description="host of the control plane as a whole, a name or an address")
    service_subnet: str = Field(default=SERVICE_SUBNET, description="one, or two with a comma between")
    dns_domain: str = "cluster.local"
    more: tuple[str, ...] = Field(default=(), description="certSANs of the configuration")


def names_of(leaf: str, sources: NameSources) -> tuple[str, ...]:
    """Returns the names that kubeadm gives the API server's certificate, or one of etcd's.

    They have the form `DNS:x` and `IP:x`, each in its one normal form.
    """
    if leaf == API_SERVER:
        service = "kubernetes.default.svc"
        names = [sources.node, "kubernetes", "kubernetes.default", service, f"{service}.{sources.dns_domain}"]
        names += [_first_address(sources.service_subnet), sources.address, sources.endpoint]
    else:
        names = [sources.node, "localhost", sources.address, *LOOPBACK]
    return tuple(dict.fromkeys(named(name) for name in (*names, *sources.more) if name))


def leaves_of(request: IssueRequest, name: str) -> tuple[Leaf, ...]:
    """Returns all leaves that a machine of the request must have, in kubeadm's order."""
    control_plane = next((one for one in request.control_planes if one.name == name), None)
    member = next((one for one in request.etcd if one.name == name), None)
    if not request.etcd:
        member = control_plane
    return (
        *(_of_control_plane(request, control_plane) if control_plane else ()),
        *(_of_member(member) if member else ()),
        *(_kubeconfigs(request, control_plane) if control_plane else ()),
    )


def _of_control_plane(request: IssueRequest, machine: Machine) -> Iterator[Leaf]:
    yield _server_of_api(request, machine)
    yield _leaf(
        "apiserver-kubelet-client",
        common_name="kube-apiserver-kubelet-client",
        organizations=(ADMINISTRATORS,) if _is_before_its_own_binding(request) else (),
        client=True,
    )
    yield _leaf(
        "front-proxy-client",
        common_name="front-proxy-client",
        client=True,
    )
    yield _leaf(
        "apiserver-etcd-client",
        common_name="kube-apiserver-etcd-client",
        client=True,
    )


def _server_of_api(request: IssueRequest, machine: Machine) -> Leaf:
    sources = NameSources(
        node=machine.name,
        address=str(machine.address),
        endpoint=host_of(request.endpoint),
        service_subnet=request.service_subnet or SERVICE_SUBNET,
        dns_domain=request.dns_domain or ClusterShape().dns_domain,
        more=request.names,
    )
    return _leaf(API_SERVER, common_name="kube-apiserver", server=True, **_split(names_of(API_SERVER, sources)))


def _of_member(machine: Machine) -> Iterator[Leaf]:
    """Yields the leaves of an etcd member. Members are clients of each other, and of themselves through their gateway."""
    sources = NameSources(node=machine.name, address=str(machine.address))
    for name in ("etcd-server", "etcd-peer"):
        yield _leaf(name, common_name=machine.name, server=True, client=True, **_split(names_of(name, sources)))
    yield _leaf(
        "etcd-healthcheck-client",
        common_name="kube-etcd-healthcheck-client",
        client=True,
    )


def _kubeconfigs(request: IssueRequest, machine: Machine) -> Iterator[Leaf]:
    """Yields the kubeconfigs of a machine of the control plane. Only the first one gets `super-admin.conf`.

    People use the endpoint of the control plane. Programs on the machine use its own API server.
    """
    own = f"https://{Address(host=str(machine.address), port=request.port or API_PORT).text}"
    yield _kubeconfig("admin.conf", "kubernetes-admin", request.url, ADMINISTRATORS)
    if machine == request.control_planes[0]:
        yield _kubeconfig("super-admin.conf", "kubernetes-super-admin", request.url, MASTERS)
    yield _kubeconfig("kubelet.conf", f"system:node:{machine.name}", own, "system:nodes")
    yield _kubeconfig("controller-manager.conf", "system:kube-controller-manager", own)
    yield _kubeconfig("scheduler.conf", "system:kube-scheduler", own)


def _kubeconfig(name: str, user: str, asks: str, *groups: str) -> Leaf:
    return _leaf(
        name,
        common_name=user,
        organizations=groups,
        client=True,
        asks=asks,
    )


def _leaf(name: str, **properties: Any) -> Leaf:  # noqa: ANN401 - fields of Leaf
    """Returns a leaf with kubeadm's file and CA. kubelet.conf is also kubeadm's, but kubeadm does not renew it."""
    made = LEAVES.get(name)
    return Leaf(name=name, authority=made.authority if made else "ca", path=made.file if made else name, **properties)


def _is_before_its_own_binding(request: IssueRequest) -> bool:
    """Checks whether the version is older than v1.36.

    Since v1.36 the user of the API servers has its own binding for kubelets and is no longer an administrator.
    """
    return KubernetesVersion.parse(request.version) < KubernetesVersion(1, 36, 0)


def _split(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {"dns": texts(names, "DNS"), "addresses": texts(names, "IP")}


def _first_address(subnets: str) -> str:
    """Returns the address of the Service `kubernetes`: the first one of the first subnet, also with two address families."""
    return str(ip_network(subnets.partition(",")[0].strip(), strict=False)[1])
