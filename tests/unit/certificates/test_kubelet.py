"""The client certificate of a kubelet, signed again: on two nodes of our own (folders and a shell), by a CA that kubeadm has made."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from cryptography import x509

from tasks.certificates.kubelet import renew_kubelet
from tasks.certificates.scripts import install_for_kubelet, sign_for_kubelet
from tasks.clients.ssh import NodeShell
from tasks.core.errors import CommandFailed
from tasks.core.models.kubeadm import KUBELET_PKI
from tests.facts.folder_node import FolderNode

FOLDER = PurePosixPath("/etc/kubernetes")
CURRENT = f"{KUBELET_PKI}/kubelet-client-current.pem"
SYSTEMCTL = 'systemctl() { echo "$*" >> CALLS; }\n'


class Prod:
    """A control plane node with the CA, and a worker with its kubelet's key."""

    def __init__(self, folder: Path, kubeadms_files: Path) -> None:
        shutil.copytree(kubeadms_files, folder / "cp1/kubernetes")
        (folder / "w1/pki").mkdir(parents=True)
        self.calls = folder / "calls"
        self.signer = FolderNode("cp1", {"/etc/kubernetes": folder / "cp1/kubernetes"})
        before = SYSTEMCTL.replace("CALLS", str(self.calls))
        self.worker = FolderNode("w1", {KUBELET_PKI: folder / "w1/pki"}, before)
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "-", "-days", "1"]
        made = subprocess.run([*words, "-subj", "/O=system:nodes/CN=system:node:w1"], capture_output=True, check=True)
        self.worker.here(CURRENT).write_bytes(made.stdout)

    def renew(self) -> None:
        """For two days."""
        renew_kubelet(NodeShell(self.worker), NodeShell(self.signer), FOLDER, 48)


@pytest.fixture
def prod(tmp_path: Path, kubeadms_files: Path) -> Prod:
    """The cluster."""
    return Prod(tmp_path, kubeadms_files)


def key_in(text: bytes) -> bytes:
    """The private key of a PEM file."""
    return text[text.index(b"-----BEGIN PRIVATE KEY") : text.index(b"-----END PRIVATE KEY")]


def test_it_is_signed_by_the_ca_for_the_key_that_is_there(prod: Prod) -> None:
    """The kubelet's own way: another file, and the link to it; then kubelet is restarted."""
    before = prod.worker.read_file(CURRENT)
    prod.renew()
    found = prod.worker.read_file(CURRENT)
    assert key_in(found) == key_in(before)
    certificate, old = (x509.load_pem_x509_certificate(text) for text in (found, before))
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(prod.signer.read_file("/etc/kubernetes/pki/ca.crt"))
    )
    assert certificate.public_key() == old.public_key()
    assert certificate.subject.rfc4514_string() == "CN=system:node:w1,O=system:nodes"
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(hours=47) < left < timedelta(hours=49)
    assert prod.worker.here(CURRENT).is_symlink()
    assert prod.calls.read_text() == "reset-failed kubelet\nrestart kubelet\n"


def test_an_attempt_that_died_before_the_link_was_in_place_is_run_again(prod: Prod) -> None:
    """It has left the link under its other name."""
    prod.worker.here(f"{CURRENT}.new").symlink_to("/nowhere")
    before = prod.worker.read_file(CURRENT)
    prod.renew()
    found = prod.worker.read_file(CURRENT)
    assert key_in(found) == key_in(before)
    assert found != before
    assert not prod.worker.here(f"{CURRENT}.new").is_symlink()


def test_neither_key_leaves_its_node(prod: Prod) -> None:
    """Not in a command, and not in what is printed."""
    keys = (key_in(prod.worker.read_file(CURRENT)), prod.signer.read_file("/etc/kubernetes/pki/ca.key"))
    prod.renew()
    told = "".join((*prod.signer.said, *prod.worker.said))
    for key in keys:
        assert key.decode().splitlines()[1] not in told


def test_a_request_for_another_node_is_not_signed(prod: Prod) -> None:
    """Whoever sends it."""
    request = prod.worker.run(f"openssl req -new -key {CURRENT} -subj /O=system:nodes/CN=system:node:w2").stdout
    script = sign_for_kubelet(FOLDER / "pki/ca.crt", FOLDER / "pki/ca.key", "w1", 48)
    with pytest.raises(CommandFailed, match="not asked for by w1: subject=CN=system:node:w2,O=system:nodes"):
        prod.signer.run(script, stdin=request)


def test_what_openssl_does_not_sign_is_told_with_its_words(prod: Prod) -> None:
    """And the kubelet keeps what it has."""
    before = prod.worker.read_file(CURRENT)
    shutil.copy(prod.signer.here("/etc/kubernetes/pki/etcd/ca.key"), prod.signer.here("/etc/kubernetes/pki/ca.key"))
    with pytest.raises(CommandFailed, match="CA certificate and CA private key do not match"):
        prod.renew()
    assert prod.worker.read_file(CURRENT) == before
    assert not prod.calls.exists()


def test_a_certificate_for_another_key_is_not_installed(prod: Prod) -> None:
    """A kubelet with it could not say that it is itself."""
    before = prod.worker.read_file(CURRENT)
    with pytest.raises(CommandFailed, match="it is not for the key of this node"):
        prod.worker.run(install_for_kubelet(), stdin=prod.signer.read_file("/etc/kubernetes/pki/ca.crt"))
    assert prod.worker.read_file(CURRENT) == before
    assert [file.name for file in prod.worker.here(KUBELET_PKI).iterdir()] == [PurePosixPath(CURRENT).name]
    assert not prod.calls.exists()
