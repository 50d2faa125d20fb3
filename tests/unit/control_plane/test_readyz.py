"""The API server of a node is asked whether it is ready: a real one with TLS, as kubeadm's certificates have it."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.control_plane.probes.readyz import ask_readyz
from tasks.core.errors import NotYet
from tasks.core.models.shape import Address
from tests.facts.shapes import shape_of


class Answers(BaseHTTPRequestHandler):
    """One that tells only clients with a name."""

    def do_GET(self) -> None:
        """401, as with `--anonymous-auth=false`."""
        named = isinstance(self.connection, ssl.SSLSocket) and self.connection.getpeercert()
        self.send_response((200 if named else 401) if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server6(ThreadingHTTPServer):
    """By IPv6."""

    address_family = socket.AF_INET6


SERVERS: dict[str, type[ThreadingHTTPServer]] = {"127.0.0.1": ThreadingHTTPServer, "::1": Server6}


@pytest.fixture(params=SERVERS)
def at(request: pytest.FixtureRequest, kubeadms_files: Path) -> Iterator[Address]:
    """Where it listens: `--bind-address` and `--secure-port` are the cluster's own."""
    pki = kubeadms_files / "pki"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki / "ca.crt"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    with SERVERS[request.param]((request.param, 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Address(host=request.param, port=server.server_address[1])
        server.shutdown()
        thread.join()


def asked(at: Address, pki: Path | None = None) -> str:
    """On a node whose manifest says where it listens, and which client it is itself."""
    flags = f"    - --bind-address={at.host}\n    - --secure-port={at.port}\n"
    if pki:
        flags += f"    - --kubelet-client-certificate={pki}/apiserver-kubelet-client.crt\n"
        flags += f"    - --kubelet-client-key={pki}/apiserver-kubelet-client.key\n"
    manifest = f"spec:\n  containers:\n  - command:\n    - kube-apiserver\n{flags}"
    script = ask_readyz(shape_of(pods={"kube-apiserver": manifest}))
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False).stdout


def test_one_that_tells_nobody_without_a_name_is_asked_as_its_own_client(kubeadms_files: Path, at: Address) -> None:
    """Wherever it listens; without that client's certificate it is as it was told."""
    assert asked(at, kubeadms_files / "pki") == "200\n"
    assert asked(at, kubeadms_files / "elsewhere") == "000\n"
    assert asked(at) == "401\n"


def test_one_that_does_not_run_is_not_ready() -> None:
    """And the script says so."""
    assert asked(Address(host="127.0.0.1", port=1)) == "000\n"


def test_one_whose_address_is_not_known_is_not_taken_for_one_that_does_not_answer() -> None:
    """With what of its manifest is not understood."""
    with pytest.raises(NotYet, match="cp1: where its API server listens is not known: .*--secure-port=x is no port"):
        ask_readyz(
            shape_of(pods={"kube-apiserver": "spec: {containers: [{command: [kube-apiserver, --secure-port=x]}]}"})
        )
    with pytest.raises(NotYet, match="it has no manifest of kube-apiserver"):
        ask_readyz(shape_of(pods={}))
