"""Decides what a pull Secret is good for. The API server takes any JSON, so what the kubelet cannot use is stored, too."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.core.models.images import DEFAULT
from tasks.registries.policy.pull_secrets import FIELDS, HUB, entries_of, same_host, user_of

JSON = Mapping[str, Any]

HUB_KEY = "https://index.docker.io/v1/"
"""Is the key under which docker.io is in a Secret."""

IGNORED = ("credHelpers", "credsStore")
"""Names the fields of Docker's configuration that the kubelet ignores."""


@dataclass(frozen=True)
class Held:
    """Is the credential that a Secret has for one registry. It is no model, so that it is never part of a result."""

    place: str
    user: str = ""
    password: str = field(default="", repr=False)
    problem: str = ""


@dataclass(frozen=True)
class Contents:
    """Is what a Secret has."""

    held: tuple[Held, ...] = ()
    problem: str = ""


def contents_of(raw: JSON) -> Contents:
    """Returns what a Secret has for each registry, with what is wrong about it."""
    try:
        entries = list(entries_of(raw))
    except ValueError as error:
        return Contents(problem=str(error))
    if not entries:
        ignored = [name for name in IGNORED if name in _document(raw)]
        more = f": it has only {', '.join(ignored)}, which the kubelet ignores" if ignored else ""
        return Contents(problem=f"it has no registry{more}")
    return Contents(tuple(_held(place, entry) for place, entry in entries))


def _document(raw: JSON) -> JSON:
    data = raw.get("data") or {}
    told: JSON = json.loads(base64.b64decode(next(data[one] for one in FIELDS if data.get(one))))
    return told


def _held(place: str, entry: JSON) -> Held:
    try:
        user, password = user_of(entry)
    except ValueError as error:
        return Held(place, problem=str(error))
    return Held(place, user, password, _problem(user, password, entry))


def _problem(user: str, password: str, entry: JSON) -> str:
    if not (user and password):
        return "it has no user and password"
    if password != password.strip("\r\n"):
        return "its password ends with a line break"
    named = (str(entry.get("username", "")), str(entry.get("password", "")))
    if entry.get("auth") and any(named) and named != (user, password):
        return "its username and password are other ones than its auth, which counts"
    return ""


def fingerprint_of(user: str, password: str, salt: str) -> str:
    """Returns a hash of a credential, as a part of a name.

    It is slow on purpose, so that nobody finds a short password by the name of a Secret.
    """
    return hashlib.scrypt(f"{user}\0{password}".encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=5).hex()


def key_of(registry: str) -> str:
    """Returns the key of a registry in a Secret."""
    return HUB_KEY if registry.partition("/")[0] == DEFAULT else registry


def is_of(place: str, registry: str) -> bool:
    """Checks whether an entry of a Secret is for the host of a registry, whatever its path."""
    return same_host(place, registry) or (registry.partition("/")[0] == DEFAULT and same_host(place, HUB))


def data_of(registry: str, user: str, password: str) -> dict[str, str]:
    """Returns the data of a Secret of type kubernetes.io/dockerconfigjson."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    entry = {"username": user, "password": password, "auth": auth}
    text = json.dumps({"auths": {key_of(registry): entry}}).encode()
    return {FIELDS[0]: base64.b64encode(text).decode()}
