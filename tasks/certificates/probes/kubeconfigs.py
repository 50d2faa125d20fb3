"""Parses a node's kubeconfigs: who connects to the API with them, and what they trust."""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.certificates.probes.x509 import sum_of
from tasks.core.errors import NotYet
from tasks.core.kubeadm_yaml import in_lines
from tasks.core.models.base import Model
from tasks.core.probes.masked_kubeconfig import PUBLIC, hides_more, parse_masked


class Credentials(Model):
    """Holds the parsed users of a kubeconfig in order, with the user of the current context first."""

    server: str = ""
    users: tuple[str, ...] = ()
    """It lists the names of the users whose certificate is in the kubeconfig."""
    certificates: tuple[bytes, ...] = ()
    """It lists the certificate of each of these users."""
    public_keys: tuple[str | None, ...] = ()
    """It lists the sha256 of the public half of each key: empty if unreadable, None if there is no key."""
    authorities: tuple[bytes, ...] = ()
    names_file: str = ""
    """It names the file with the first user's certificate, if the kubeconfig names a file."""
    hidden: bool = False
    """True if the first user has more than a certificate and a key. The node does not print the rest."""


_KNOWN = {"client-certificate", "client-certificate-data", "client-key", PUBLIC}


def credentials_in(text: bytes, public_halves: Sequence[str] = ()) -> Credentials | None:
    """Parses a kubeconfig. It returns None if it cannot be parsed."""
    try:
        return _credentials(parse_masked(text, public_halves, "a kubeconfig"))
    except (NotYet, TypeError, AttributeError, ValueError, binascii.Error):
        return None


def pointed_at(text: bytes, public_halves: Sequence[str], file: str) -> str:
    """Returns the kubeconfig of one user with a file name in place of its certificate and key.

    The result is empty if the kubeconfig has another number of users, or if its user has more than these two.
    """
    found = credentials_in(text, public_halves)
    if found is None or found.hidden:
        return ""
    config = parse_masked(text, public_halves, "a kubeconfig")
    users = config.get("users") or []
    if len(users) != 1:
        return ""
    [user] = users
    pointed = {**config, "users": [{**user, "user": {"client-certificate": file, "client-key": file}}]}
    return "" if hides_more(pointed) else in_lines(pointed)


def _credentials(config: Mapping[str, Any]) -> Credentials:
    contexts = dict(_named(config.get("contexts"), "context"))
    current = contexts.get(str(config.get("current-context")), next(iter(contexts.values()), {}))
    users = _first(dict(_named(config.get("users"), "user")), str(current.get("user")))
    clusters = _first(dict(_named(config.get("clusters"), "cluster")), str(current.get("cluster")))
    first = next(iter(users.values()), {})
    inside = {name: user for name, user in users.items() if user.get("client-certificate-data")}
    return Credentials(
        server=str(next(iter(clusters.values()), {}).get("server") or ""),
        users=tuple(inside),
        certificates=tuple(b64decode(str(user["client-certificate-data"])) for user in inside.values()),
        public_keys=tuple(_sum(user.get(PUBLIC)) for user in inside.values()),
        authorities=tuple(
            b64decode(str(one["certificate-authority-data"]))
            for one in clusters.values()
            if one.get("certificate-authority-data")
        ),
        names_file=str(first.get("client-certificate") or ""),
        hidden=not set(first) <= _KNOWN,
    )


def _named(found: Sequence[Mapping[str, Any]] | None, what: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in found or ():
        yield str(one.get("name")), one.get(what) or {}


def _first(found: dict[str, Mapping[str, Any]], name: str) -> dict[str, Mapping[str, Any]]:
    """Returns the same entries with the one of this name first."""
    return {one: found[one] for one in sorted(found, key=lambda one: one != name)}


def _sum(public: object) -> str | None:
    if public is None:
        return None
    return sum_of(b64decode(str(public))) if public else ""
