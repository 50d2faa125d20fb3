"""Parses OpenSSH's known_hosts: the keys that a host may show.

It treats every line as `ssh` does, and reports unreadable lines by number.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass

PLAIN_FIELDS, LENGTH_BYTES = 3, 4


@dataclass(frozen=True)
class KnownKey:
    """This is a key that a line lists for some hosts."""

    line: int
    kind: str
    blob: bytes
    """It holds the key in the form that SSH transmits."""

    def __str__(self) -> str:
        """Returns the key as OpenSSH prints it: type and SHA256 of the public key."""
        return f"{self.kind} {fingerprint(self.blob)}"


@dataclass(frozen=True)
class KnownHost:
    """This is what the file says about one host."""

    trusted: tuple[KnownKey, ...]
    revoked: tuple[KnownKey, ...]
    authorities: tuple[KnownKey, ...]
    """It lists the CAs that may sign the host's certificate."""
    bad: tuple[int, ...]
    """It lists the numbers of this host's lines that cannot be parsed."""


@dataclass(frozen=True)
class _Line:
    number: int
    marker: str
    names: str
    key: KnownKey | None


@dataclass(frozen=True)
class KnownHosts:
    """This is a parsed known_hosts file."""

    lines: tuple[_Line, ...]

    @classmethod
    def parse(cls, text: str) -> "KnownHosts":
        """Parses all lines, including those that cannot be read."""
        return cls(tuple(_lines(text)))

    @property
    def bad(self) -> tuple[int, ...]:
        """Returns the numbers of the lines that cannot be read."""
        return tuple(line.number for line in self.lines if line.key is None)

    def of(self, address: str, port: int, default_port: int) -> KnownHost:
        """Returns the keys for a host by `[address]:port`.

        If no line has that, it uses the address alone, as `ssh` does.

        A key is revoked if a line for either of them revokes it.
        """
        names = [address] if port == default_port else [f"[{address}]:{port}", address]
        found = next(
            (
                lines
                for name in names
                if (lines := [line for line in self.lines if line.marker != "@revoked" and _is_for(line, name)])
            ),
            [],
        )
        found += [
            line for line in self.lines if line.marker == "@revoked" and any(_is_for(line, name) for name in names)
        ]
        keys = {marker: tuple(line.key for line in found if line.key and line.marker == marker) for marker in _MARKERS}
        bad = tuple(line.number for line in found if line.key is None)
        return KnownHost(keys[""], keys["@revoked"], keys["@cert-authority"], bad)


_MARKERS = ("", "@revoked", "@cert-authority")


def fingerprint(blob: bytes) -> str:
    """Returns the fingerprint of a public key as OpenSSH prints it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def _lines(text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        names = fields[0] if fields else ""
        yield _Line(number, marker, names, _key(number, fields) if marker in _MARKERS else None)


def _key(number: int, fields: list[str]) -> KnownKey | None:
    """Returns the key of a line; None if it cannot be parsed. A key of an unknown kind is kept.

    Whether such a key is useful becomes clear when a host offers it.
    """
    if len(fields) < PLAIN_FIELDS:
        return None
    kind, text = fields[1:PLAIN_FIELDS]
    if kind.isdigit():  # of SSH 1: bits and an exponent, which no host offers any more
        return KnownKey(number, "rsa1", b"")
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    length = int.from_bytes(blob[:LENGTH_BYTES])
    is_of_kind = blob[LENGTH_BYTES : LENGTH_BYTES + length] == kind.encode()
    return KnownKey(number, kind, blob) if is_of_kind else None


def _is_for(line: _Line, name: str) -> bool:
    if line.names.startswith("|"):
        return _is_hash_of(line.names, name)
    patterns = line.names.lower().split(",")
    if any(pattern.startswith("!") and _matches(pattern[1:], name) for pattern in patterns):
        return False
    return any(_matches(pattern, name) for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    """Checks a name against a pattern.

    `*` and `?` are the only wildcards: `[` belongs to an address with a port.
    """
    wanted = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(wanted, name.lower(), re.DOTALL) is not None


def _is_hash_of(hashed: str, name: str) -> bool:
    """Checks a name against `|1|SALT|HASH`, which is HMAC-SHA1 in Base64."""
    _, version, *parts = hashed.split("|")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts)
    except ValueError:
        return False
    return version == "1" and hmac.compare_digest(hmac.digest(salt, name.lower().encode(), "sha1"), digest)
