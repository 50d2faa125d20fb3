"""Provides the scripts that request, sign and install a kubelet's client certificate. No key leaves its node."""

from pathlib import PurePosixPath

from tasks.core.models.kubeadm import KUBELET_PKI
from tasks.core.shell import script


def ask_for_kubelet(name: str, pki: str = KUBELET_PKI) -> str:
    """Returns the script that prints a request for the client certificate of this node's kubelet.

    It uses the kubelet's key, or makes a new one.
    """
    return script(__file__, "ask_for_kubelet", name=name, kubelet_pki=pki)


def sign_for_kubelet(ca: PurePosixPath, key: PurePosixPath, name: str, hours: int) -> str:
    """Returns the script that signs the request on a control plane node and prints the certificate.

    The request comes on standard input and must be for this very node name.
    """
    return script(__file__, "sign_for_kubelet", ca=ca, key=key, name=name, hours=hours)


def install_for_kubelet(pki: str = KUBELET_PKI) -> str:
    """Returns the script that installs the certificate as the kubelet does it, and restarts the kubelet.

    The certificate comes on standard input.
    """
    return script(__file__, "install_for_kubelet", kubelet_pki=pki)


def point_kubelet(kubeconfig: str, pki: str = KUBELET_PKI) -> str:
    """Returns the script that replaces the kubelet's kubeconfig and restarts the kubelet.

    The kubeconfig comes on standard input. It names the file of its certificate.
    """
    return script(__file__, "point_kubelet", kubeconfig=kubeconfig, kubelet_pki=pki)
