"""Client certificates of kubelets that could not renew theirs."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from tasks.cert_rotation.probes.proofs import has_ca_key
from tasks.cert_rotation.reach import Shell
from tasks.cert_rotation.work import Work
from tasks.certificates.kubelet import renew_kubelet
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet
from tasks.core.logs import log_about
from tasks.core.models.kubeadm import KUBELET, KUBELET_CLIENT


class Signer(Shell, Protocol):
    """A shell that can be asked."""

    def is_true(self, script: str) -> bool:
        """Whether a script ends with status 0."""


SignerT = TypeVar("SignerT", bound=Signer)

NEW_ENOUGH = 0.9
"""Of its life that a certificate has left which an earlier attempt has made."""


def signers_among(shells: Iterable[SignerT], folder: PurePosixPath) -> list[SignerT]:
    """Control plane nodes that have the key of the cluster's CA."""
    return [shell for shell in shells if shell.is_true(has_ca_key(folder))]


def renew_late_kubelet(work: Work, signers: Sequence[Shell]) -> None:
    """By its own control plane node where that has the CA's key, else by the first one that does."""
    one = work.reach.look().named(KUBELET_CLIENT)
    whole = timedelta(hours=work.node.kubelet_hours)
    if one and (left := one.left(datetime.now(UTC))) and left > whole * NEW_ENOUGH:
        return  # an earlier attempt has
    work.check()
    signer = next((one for one in signers if one.name == work.name), signers[0])
    with work.part("client certificate of its kubelet"):
        renew_kubelet(work.reach, signer, work.reach.folder, work.node.kubelet_hours)
        wait_for(lambda: _refuse_dead(work), work.limits.users)
    log_about(work.name).info("the client certificate of its kubelet is signed by %s", signer.name)


def _refuse_dead(work: Work) -> None:
    if not work.reach.look().process(KUBELET):
        raise NotYet(f"{work.name}: its kubelet does not run", hint="look at `journalctl -u kubelet`")
