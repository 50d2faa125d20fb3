"""What openssl of a machine says of its certificates."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from tasks.certificates.models.kubeadm import AUTHORITIES, Leaf
from tasks.core.shell import script


def verify(folder: PurePosixPath, leaves: Iterable[Leaf]) -> str:
    """Has openssl judge each: signed by its CA, and good for what it is for. Prints what is wrong, and nothing else."""
    judged = (
        f"{leaf.path} {AUTHORITIES[leaf.authority]} {purpose}"
        for leaf in leaves
        for wanted, purpose in ((leaf.server, "sslserver"), (leaf.client, "sslclient"))
        if wanted
    )
    return script(__file__, "verify", folder=folder, judged="\n".join(judged))
