"""What the ClusterIPs say to a node: asked by a real shell of real servers, and read."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tasks.node_work.probes.service_path import ask_service_path, what_service_path_lacks
from tests.servers.pki import Authority
from tests.servers.processes import free_port

ANSWER = "12 34 85 00 00 01 00 01 00 00 00 00 0a 6b 75"


@pytest.mark.parametrize(
    ("stdout", "told"),
    [
        (f"api 200\ndns  {ANSWER}\n", ""),
        (f"api 000\ndns  {ANSWER}\n", "the Service `kubernetes` answers 000"),
        (f"dns  {ANSWER}\n", "the Service `kubernetes` answers nothing"),
        ("api 200\ndns \n", "the Service `kube-dns` does not resolve kubernetes.default.svc.cluster.local"),
        (f"api 200\ndns {ANSWER.replace('85 00', '85 03')}\n", "the Service `kube-dns` does not resolve"),
        (f"api 200\ndns {ANSWER.replace('00 01 00 01', '00 01 00 00')}\n", "the Service `kube-dns` does not resolve"),
    ],
)
def test_the_service_path_lacks_what_does_not_answer(stdout: str, told: str) -> None:
    """A DNS answer with an error or without a record is none."""
    said = "; ".join(what_service_path_lacks(stdout.encode(), dns=True).values())
    assert said.startswith(told)
    assert bool(said) == bool(told)
    assert what_service_path_lacks(b"api 200\n", dns=False) == {}
    assert list(what_service_path_lacks(b"", dns=True)) == ["kubernetes", "kube-dns"]


class ReadyApi(BaseHTTPRequestHandler):
    """An API server that is ready, and says nothing else."""

    def do_GET(self) -> None:
        """Of /readyz."""
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nowhere."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[int]:
    """The port of one, whose certificate nobody here knows."""
    keys = Authority(tmp_path).issue("kubernetes", ips=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.certificate, keys.key)
    with HTTPServer(("127.0.0.1", 0), ReadyApi) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def dns() -> Iterator[tuple[int, list[bytes]]]:
    """The port of a name server that has an address for every question, and the datagrams that came."""
    came: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while datagram := server.recvfrom(512):
                question, asker = datagram
                if not question:
                    return
                came.append(question)
                record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\x0a\x60\x00\x01"
                server.sendto(
                    question[:2] + b"\x85\x00\x00\x01\x00\x01\x00\x00\x00\x00" + question[12:] + record, asker
                )

        thread = threading.Thread(target=answer)
        thread.start()
        port: int = server.getsockname()[1]
        yield port, came
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", port))
        thread.join()


def run(script: str) -> bytes:
    """As on a node."""
    return subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout


def test_both_are_asked_as_a_pod_asks_them(api: int, dns: tuple[int, list[bytes]]) -> None:
    """One datagram with one question, whatever line ends are in it; any certificate will do."""
    port, came = dns
    stdout = run(ask_service_path("127.0.0.1", api, "127.0.0.1", dns_port=port))
    assert what_service_path_lacks(stdout, dns=True) == {}
    labels = b"".join(bytes([len(one)]) + one for one in (b"kubernetes", b"default", b"svc", b"cluster", b"local"))
    assert came == [b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00\x01\x00\x01"]


def test_where_nothing_answers_the_script_says_so() -> None:
    """It ends well: what is wrong is for the parser to say."""
    port = free_port()
    stdout = run(ask_service_path("127.0.0.1", port, "127.0.0.1", dns_port=port))
    assert stdout.splitlines() == [b"api 000", b"dns "]
    assert list(what_service_path_lacks(stdout, dns=True)) == ["kubernetes", "kube-dns"]


def test_a_cluster_without_dns_is_not_asked_for_it(api: int) -> None:
    """It may have another one, that is not ours to know."""
    assert run(ask_service_path("127.0.0.1", api, "")) == b"api 200\n"
