"""Which certificates kubeadm has on which machine, with which subject, usages and names."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from pydantic import Field

from tasks.certificate_issue.models import IssueRequest, Machine
from tasks.certificates.models.kubeadm import LEAVES, Leaf
from tasks.core.models.base import Model
from tasks.core.models.names import host_of, named, texts
from tasks.nodes.policy.versions import KubernetesVersion

ADMINISTRATORS = "kubeadm:cluster-admins"
"""The group that kubeadm binds to cluster-admin since v1.29, and that can be unbound again."""

MASTERS = "system:masters"
"""The group that no binding can be taken away from: for the day on which bindings are broken."""

API_SERVER = "apiserver"
"""The name of the leaf."""

LOOPBACK = ("127.0.0.1", "::1")


class NameSources(Model):
    """What kubeadm takes the names of a leaf from."""

    node: str
    address: str = Field(description="that the node's API server advertises")
    endpoint: str = Field(default="", description="host of the control plane as a whole, a name or an address")
    service_subnet: str = Field(default="10.96.0.0/12", description="one, or two with a comma between")
    dns_domain: str = "cluster.local"
    more: tuple[str, ...] = Field(default=(), description="certSANs of the configuration")


def names_of(leaf: str, sources: NameSources) -> tuple[str, ...]:
    """The names that kubeadm gives the API server's certificate, or one of etcd's, as `DNS:x` and `IP:x` in their one form."""
    if leaf == API_SERVER:
        service = "kubernetes.default.svc"
        names = [sources.node, "kubernetes", "kubernetes.default", service, f"{service}.{sources.dns_domain}"]
        names += [_first_address(sources.service_subnet), sources.address, sources.endpoint]
    else:
        names = [sources.node, "localhost", sources.address, *LOOPBACK]
    return tuple(dict.fromkeys(named(name) for name in (*names, *sources.more) if name))


def leaves_of(request: IssueRequest, name: str) -> tuple[Leaf, ...]:
    """All that a machine of the request has to have, in kubeadm's order."""
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
        service_subnet=request.service_subnet,
        dns_domain=request.dns_domain,
        more=request.names,
    )
    return _leaf(API_SERVER, common_name="kube-apiserver", server=True, **_split(names_of(API_SERVER, sources)))


def _of_member(machine: Machine) -> Iterator[Leaf]:
    """Of etcd, whose members are clients of each other, and of themselves by their gateway."""
    sources = NameSources(node=machine.name, address=str(machine.address))
    for name in ("etcd-server", "etcd-peer"):
        yield _leaf(name, common_name=machine.name, server=True, client=True, **_split(names_of(name, sources)))
    yield _leaf(
        "etcd-healthcheck-client",
        common_name="kube-etcd-healthcheck-client",
        client=True,
    )


def _kubeconfigs(request: IssueRequest, machine: Machine) -> Iterator[Leaf]:
    """People ask the endpoint; what runs on the machine asks its own API server. `super-admin.conf` is on the first one alone."""
    address = f"[{machine.address}]" if machine.address.version == 6 else machine.address  # noqa: PLR2004 - of IP
    own = f"https://{address}:{request.port}"
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
    """kubelet.conf is kubeadm's too, but not among those that it renews."""
    made = LEAVES.get(name)
    return Leaf(name=name, authority=made.authority if made else "ca", path=made.file if made else name, **properties)


def _is_before_its_own_binding(request: IssueRequest) -> bool:
    """v1.36 has begun to bind the API servers' user to what it may do on kubelets, and made it no administrator any more."""
    return KubernetesVersion.parse(request.version) < KubernetesVersion(1, 36, 0)


def _split(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {"dns": texts(names, "DNS"), "addresses": texts(names, "IP")}


def _first_address(subnets: str) -> str:
    """That the Service `kubernetes` has: of the first subnet alone, also where there are two families of addresses."""
    return str(ip_network(subnets.partition(",")[0].strip(), strict=False)[1])
