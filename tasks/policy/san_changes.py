"""Which names a certificate would have if kubeadm made it now, beside those that it has."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from tasks.models.base import Model
from tasks.models.kubeadm_certificates import NAMED_BY_CONFIGURATION

Configuration = Mapping[str, Any]


class NameChange(Model):
    """Of one certificate."""

    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """`+DNS:api.new -IP:10.0.0.9`; empty where nothing comes: names that somebody gave it by hand stay in a renewal."""
        if not self.added:
            return ""
        return " ".join([*(f"+{name}" for name in self.added), *(f"-{name}" for name in self.gone)])


def name_change(leaf: str, has: Sequence[str], configuration: Configuration, node: str, address: str) -> NameChange:
    """What differs, on a node that advertises that address; nothing for a certificate whose names kubeadm's configuration has no say in, or without one."""
    if leaf not in NAMED_BY_CONFIGURATION or not configuration or not address:
        return NameChange()
    wanted = names_by_kubeadm(leaf, configuration, node, address)
    return NameChange(added=tuple(sorted(wanted - set(has))), gone=tuple(sorted(set(has) - wanted)))


def names_by_kubeadm(leaf: str, configuration: Configuration, node: str, address: str) -> set[str]:
    """Those that kubeadm gives it on that node, which advertises that address."""
    if leaf == "apiserver":
        networking = configuration.get("networking") or {}
        domain = networking.get("dnsDomain") or "cluster.local"
        service = "kubernetes.default.svc"
        names = [node, "kubernetes", "kubernetes.default", service, f"{service}.{domain}", address]
        names += [_first_address(one) for one in str(networking.get("serviceSubnet") or "10.96.0.0/12").split(",")]
        names.append(_host_of(str(configuration.get("controlPlaneEndpoint") or "")))
        more = (configuration.get("apiServer") or {}).get("certSANs")
    else:
        names = [node, "localhost", address, "127.0.0.1", "::1"]
        local = (configuration.get("etcd") or {}).get("local") or {}
        more = local.get("serverCertSANs" if leaf == "etcd-server" else "peerCertSANs")
    return {_named(str(name)) for name in (*names, *(more or ())) if name}


def _named(name: str) -> str:
    try:
        return f"IP:{ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _host_of(endpoint: str) -> str:
    """Of `host`, `host:port`, `[v6]:port`."""
    if endpoint.startswith("["):
        return endpoint[1:].partition("]")[0]
    try:
        return str(IPv6Address(endpoint))
    except ValueError:
        return endpoint.partition(":")[0]


def _first_address(subnet: str) -> str:
    """That the Service `kubernetes` has."""
    return str(ip_network(subnet.strip(), strict=False)[1])
