"""Defines the files of a CA in each state of its rotation."""

from enum import StrEnum
from typing import NamedTuple

from tasks.certificates.models.kubeadm import AUTHORITIES
from tasks.core.models.kubeadm import Authority


class State(StrEnum):
    """Describes the state of a CA rotation on a node."""

    ONLY_OLD = "only-old"
    BOTH = "both"
    NEW_SIGNS = "new-signs"
    ONLY_NEW = "only-new"
    BETWEEN = "between"
    """The node trusts both CAs, and a run was interrupted while it changed which one signs."""
    BROKEN = "broken"
    """The node signs with a CA that it does not trust, or its signing key was not found or could not be read."""
    FOREIGN = "foreign"
    """The node trusts a CA that is neither the old nor the new one."""


OLD, NEW = "old", "new"


class Files(NamedTuple):
    """Names the halves that the files of a CA consist of in one state.

    `trusted` lists the trusted halves; the first of them is the one that signs.
    """

    trusted: tuple[str, ...]
    signs: str


FILES = {
    State.ONLY_OLD: Files((OLD,), OLD),
    State.BOTH: Files((OLD, NEW), OLD),
    State.NEW_SIGNS: Files((NEW, OLD), NEW),
    State.ONLY_NEW: Files((NEW,), NEW),
}
"""Maps each state to its files. kubeadm signs with the first certificate of a file, so the key beside it must match."""

TRUST = {**AUTHORITIES, Authority.SERVICE_ACCOUNTS: "pki/sa.pub"}
"""Names the default file with the trusted certificates or keys of each CA, relative to kubeadm's folder."""

SIGNING_FLAG = "cluster-signing-cert-file"


def is_single(authority: Authority, state: State) -> bool:
    """Checks whether the controller manager can sign with the CA file itself.

    This needs exactly one certificate in the file of the cluster CA. It is true for every other CA.
    """
    return authority is not Authority.CLUSTER or len(FILES[state].trusted) == 1
