"""The API server of a node is asked whether it is ready: a real one with TLS, as kubeadm's certificates have it."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.control_plane.probes.readyz import ask_readyz


class Answers(BaseHTTPRequestHandler):
    """One that tells only clients with a name."""

    def do_GET(self) -> None:
        """401, as with `--anonymous-auth=false`."""
        named = isinstance(self.connection, ssl.SSLSocket) and self.connection.getpeercert()
        self.send_response((200 if named else 401) if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def port(kubeadms_files: Path) -> Iterator[int]:
    """Where it listens."""
    pki = kubeadms_files / "pki"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.crt"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def asked(kubernetes: Path, port: int) -> str:
    """On a node with this folder."""
    (kubernetes / "manifests").mkdir(exist_ok=True)
    manifest = f"spec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --secure-port={port}\n"
    (kubernetes / "manifests" / "kube-apiserver.yaml").write_text(manifest)
    text = ask_readyz().replace("/etc/kubernetes", str(kubernetes))
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False).stdout


def test_one_that_tells_nobody_without_a_name_is_asked_as_its_own_client(
    tmp_path: Path, kubeadms_files: Path, port: int
) -> None:
    """Without that client's certificate it is as it was told."""
    (tmp_path / "pki").symlink_to(kubeadms_files / "pki")
    assert asked(tmp_path, port) == "200\n"
    (tmp_path / "pki").unlink()
    assert asked(tmp_path, port) == "000\n"


def test_one_that_does_not_run_is_not_ready(tmp_path: Path) -> None:
    """And the script says so."""
    assert asked(tmp_path, 1) == "000\n"
