"""Identifies the cluster by its CA and nodes, as etcd and the files of a control plane node have them."""

import base64
from collections.abc import Sequence

from tasks.certificates.probes.x509 import certificates_in, fingerprint_of
from tasks.core.models.kubeadm import API_SERVER
from tasks.core.models.shape import NodeShape
from tasks.core.shell import script

PREFIX = "/registry"
"""This is the prefix of the API server's keys in etcd, unless its `--etcd-prefix` is another one."""


def nodes_below(prefix: str) -> str:
    """Returns the prefix of the keys of Node objects."""
    return f"{prefix}/minions/"


def root_ca_below(prefix: str) -> str:
    """Returns the key of the ConfigMap with the CA that pods receive."""
    return f"{prefix}/configmaps/kube-system/kube-root-ca.crt"


def prefix_of(shape: NodeShape) -> str:
    """Returns the prefix as a node's API server reads its flag: from the root, without a slash at the end."""
    return "/" + (shape.pods[API_SERVER].flags.get("etcd-prefix") or PREFIX).strip("/")


def names_in(paths: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the objects from their keys in etcd."""
    return tuple(sorted(path.rpartition("/")[2] for path in paths))


def authorities_in(text: bytes) -> tuple[str, ...]:
    """Returns the sha256 of each certificate in a file, or in an object from etcd (protobuf or JSON).

    The result is empty if the content is damaged or encrypted.
    """
    try:
        found = certificates_in(text.replace(b"\\n", b"\n"))
    except ValueError:
        return ()
    return tuple(sorted({fingerprint_of(one) for one in found}))


def look(files: Sequence[str]) -> str:
    """Prints the certificates of these files, and nothing else from them."""
    return script(__file__, "certificates_in", files="\n".join(files))


def parse(stdout: bytes) -> tuple[str, ...]:
    """Parses the output of `look`."""
    return authorities_in(base64.b64decode(stdout))
