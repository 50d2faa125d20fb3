"""Which cluster this is: its CA, as etcd and as the files of a control plane node have it."""

import base64
from collections.abc import Sequence

from tasks.certificates.probes.x509 import certificates_in, fingerprint_of
from tasks.core.shell import script

NODES = "/registry/minions/"
ROOT_CA = "/registry/configmaps/kube-system/kube-root-ca.crt"
"""Where the API server keeps them in etcd, unless it has another `--etcd-prefix`."""


def names_in(paths: Sequence[str]) -> tuple[str, ...]:
    """Names of the objects that keys of etcd are of."""
    return tuple(sorted(path.rpartition("/")[2] for path in paths))


def authorities_in(text: bytes) -> tuple[str, ...]:
    """The sha256 of each certificate in a file, or in an object as etcd has it (protobuf or JSON); none of what is damaged or encrypted."""
    try:
        found = certificates_in(text.replace(b"\\n", b"\n"))
    except ValueError:
        return ()
    return tuple(sorted({fingerprint_of(one) for one in found}))


def look(files: Sequence[str]) -> str:
    """Prints the certificates of these files, and nothing else of them."""
    return script(__file__, "certificates_in", files="\n".join(files))


def parse(stdout: bytes) -> tuple[str, ...]:
    """What `look` printed."""
    return authorities_in(base64.b64decode(stdout))
