"""Normalises names and addresses of certificates, as kubeadm reads and writes them.

kubeadm reads addresses with `netutils.ParseIPSloppy`, which reads `010.001.002.003` as 10.1.2.3. Go writes an
IPv4-mapped address as the IPv4 address that it is. kubeadm converts `certSANs` of the API server to lower case.
DNS ignores case, and a dot at the end is not part of a name.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

_OCTETS = re.compile(r"(?:\d+\.){3}\d+$")
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
"""Matches a subdomain of RFC 1123, optionally after a wildcard: kubeadm accepts no other name."""

LONGEST = 253


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """Returns the address as kubeadm reads it; None if the text is no address."""
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
    """Returns the name with its kind: `IP:10.1.2.3`, or `DNS:api.example.org`."""
    address = address_of(text)
    return f"IP:{address}" if address else f"DNS:{text.strip().lower().removesuffix('.')}"


def normal(name: str) -> str:
    """Returns the normal form of a certificate's name that already has its kind.

    Names of other kinds stay as they are.
    """
    kind, _, text = name.partition(":")
    return named(text) if kind in {"DNS", "IP"} else name


def normals(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the normal form of each name once, in their order."""
    return tuple(dict.fromkeys(map(normal, names)))


def texts(names: Iterable[str], kind: str) -> tuple[str, ...]:
    """Returns the names of one kind, without the prefix for the kind."""
    return tuple(name.removeprefix(f"{kind}:") for name in names if name.startswith(f"{kind}:"))


def is_possible(name: str) -> bool:
    """Checks whether kubeadm can put this name into a certificate."""
    kind, _, text = name.partition(":")
    return kind == "IP" or (kind == "DNS" and len(text) <= LONGEST and _DNS.fullmatch(text) is not None)


def host_of(endpoint: str) -> str:
    """Returns the host of `host`, `host:port`, `[v6]:port` or a bare IPv6 address."""
    if endpoint.startswith("["):
        return endpoint[1:].partition("]")[0]
    return endpoint if endpoint.count(":") > 1 else endpoint.partition(":")[0]
