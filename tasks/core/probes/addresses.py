"""Parses addresses in URLs and in flags, for IPv4, IPv6 and host names."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from tasks.core.models.shape import Address

LOOPBACK = "127.0.0.1"
LOOPBACK_6 = "::1"


def address_of_url(url: str, default_port: int | None = None) -> Address:
    """Returns host and port of a URL; raises `ValueError` that says what is wrong with the URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        message = f"{url!r} is no URL: {error}"
        raise ValueError(message) from None
    port = default_port if port is None else port
    if not parts.scheme or not host or port is None:
        message = f"{url!r} is no URL with a host and a port, such as https://10.0.0.1:2379"
        raise ValueError(message)
    return Address(host=host, port=port)


def address_of_text(text: str, default_port: int | None = None) -> Address:
    """Returns the address of a text such as controlPlaneEndpoint.

    The text is `host:port`, `[fd00::1]:port`, or the host alone if there is a default port.
    """
    bare = f"[{text}]" if is_ip(text) and ":" in text else text
    return address_of_url(bare if "://" in bare else f"any://{bare}", default_port)


def is_ip(text: str) -> bool:
    """Checks whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Checks whether the host is loopback: 127.0.0.0/8, ::1 or localhost."""
    return host == "localhost" or (is_ip(host) and ipaddress.ip_address(host).is_loopback)


def reached_at(bind: str) -> str:
    """Returns the address at which the node itself reaches a server that binds to `bind`.

    If `bind` means all addresses, this is loopback of the same family.
    """
    if not bind:
        return LOOPBACK
    if is_ip(bind) and ipaddress.ip_address(bind).is_unspecified:
        return LOOPBACK_6 if ":" in bind else LOOPBACK
    return bind


def nearest(urls: Iterable[str]) -> Address:
    """Returns a loopback address of a server's listen URLs, else the first address.

    It raises `ValueError` if there is no URL, or if one cannot be parsed.
    """
    found = [address_of_url(url) for url in urls]
    if not found:
        message = "it listens at no address"
        raise ValueError(message)
    local = [Address(host=reached_at(one.host), port=one.port) for one in found]
    return next((one for one in local if is_loopback(one.host)), local[0])
