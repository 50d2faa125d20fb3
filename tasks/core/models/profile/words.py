"""Defines the types of values that occur in many places of a profile."""

import re
from ipaddress import ip_address
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""Matches a DNS label (RFC 1123), which is safe as a file name, in an object key and in a Lease."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]

ClusterName = Name

HOST_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$"


def _is_ip_where_it_has_colons(text: str) -> str:
    if ":" in text:
        try:
            ip_address(text)
        except ValueError:
            message = "neither a name nor an address; an IPv6 address is written without brackets and without a port"
            raise ValueError(message) from None
    return text


HostName = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?)$", max_length=253
    ),
    AfterValidator(_is_ip_where_it_has_colons),
]
"""This is a host name, an IPv4 address, or an IPv6 address without brackets."""


def _has_host_and_port(text: str) -> str:
    if not text:
        return text
    try:
        parts = urlsplit(text)
        is_good = bool(parts.hostname) and parts.port != 0 and ("[" in parts.netloc) == (":" in (parts.hostname or ""))
    except ValueError:
        is_good = False
    if not is_good:
        message = (
            "no URL with a host and a port: an IPv6 address is in brackets there, for example https://[fd00::1]:2379"
        )
        raise ValueError(message)
    return text


Url = Annotated[str, AfterValidator(_has_host_and_port)]
"""This is a URL with a host, or an empty string. A pattern next to it decides which of them is allowed."""


def _is_a_host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        if not re.fullmatch(HOST_PATTERN, text):
            message = "neither a host name nor an IP address; an IPv6 address is written without brackets"
            raise ValueError(message) from None
    return text


Host = Annotated[str, AfterValidator(_is_a_host)]
"""This is a host name, an IPv4 address or an IPv6 address, including `::1`."""

Port = Annotated[int, Field(ge=1, le=65535)]


def _is_a_url_of_etcd(text: str) -> str:
    try:
        parts = urlsplit(text)
        whole = bool(parts.scheme == "https" and parts.hostname and parts.port and not parts.username)
    except ValueError as error:
        message = f"no URL: {error}"
        raise ValueError(message) from None
    if not whole or parts.path.strip("/") or parts.query:
        message = "write https://HOST:PORT, with brackets around an IPv6 address: https://[fd00::1]:2379"
        raise ValueError(message)
    return text.rstrip("/")


UrlOfEtcd = Annotated[str, AfterValidator(_is_a_url_of_etcd)]
"""This is a URL with https, a host and a port, and nothing else."""


def _begins_at_root(path: str) -> str:
    if not path.startswith("/"):
        message = "a relative path: a deployed run starts in another folder; write the whole path, from / on"
        raise ValueError(message)
    return path


WorkerPath = Annotated[str, AfterValidator(_begins_at_root)]
"""This is the absolute path of a file on the worker."""


def _is_a_secret_reference(text: str) -> str:
    kind, separator, rest = text.partition(":")
    if not separator or kind not in {"file", "env", "prefect"} or not rest or "\n" in text:
        message = "an inline secret or an unknown kind of reference; write file:PATH, env:NAME or prefect:BLOCK"
        raise ValueError(message)
    if kind == "file":
        _begins_at_root(rest)
    return text


SecretRef = Annotated[str, AfterValidator(_is_a_secret_reference)]
"""This names where a secret is: `file:PATH`, `env:NAME` or `prefect:BLOCK` (a Prefect Secret block).

It is never the secret itself.
"""


def _is_absolute(path: PurePosixPath) -> PurePosixPath:
    if not path.is_absolute() or " " in str(path):
        message = "a path on the node has to be absolute, and without a space"
        raise ValueError(message)
    return path


NodePath = Annotated[PurePosixPath, AfterValidator(_is_absolute)]
"""This is an absolute path on a node."""
