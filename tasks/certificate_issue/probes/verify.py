"""Verifies a machine's certificates with its openssl, also those inside kubeconfigs."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from tasks.certificates.models.kubeadm import AUTHORITIES, Leaf
from tasks.certificates.probes.answer import decoded
from tasks.core.errors import Refused
from tasks.core.models import outside
from tasks.core.models.outside import from_yaml
from tasks.core.probes.printed import Printed
from tasks.core.shell import script


def where(folder: PurePosixPath) -> str:
    """Returns the script that prints the path of kubeadm's pki folder after all links are followed."""
    return script(__file__, "where", pki=folder / "pki")


def look_at_kubeconfigs(folder: PurePosixPath, leaves: Iterable[Leaf]) -> str:
    """Returns the script that prints a machine's kubeconfigs without secrets. `certificates_inside` reads its output."""
    return script(
        __file__, "look_at_kubeconfigs", folder=folder, kubeconfigs=[leaf.path for leaf in leaves if leaf.asks]
    )


def certificates_inside(stdout: bytes) -> dict[str, bytes | str]:
    """Maps each kubeconfig to its client certificate (PEM), or to the file that it names.

    A kubelet that has joined has a file of its own.
    """
    return {path: _certificate(path, decoded(text)) for path, text in Printed.of(stdout).pairs("kubeconfig")}


def verify(folder: PurePosixPath) -> str:
    """Returns the script that has openssl verify each line of `judged`. It prints only what is wrong.

    Each certificate must be signed by its CA and be valid for its purpose.
    """
    return script(__file__, "verify", folder=folder)


def judged(leaves: Iterable[Leaf], inside: Mapping[str, bytes | str]) -> bytes:
    """Returns the standard input of `verify`. A certificate that is in no kubeconfig is in a file, or missing."""
    return "".join(f"{line}\n" for leaf in leaves for line in _lines(leaf, inside.get(leaf.path, leaf.path))).encode()


def _lines(leaf: Leaf, found: bytes | str) -> Iterator[str]:
    place = found if isinstance(found, str) else f"- {base64.b64encode(found).decode()}"
    for wanted, purpose in ((leaf.server, "sslserver"), (leaf.client, "sslclient")):
        if wanted:
            yield f"{leaf.path} {AUTHORITIES[leaf.authority]} {purpose} {place}"


def _certificate(path: str, text: bytes) -> bytes | str:
    told = outside.KnownKubeconfig.read(from_yaml(text, path) or {}, path)
    user = told.user
    if user.client_certificate_data:
        return decoded("".join(user.client_certificate_data.split()))
    if not user.client_certificate:
        raise Refused(f"{path}: its user has no client certificate", hint="--request-replace makes a new one")
    return user.client_certificate
