"""Decides which credentials the kubelet takes for an image, from Secrets of registries."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tasks.core.models.images import DEFAULT, Reference
from tasks.registries.models.credentials import Credential

JSON = Mapping[str, Any]

FIELDS = (".dockerconfigjson", ".dockercfg")
HUB = "index.docker.io"
"""Names the registry docker.io in credentials."""


def credentials_for(reference: Reference, secret: str, raw: JSON) -> tuple[Credential, ...]:
    """Returns the credentials of a Secret that the kubelet tries for the image, the most specific one first.

    Raises ValueError if the Secret is none of a registry, or cannot be parsed.
    """
    found = sorted(entries_of(raw), key=lambda one: len(one[0]), reverse=True)
    fitting = [entry for place, entry in found if fits(place, reference)]
    if not fitting and reference.registry == DEFAULT:
        fitting = [entry for place, entry in found if place == HUB]
    return tuple(Credential(secret, *user_of(entry)) for entry in fitting)


def fits(place: str, reference: Reference) -> bool:
    """Checks whether an entry of a Secret is for the image, as the kubelet does: parts of the host may be patterns."""
    path = place.partition("/")[2]
    return same_host(place, reference.registry) and reference.repository.startswith(path)


def same_host(place: str, registry: str) -> bool:
    """Checks whether an entry of a Secret is for the host of a registry, whatever its path."""
    name, _, port = place.partition("/")[0].partition(":")
    asked, _, asked_port = registry.partition("/")[0].partition(":")
    ours, theirs = name.split("."), asked.split(".")
    return len(ours) == len(theirs) and all(map(fnmatchcase, theirs, ours)) and port == asked_port


def entries_of(raw: JSON) -> Iterator[tuple[str, JSON]]:
    """Yields host and path of each registry of a Secret, with the fields of its entry; raises ValueError."""
    data = raw.get("data") or {}
    name = next((one for one in FIELDS if data.get(one)), "")
    if not name:
        message = f"it has neither {' nor '.join(FIELDS)}"
        raise ValueError(message)
    try:
        told = json.loads(base64.b64decode(data[name], validate=True))
        entries = told.get("auths") or {} if name == FIELDS[0] else told
        pairs = [(_place(str(key)), dict(one)) for key, one in entries.items()]
    except (ValueError, TypeError, AttributeError):
        message = f"{name} is not the configuration of a registry"
        raise ValueError(message) from None
    yield from pairs


def _place(key: str) -> str:
    """Returns host and path of `https://index.docker.io/v1/`, without what stands for a version of the API."""
    host, slash, path = key.partition("://")[2].partition("/") if "://" in key else key.partition("/")
    whole = f"{slash}{path}"
    for version in ("/v1/", "/v2/"):
        whole = whole.removeprefix(version[:-1]) if whole.startswith(version) else whole
    return f"{host}{whole}".rstrip("/")


def user_of(entry: JSON) -> tuple[str, str]:
    """Returns user and password; `auth` takes precedence, as in the kubelet."""
    if entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            message = "its field auth is no base64 of a user and a password"
            raise ValueError(message) from None
        return user, password.rstrip("\x00")
    return str(entry.get("username", "")), str(entry.get("password", ""))
