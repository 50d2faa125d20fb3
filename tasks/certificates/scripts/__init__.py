"""Acts on a node: its kubelet's own client certificate is asked for, signed and put in place. No key leaves its node."""

from pathlib import PurePosixPath

from tasks.core.models.kubeadm import KUBELET_PKI
from tasks.core.shell import script


def ask_for_kubelet(name: str) -> str:
    """Prints a request for the client certificate of this node's kubelet, by the key that it has."""
    return script(__file__, "ask_for_kubelet", name=name, kubelet_pki=KUBELET_PKI)


def sign_for_kubelet(folder: PurePosixPath, name: str, hours: int) -> str:
    """On a control plane node; its standard input: the request, which has to be for that very node. Prints the certificate."""
    return script(__file__, "sign_for_kubelet", folder=folder, name=name, hours=hours)


def install_for_kubelet() -> str:
    """Its standard input: the certificate. It is put in place as kubelet does it, and kubelet is restarted."""
    return script(__file__, "install_for_kubelet", kubelet_pki=KUBELET_PKI)
