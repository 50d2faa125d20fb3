"""Parses a kubeconfig that `tasks/core/masked.lib.sh` has masked.

Hidden characters are `x`, and the public half of each key stands for the key.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.core.errors import NotYet
from tasks.core.models.outside import from_yaml

PUBLIC = "client-public-key"
"""Names the field that replaces `client-key-data`.

It holds the public half of the key in base64 (DER). It is empty for a key that openssl cannot read.
"""

_HIDDEN = re.compile(r"x+")
_HIDDEN_VALUE = re.compile(r"(?=.*xx|.*//x)([^/]*//x+@.*|[x\s]*)")
"""Matches a value that the node has hidden.

A value that is a single `x` does not count, because people use it as a name.
"""

_KEY = "client-key-data"


def parse_masked(text: str | bytes, public_halves: Sequence[str], what: str) -> Mapping[str, Any]:
    """Parses a masked kubeconfig and inserts the public halves, which are in the order of the keys.

    It raises `NotYet` if the text cannot be parsed as a kubeconfig.
    """
    config = from_yaml(text, what)
    if not isinstance(config, dict):
        raise NotYet(f"{what} has no fields", hint="write it as kubeadm does")
    halves = list(public_halves)
    users = [_with_public_half(entry, halves) for entry in _listed(config.get("users"))]
    if halves:
        raise NotYet(f"{what} has a key that is no user's", hint="write it as kubeadm does")
    return {**config, "users": users} if users else config


def hides_more(config: object) -> bool:
    """Checks whether the node has hidden a part of the kubeconfig: a field, or a password in a URL."""
    if isinstance(config, Mapping):
        return any(_HIDDEN.fullmatch(str(name)) or hides_more(value) for name, value in config.items())
    if isinstance(config, list):
        return any(map(hides_more, config))
    return isinstance(config, str) and bool(_HIDDEN_VALUE.fullmatch(config))


def _with_public_half(entry: object, halves: list[str]) -> object:
    user = entry.get("user") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(user, dict) or _KEY not in user:
        return entry
    if not halves:
        raise NotYet("a kubeconfig has a key whose public half is missing", hint="write it as kubeadm does")
    return {**entry, "user": dict(_told(user, halves.pop(0)))}


def _told(user: Mapping[str, Any], half: str) -> Iterator[tuple[str, Any]]:
    for name, value in user.items():
        yield (PUBLIC, "" if half == "-" else half) if name == _KEY else (name, value)


def _listed(found: object) -> list[object]:
    return found if isinstance(found, list) else []
