"""What a node trusts and signs with of one CA, and what a rotation of it has laid down there: one question, and its parser."""

import re
from datetime import UTC, datetime
from pathlib import PurePosixPath

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tasks.ca_rotation.models import Half, TrustOnNode, folder_of
from tasks.certificates.models.authorities import FLAGS, SIGNING_FILE, SIGNING_FLAG, TRUST, key_file
from tasks.certificates.probes.answer import decoded
from tasks.certificates.probes.x509 import certificates_in, fingerprint_of, public_key_of, sum_of
from tasks.core.models.kubeadm import ORDER, PARKED, Authority
from tasks.core.probes.printed import Printed
from tasks.core.shell import script

_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


def look(folder: PurePosixPath, authority: Authority) -> str:
    """The command, which changes nothing and prints no key; its output is for `parse`."""
    return script(
        __file__,
        "look_at_trust",
        folder=folder,
        trust=TRUST[authority],
        key=key_file(authority),
        signing_file=SIGNING_FILE,
        halves=folder_of(authority),
        flags=sorted({flag.rpartition("--")[2] for flag in (*FLAGS[authority], SIGNING_FLAG)}),
        pods=ORDER,
        parked=PARKED,
    )


def parse(node: str, stdout: bytes) -> TrustOnNode:
    """What `look` printed. A half without its own key beside it is none."""
    told = Printed.of(stdout)
    trusted, signs = told.one("trusted").partition(" "), told.one("signs").partition(" ")
    halves = dict(told.pairs("half"))
    return TrustOnNode(
        node=node,
        trusted=halves_in(decoded(trusted[2])),
        trusted_since=_time(trusted[0]),
        signs=sum_of(decoded(signs[2])) if signs[2] else "",
        signs_since=_time(signs[0]),
        signing=halves_in(decoded(told.one("signing"))),
        old=_half(halves.get("old", "")),
        new=_half(halves.get("new", "")),
        flags={f"{pod} {flag}": value for pod, rest in told.pairs("flag") for flag, _, value in [rest.partition(" ")]},
    )


def halves_in(text: bytes) -> tuple[Half, ...]:
    """Of a PEM file with certificates, or with public keys; none where it cannot be read."""
    try:
        certificates = certificates_in(text)
        keys = [load_pem_public_key(block) for block in _PUBLIC_KEY.findall(text)]
    except ValueError:
        return ()
    found = [Half(id=fingerprint_of(one), public_key=public_key_of(one)) for one in certificates]
    sums = (sum_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) for key in keys)
    return (*found, *(Half(id=one, public_key=one) for one in sums))


def _half(line: str) -> Half | None:
    text, _, key = line.partition(" ")
    found = halves_in(decoded(text))
    if len(found) != 1 or (key and sum_of(decoded(key)) != found[0].public_key):
        return None
    return found[0]


def _time(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if text else None
