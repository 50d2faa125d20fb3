"""A kubelet's own client certificate: the one signer of it, for every runbook that needs one."""

from pathlib import PurePosixPath
from typing import Protocol

from tasks.certificates.scripts import ask_for_kubelet, install_for_kubelet, sign_for_kubelet


class Shell(Protocol):
    """Root's shell on one node: a `NodeShell`, or one that tries again where the connection was lost. Each script may be run again."""

    @property
    def name(self) -> str:
        """The node's."""

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """What a script prints."""


def renew_kubelet(node: Shell, signer: Shell, folder: PurePosixPath, hours: int) -> None:
    """Has the CA of another node sign the client certificate of this node's kubelet again, and restarts that kubelet.

    Its key stays on the node, and so does the CA's on its own: a request goes there, a certificate comes back. Does not wait for
    the kubelet.

    Args:
        node: of the kubelet
        signer: a control plane node that has the CA and its key
        folder: kubeadm's
        hours: that the certificate is valid for
    """
    request = node.run(ask_for_kubelet(node.name)).encode()
    certificate = signer.run(sign_for_kubelet(folder, node.name, hours), stdin=request).encode()
    node.run(install_for_kubelet(), stdin=certificate)
