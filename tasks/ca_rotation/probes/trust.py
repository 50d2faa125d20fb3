"""Asks what a node trusts and signs with for one CA, and what a rotation has written there.

It has one query and its parser.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tasks.ca_rotation.models import CaFiles, Half, TrustOnNode, folder_of
from tasks.ca_rotation.probes.places import Places, files_of, problems_of, signs_by
from tasks.certificates.probes.answer import decoded
from tasks.certificates.probes.x509 import certificates_in, fingerprint_of, public_key_of, sum_of
from tasks.core.models.kubeadm import Authority
from tasks.core.probes.printed import Printed
from tasks.core.shell import script

_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)

_NOTHING = "-"
"""The script prints this for an empty file, and for a key that openssl cannot read."""


def look(files: CaFiles, authority: Authority) -> str:
    """Returns the script of the query, which changes nothing and prints no key. `parse` reads its output."""
    return script(
        __file__,
        "look_at_trust",
        trust=files.trust,
        key=files.key,
        signing=files.signing,
        halves=folder_of(authority),
    )


def parse(node: str, authority: Authority, places: Places, stdout: bytes) -> TrustOnNode:
    """Parses the output of `look` for the files that `places` names. A half whose key does not match counts as missing."""
    told, files = Printed.of(stdout), files_of(authority, places)
    trusted, signs = told.one("trusted").partition(" "), told.one("signs").partition(" ")
    halves = dict(told.pairs("half"))
    found = TrustOnNode(
        node=node,
        files=files,
        trusted=halves_in(decoded(trusted[2])),
        trusted_since=_time(trusted[0]),
        signs=_sum(signs[2]),
        signs_since=_time(signs[0]),
        signing=halves_in(decoded(told.one("signing"))),
        old=_half(halves.get("old", "")),
        new=_half(halves.get("new", "")),
        has_keys=tuple(name for name, line in halves.items() if _half(line) and line.partition(" ")[2]),
        signs_by=signs_by(places) if authority is Authority.CLUSTER else "",
    )
    return found.model_copy(update={"problems": tuple(_problems(authority, places, found))})


def halves_in(text: bytes) -> tuple[Half, ...]:
    """Returns the halves in a PEM file of certificates or public keys. The result is empty if it cannot be read."""
    try:
        certificates = certificates_in(text)
        keys = [load_pem_public_key(block) for block in _PUBLIC_KEY.findall(text)]
    except ValueError:
        return ()
    found = [Half(id=fingerprint_of(one), public_key=public_key_of(one)) for one in certificates]
    sums = (sum_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) for key in keys)
    return (*found, *(Half(id=one, public_key=one) for one in sums))


def _problems(authority: Authority, places: Places, found: TrustOnNode) -> Iterator[str]:
    """Yields problems of the named files and of their content. A missing key is distinct from an unreadable one."""
    files = found.files
    yield from problems_of(authority, places, files)
    if files.trust and not found.trusted:
        yield f"{files.trust} {_of_file(found.trusted_since, 'nothing in it that can be trusted')}"
    if files.key and not found.signs:
        yield f"{files.key} {_of_file(found.signs_since, 'no private key that openssl reads')}"


def _of_file(written: datetime | None, nothing: str) -> str:
    return f"has {nothing}" if written else "is not there"


def _half(line: str) -> Half | None:
    text, _, key = line.partition(" ")
    found = halves_in(decoded(text))
    if len(found) != 1 or (key and _sum(key) != found[0].public_key):
        return None
    return found[0]


def _sum(encoded: str) -> str:
    return "" if encoded in {"", _NOTHING} else sum_of(decoded(encoded))


def _time(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if text else None
