"""Finds the secrets in a text, and every form in which a secret may occur in a log, a report or an error."""

import base64
import binascii
import html
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import yaml

SHORTEST = 6
"""This is the minimum length of a masked value, in characters.

Masking shorter values would mask ordinary words, and no real key is that short.
"""

SHORTEST_PART = 8
"""This is the minimum length for a part of a secret text: a line, a field, a piece of another form."""

_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)
_BODY_LINE = re.compile(r"^[ \t]*([A-Za-z0-9+/]+={0,2})[ \t]*\r?$", re.MULTILINE)

_USER_FIELDS = ("token", "password", "client-key-data")
_PROVIDER_FIELDS = ("id-token", "refresh-token", "access-token", "client-secret")
_SECRET_NAME = re.compile(r"token|secret|password|passwd|key", re.IGNORECASE)

_ENCRYPTION_KEY = re.compile(r"""\bsecret["']?[ \t]*:[ \t]*["']?([^\s"',}]+)""")
"""Matches a key in an encryption provider configuration.

Its other lines are ordinary words, and stay readable in logs.
"""

_SHELL_WORD = re.compile(r"([^A-Za-z0-9_@%+=:,./-])")

_DASHES = len("LS0tLS0tLS0K")
"""This is a number of Base64 characters. A line that is not longer may stand for dashes and a line end only."""

_WRAPS = (64, 76)
"""These are the columns at which PEM and base64(1) wrap lines."""


def secrets_in(text: str) -> set[str]:
    """Returns the secret values of a text that is secret as a whole: a key, a token, a password, or a kubeconfig.

    In a kubeconfig and in PEM files, only the credentials are secret. The other words are public, and stay
    readable.
    """
    if (found := _secret_parts(text)) is not None:
        return found
    lines = [line.strip() for line in text.splitlines()]
    whole = text.strip()
    return {part for part in lines if len(part) >= SHORTEST_PART} | ({whole} if len(whole) >= SHORTEST else set())


def _secret_parts(text: str) -> set[str] | None:
    """Returns the credentials of a kubeconfig, or the private keys of PEM text; None if the text is neither."""
    if (users := _users_of(text)) is not None:
        return {value for user in users for value in _credentials(user) if len(value) >= SHORTEST_PART}
    return set(_of_private_keys(text)) or None


def secrets_of_configuration(text: str) -> set[str]:
    """Returns the secrets of a control plane file, including the keys of an encryption configuration; usually none."""
    keys = {value for value in _ENCRYPTION_KEY.findall(text) if len(value) >= SHORTEST_PART}
    return keys | (_secret_parts(text) or set())


def forms_of(value: str) -> set[str]:
    """Returns a value as it is, quoted, escaped and encoded: in URLs, JSON, YAML, HTML, Python, the shell and Base64."""
    forms = {value, *_escaped(value), *_in_base64(value.encode())}
    return {form for form in forms if len(form) >= (SHORTEST if form == value else SHORTEST_PART)}


def _users_of(text: str) -> list[dict[str, Any]] | None:
    """Returns the users of a kubeconfig in JSON or YAML; None if the text is no kubeconfig."""
    if "users" not in text or "clusters" not in text:
        return None
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    users = loaded.get("users") if isinstance(loaded, dict) else None
    if not isinstance(users, list):
        return None
    named = [one.get("user") for one in users if isinstance(one, dict)]
    return [user for user in named if isinstance(user, dict)]


def _credentials(user: dict[str, Any]) -> Iterator[str]:
    provider, program = user.get("auth-provider"), user.get("exec")
    settings = provider.get("config") if isinstance(provider, dict) else None
    variables = program.get("env") if isinstance(program, dict) else None
    found = [user.get(field) for field in _USER_FIELDS]
    if isinstance(settings, dict):
        found += [settings.get(field) for field in _PROVIDER_FIELDS]
    if isinstance(variables, list):
        pairs = [one for one in variables if isinstance(one, dict)]
        found += [one.get("value") for one in pairs if _SECRET_NAME.search(str(one.get("name")))]
    for value in found:
        if isinstance(value, str):
            yield value.strip()
            yield from _of_private_keys(_decoded(value))


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""


def _of_private_keys(text: str) -> Iterator[str]:
    """Yields each private key as a whole, its body as one line, and each line of it."""
    for found in _PRIVATE_KEY.finditer(text):
        lines = _BODY_LINE.findall(found[2])
        yield found[0]
        yield "".join(lines)
        yield from (line for line in lines if len(line) >= SHORTEST_PART)


def _escaped(value: str) -> Iterator[str]:
    for encoded in (quote(value), quote(value, safe=""), quote_plus(value)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
        yield once.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")  # as Go writes it
        yield once.replace("/", r"\/")
    yield repr(value)[1:-1]
    yield repr(value.encode())[2:-1]
    yield value.replace("'", "''")
    yield html.escape(value)
    yield html.escape(value, quote=False)
    yield shlex.quote(value)
    yield value.replace("'", "'\"'\"'")
    yield value.replace("'", r"'\''")
    yield _SHELL_WORD.sub(r"\\\1", value)
    yield re.sub(r'(["\\$`])', r"\\\1", value)


def _in_base64(value: bytes) -> Iterator[str]:
    """Yields the value's Base64 encoding, as a whole and in lines.

    It also yields the part of the encoding that stays the same at any position in a longer value.
    """
    for text in (value, value + b"\n"):
        encoded = base64.b64encode(text).decode()
        for wrap in _WRAPS:
            lines = [encoded[at : at + wrap] for at in range(0, len(encoded), wrap)]
            yield "\n".join(lines)
            # The last line of a PEM block may be the dashes of its end alone, which certificates have, too.
            yield from lines if len(lines[-1]) > _DASHES or not value.endswith(b"-----") else lines[:-1]
        yield from _both_alphabets(encoded)
        yield from _both_alphabets(encoded.rstrip("="))
    for shift, begin in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(shift) + value).decode()
        yield from _both_alphabets(encoded[begin : (shift + len(value)) * 8 // 6])


def _both_alphabets(encoded: str) -> tuple[str, ...]:
    return encoded, encoded.replace("+", "-").replace("/", "_"), quote(encoded, safe="")
