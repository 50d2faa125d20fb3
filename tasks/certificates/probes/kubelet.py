"""Where `cert_rotation` finds what is in `tasks.certificates.scripts` and in `tasks/core/lib.sh`, until it asks there itself."""

from pathlib import PurePosixPath

from tasks.core.models.kubeadm import KUBELET_PKI
from tasks.core.shell import ROOT, script

LIKE = script(str(ROOT / "tasks/core/shell.py"), "lib")
"""Its functions `like` and `believe`, for a script that is no file yet."""

_SCRIPTS = str(ROOT / "tasks/certificates/scripts/__init__.py")


def ask_for_kubelet(name: str) -> str:
    """As `tasks.certificates.scripts.ask_for_kubelet`."""
    return script(_SCRIPTS, "ask_for_kubelet", name=name, kubelet_pki=KUBELET_PKI)


def sign_for_kubelet(folder: PurePosixPath, name: str, hours: int) -> str:
    """As `tasks.certificates.scripts.sign_for_kubelet`."""
    return script(_SCRIPTS, "sign_for_kubelet", folder=folder, name=name, hours=hours)


def install_for_kubelet() -> str:
    """As `tasks.certificates.scripts.install_for_kubelet`."""
    return script(_SCRIPTS, "install_for_kubelet", kubelet_pki=KUBELET_PKI)
