"""Reads where containerd pulls the images of a registry from: the hosts.toml of its certs.d, or the registry itself."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from tasks.core.models.images import ASKED_AT

JSON = Mapping[str, Any]

LOOPBACK = frozenset({"localhost", "127.0.0.1"})
"""Lists the hosts that containerd asks without TLS."""


@dataclass(frozen=True)
class Place:
    """Is where a runtime asks for images, and how. Headers may be secrets, so it is no model."""

    url: str
    """It ends before the name of the repository, for example https://registry-1.docker.io/v2."""
    mirrors: str = ""
    """It is the registry that a mirror is asked for; empty for the registry itself."""
    options: tuple[str, ...] = field(default=(), repr=False)
    """They are lines of a configuration of curl."""

    @property
    def host(self) -> str:
        """Returns scheme and host, as people read it."""
        return "://".join(urlsplit(self.url)[:2])


def folders_of(registry: str, roots: Iterable[str]) -> tuple[str, ...]:
    """Returns the folders in which containerd looks for a registry, in this order; it writes a port as `_5000_`."""
    host, _, port = registry.partition(":")
    names = dict.fromkeys([f"{host}_{port}_" if port else host, registry, "_default"])
    return tuple(f"{root}/{name}" for root in roots for name in names)


def places_of(registry: str, text: str | None = None, folder: str = "") -> tuple[Place, ...]:
    """Returns where images of a registry are asked for, in this order.

    Args:
        registry: its name, for example docker.io
        text: hosts.toml of the registry; none if there is none
        folder: the folder of hosts.toml, in which its files are

    Raises:
        ValueError: hosts.toml cannot be parsed, or has what is not known here.
    """
    if text is None:
        return (_place(registry, _upstream(registry), {}, folder),)
    told = tomllib.loads(text)
    hosts = told.pop("host", {})
    found = [_place(registry, str(url), one, folder) for url, one in hosts.items() if _resolves(one)]
    return tuple(
        dict.fromkeys([*found, _place(registry, str(told.get("server") or _upstream(registry)), told, folder)])
    )


def _upstream(registry: str) -> str:
    scheme = "http" if registry.partition(":")[0] in LOOPBACK else "https"
    return f"{scheme}://{ASKED_AT.get(registry, registry)}"


def _resolves(host: JSON) -> bool:
    return "resolve" in host.get("capabilities", ["resolve"])


def _place(registry: str, url: str, told: JSON, folder: str) -> Place:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    path = parts.path.rstrip("/")
    if not told.get("override_path") and not path.endswith("/v2"):
        path += "/v2"
    itself = parts.netloc in {registry, ASKED_AT.get(registry)}
    return Place(
        f"{parts.scheme}://{parts.netloc}{path}",
        "" if itself else registry,
        tuple(_options(told, PurePosixPath(folder))),
    )


def _options(told: JSON, folder: PurePosixPath) -> Iterator[str]:
    authorities, clients = _list(told.get("ca")), _list(told.get("client"))
    if len(authorities) > 1 or len(clients) > 1:
        message = "it has several ca or client files for one host"
        raise ValueError(message)
    for ca in authorities:
        yield option("cacert", str(folder / str(ca)))
    for client in clients:
        certificate, *key = _list(client)
        yield option("cert", str(folder / str(certificate)))
        yield from (option("key", str(folder / str(one))) for one in key)
    if told.get("skip_verify"):
        yield "insecure"
    for name, values in told.get("header", {}).items():
        yield from (option("header", f"{name}: {value}") for value in _list(values))


def _list(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    return [value] if value else []


def option(name: str, value: str) -> str:
    """Returns a line of a configuration of curl."""
    kept = value.replace("\\", "\\\\").replace('"', '\\"')
    if "\n" in kept or "\r" in kept:
        message = f"{name} has a line break"
        raise ValueError(message)
    return f'{name} = "{kept}"'
