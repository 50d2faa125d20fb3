"""Names and addresses of certificates in one form, as kubeadm reads and writes them.

kubeadm reads addresses by `netutils.ParseIPSloppy`, for which `010.001.002.003` is 10.1.2.3; Go writes an IPv4-mapped address as the
IPv4 address that it is; `certSANs` of the API server are lowercased, and DNS knows no case.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

_OCTETS = re.compile(r"(?:\d+\.){3}\d+$")
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
"""A subdomain of RFC 1123, or a wildcard before one: kubeadm takes no other."""

LONGEST = 253


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """As kubeadm reads it; none where it is no address."""
    plain = _OCTETS.sub(lambda found: ".".join(str(int(octet)) for octet in found[0].split(".")), text.strip())
    if "%" in plain:
        return None
    try:
        found = ip_address(plain)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def named(text: str) -> str:
    """`IP:10.1.2.3`, or `DNS:api.example.org`."""
    address = address_of(text)
    return f"IP:{address}" if address else f"DNS:{text.strip().lower()}"


def normal(name: str) -> str:
    """The same for a name of a certificate, which says its kind; of other kinds as it is."""
    kind, _, text = name.partition(":")
    return named(text) if kind in {"DNS", "IP"} else name


def normals(names: Iterable[str]) -> tuple[str, ...]:
    """Each once, in their order."""
    return tuple(dict.fromkeys(map(normal, names)))


def texts(names: Iterable[str], kind: str) -> tuple[str, ...]:
    """Those of a kind, without it."""
    return tuple(name.removeprefix(f"{kind}:") for name in names if name.startswith(f"{kind}:"))


def is_possible(name: str) -> bool:
    """kubeadm can give it to a certificate."""
    kind, _, text = name.partition(":")
    return kind == "IP" or (kind == "DNS" and len(text) <= LONGEST and _DNS.fullmatch(text) is not None)


def host_of(endpoint: str) -> str:
    """Of `host`, `host:port`, `[v6]:port` and a bare IPv6 address."""
    if endpoint.startswith("["):
        return endpoint[1:].partition("]")[0]
    return endpoint if endpoint.count(":") > 1 else endpoint.partition(":")[0]
