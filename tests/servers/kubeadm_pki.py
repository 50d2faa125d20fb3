"""What the real kubeadm makes of a configuration: certificates, keys and kubeconfigs, in folders of a test."""

import base64
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml
from cryptography import x509

from tests.servers.binaries import kubernetes_binaries

API = "kubeadm.k8s.io/v1beta4"


class KubeadmPki:
    """`/etc/kubernetes` of one node, below a folder of the test's own."""

    def __init__(self, folder: Path, node: str = "cp1", address: str = "192.0.2.11", **cluster: object) -> None:
        """`cluster` has fields of kubeadm's ClusterConfiguration."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._configuration = folder / "kubeadm.yaml"
        first = {
            "apiVersion": API,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": address, "bindPort": 6443},
            "nodeRegistration": {"name": node},
        }
        second = {
            "apiVersion": API,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": "v1.36.3",
            "certificatesDir": str(folder / "pki"),
            **cluster,
        }
        self._configuration.write_text(yaml.safe_dump_all([first, second]))

    def make_all(self) -> None:
        """As `kubeadm init` does at its beginning; what is there stays."""
        self.run("init", "phase", "certs", "all")
        self.run("init", "phase", "kubeconfig", "all", "--kubeconfig-dir", str(self.folder))

    def run(self, *words: str) -> str:
        """kubeadm with this configuration; its output."""
        command: list[str | Path] = [kubernetes_binaries() / "kubeadm", *words, "--config", self._configuration]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def certificate(self, path: str) -> x509.Certificate:
        """Of a file below the folder; the first one, or the client's of a kubeconfig."""
        return x509.load_pem_x509_certificates(certificate_text(self.folder / path))[0]


def certificate_text(file: Path) -> bytes:
    """PEM; a kubeconfig has it inside."""
    if file.suffix != ".conf":
        return file.read_bytes()
    return base64.b64decode(user_of(file)["client-certificate-data"])


def user_of(file: Path) -> Mapping[str, str]:
    """The only user of a kubeconfig."""
    [user] = yaml.safe_load(file.read_text())["users"]
    found: Mapping[str, str] = user["user"]
    return found
