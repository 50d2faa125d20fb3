"""Renews a kubelet's client certificate, in one place for every runbook that needs it."""

from pathlib import PurePosixPath
from typing import Protocol

from tasks.certificates.scripts import ask_for_kubelet, install_for_kubelet, sign_for_kubelet
from tasks.core.models.kubeadm import KUBELET_PKI


class Shell(Protocol):
    """Describes the root shell of one node.

    This is a `NodeShell`, or a shell that tries again after the connection was lost. Each script may run more than once.
    """

    @property
    def name(self) -> str:
        """Returns the name of the node."""

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """Runs a script and returns what it prints."""


def renew_kubelet(  # noqa: PLR0913 - who, by whom, and where both have their files
    node: Shell,
    signer: Shell,
    folder: PurePosixPath,
    hours: int,
    *,
    ca: str = "",
    key: str = "",
    kubelet_pki: str = KUBELET_PKI,
) -> None:
    """Has the CA of another node sign a new client certificate for this node's kubelet, and restarts that kubelet.

    Both keys stay on their nodes. A request goes to the signer, and a certificate comes back.
    This function does not wait for the kubelet.

    Args:
        node: the node of the kubelet
        signer: a control plane node that has the CA and its key
        folder: kubeadm's folder, where the signer has the CA and its key by default
        hours: how long the certificate is valid
        ca: the file of the CA on the signer
        key: the file of the CA's key on the signer
        kubelet_pki: the kubelet's own folder on the node
    """
    own, its_key = PurePosixPath(ca or folder / "pki/ca.crt"), PurePosixPath(key or folder / "pki/ca.key")
    request = node.run(ask_for_kubelet(node.name, kubelet_pki)).encode()
    certificate = signer.run(sign_for_kubelet(own, its_key, node.name, hours), stdin=request).encode()
    node.run(install_for_kubelet(kubelet_pki), stdin=certificate)
