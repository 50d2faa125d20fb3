"""Renews the client certificates of kubelets that could not renew their own."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol, TypeVar

from tasks.cert_rotation.probes.proofs import has_ca_key
from tasks.cert_rotation.reach import Shell
from tasks.cert_rotation.work import Work
from tasks.certificates.kubelet import renew_kubelet
from tasks.certificates.scripts import point_kubelet
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models.kubeadm import KUBELET, KUBELET_CLIENT


class Signer(Shell, Protocol):
    """Describes a shell that can also answer a yes-or-no question."""

    def is_true(self, script: str) -> bool:
        """Checks whether a script exits with status 0."""


SignerT = TypeVar("SignerT", bound=Signer)

NEW_ENOUGH = 0.9
"""A certificate with at least this fraction of its lifetime left was made by an earlier attempt."""


class SigningNode(NamedTuple):
    """Names a control plane node that signs, and its folder with the CA."""

    shell: Shell
    pki: PurePosixPath


def signers_among(shells: Iterable[tuple[SignerT, PurePosixPath]]) -> list[SigningNode]:
    """Returns the control plane nodes that have the key of the cluster CA, each with its folder."""
    return [SigningNode(shell, pki) for shell, pki in shells if shell.is_true(has_ca_key(pki))]


def renew_late_kubelet(work: Work, signers: Sequence[SigningNode]) -> None:
    """Renews a late kubelet's client certificate, and points its kubeconfig at the certificate file where planned.

    The kubelet's own control plane node signs if it has the CA key. Otherwise the first node with the key signs.
    """
    if work.node.kubelet and not _is_new(work):
        work.check()
        signer = next((one for one in signers if one.shell.name == work.name), signers[0])
        with work.part("client certificate of its kubelet"):
            _sign(work, signer)
            _await_kubelet(work)
        log_about(work.name).info("the client certificate of its kubelet is signed by %s", signer.shell.name)
    if work.node.points:
        point_late_kubelet(work)


def point_late_kubelet(work: Work) -> None:
    """Writes the name of the certificate file into the kubelet's kubeconfig.

    The kubelet renews that file. Nothing renews a certificate inside the kubeconfig.

    Raises:
        Refused: if the kubeconfig is not the planned one.
    """
    node = work.reach.look()
    config = node.kubelet_kubeconfig
    if config is None or not (config.names_file or config.pointed):
        raise Refused(f"{work.name}: its kubelet's kubeconfig is another one than planned", hint="run it again")
    work.copies = (config.path,)
    if config.names_file:
        return  # an earlier attempt has done it
    work.check()
    with work.part("kubeconfig of its kubelet"):
        work.reach.run(point_kubelet(config.path, node.kubelet.pki), stdin=config.pointed.encode())
        _await_kubelet(work)
        what = "its kubelet's kubeconfig to name the file of its certificate"
        wait_for(lambda: _refuse_unpointed(work), work.limits.users, what=what, about=work.name)
    log_about(work.name).info("%s names the file of its kubelet's certificate", config.path)


def _is_new(work: Work) -> bool:
    """Checks whether an earlier attempt has already signed the certificate."""
    one = work.reach.look().named(KUBELET_CLIENT)
    left = one.left(datetime.now(UTC)) if one else None
    return left is not None and left > timedelta(hours=work.node.kubelet_hours) * NEW_ENOUGH


def _sign(work: Work, signer: SigningNode) -> None:
    hours, own = work.node.kubelet_hours, work.reach.look().kubelet.pki
    ca, key = (str(signer.pki / name) for name in ("ca.crt", "ca.key"))
    renew_kubelet(work.reach, signer.shell, signer.pki.parent, hours, ca=ca, key=key, kubelet_pki=own)


def _await_kubelet(work: Work) -> None:
    wait_for(lambda: _refuse_dead(work), work.limits.users, what="its kubelet to run", about=work.name)


def _refuse_unpointed(work: Work) -> None:
    config = work.reach.look().kubelet_kubeconfig
    if config is None or not config.names_file:
        raise NotYet(f"{work.name}: its kubelet's kubeconfig still has a certificate in it")


def _refuse_dead(work: Work) -> None:
    if not work.reach.look().process(KUBELET):
        raise NotYet(f"{work.name}: its kubelet does not run", hint="check `journalctl -u kubelet`")
