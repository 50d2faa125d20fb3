"""What the ClusterIPs say to a node: asked by a real shell of real servers, and read."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tasks.node_work.models.health import NodeDns, Services
from tasks.node_work.probes.service_path import ask_service_path, what_service_path_lacks
from tests.servers.pki import Authority
from tests.servers.processes import free_port

OLD = Services(kubernetes=("10.96.0.1",), dns=("10.96.0.10",))
SIX = Services(kubernetes=("fd00::1",), dns=("fd00::a",))
BOTH = Services(kubernetes=("10.96.0.1", "fd00::1"), dns=("10.96.0.10", "fd00::a"))
NONE = Services(kubernetes=("10.96.0.1",))
DNS = NodeDns(domain="k8s.example")
CACHE = NodeDns(domain="k8s.example", servers=("169.254.20.10",))
NAME = "kubernetes.default.svc.k8s.example"
A, AAAA = "123485000001000100000000" + "0a6b75", "123685000001000100000000" + "0a6b75"


def answered(*lines: str) -> bytes:
    """What a node printed."""
    return "\n".join(lines).encode()


def test_a_service_path_on_which_all_answer_lacks_nothing() -> None:
    """By IPv4, by IPv6, by both, and by a cache on the node."""
    old = ("api 10.96.0.1 200", f"dns 10.96.0.10 1234 {A}")
    assert what_service_path_lacks(answered(*old), OLD, DNS) == {}
    assert what_service_path_lacks(answered("api fd00::1 200", f"dns fd00::a 1236 {AAAA}"), SIX, DNS) == {}
    more = ("api fd00::1 200", f"dns 10.96.0.10 1236 {AAAA}", f"dns fd00::a 1234 {A}", f"dns fd00::a 1236 {AAAA}")
    assert what_service_path_lacks(answered(*old, *more), BOTH, DNS) == {}
    cache = ("api 10.96.0.1 200", f"dns 169.254.20.10 1234 {A}")
    assert what_service_path_lacks(answered(*cache), NONE, CACHE) == {}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "no answer"),
        ("1234", "no answer"),
        ("no hex", "no answer"),
        (AAAA, "an answer to another question"),
        (A.replace("8500", "8503"), "it answers NXDOMAIN"),
        (A.replace("8500", "850b"), "it answers code 11"),
        (A.replace("00010001", "00010000"), "it has no A record"),
    ],
)
def test_a_name_that_is_not_resolved_is_told_with_the_answer(answer: str, told: str) -> None:
    """With the address that was asked, and the cluster's own domain."""
    stdout = answered("api 10.96.0.1 200", f"dns 10.96.0.10 1234 {answer}")
    problem = f"the Service `kube-dns` (10.96.0.10) does not resolve {NAME}: {told}"
    assert what_service_path_lacks(stdout, OLD, DNS) == {"kube-dns": problem}


def test_each_address_is_a_proof_of_its_own() -> None:
    """One of two families that fails is told alone: afterwards the other one may not."""
    stdout = answered("api 10.96.0.1 200", "api fd00::1 000", f"dns 10.96.0.10 1234 {A}", f"dns 10.96.0.10 1236 {AAAA}")
    assert what_service_path_lacks(stdout, BOTH, DNS) == {
        "kubernetes at fd00::1": "the Service `kubernetes` (fd00::1) answers 000",
        "kube-dns at fd00::a": f"the Service `kube-dns` (fd00::a) does not resolve {NAME}: no answer; no answer",
    }
    assert list(what_service_path_lacks(b"", OLD, DNS)) == ["kubernetes", "kube-dns"]


def test_a_dns_that_only_the_kubelet_knows() -> None:
    """A cache on the node, or a server that is not the cluster's: what it answers is told. None at all is a fact, too."""
    stdout = answered("api 10.96.0.1 200", f"dns 169.254.20.10 1234 {A.replace('8500', '8503')}")
    assert what_service_path_lacks(stdout, NONE, CACHE) == {
        "clusterDNS at 169.254.20.10": f"the clusterDNS of its kubelet (169.254.20.10) does not resolve {NAME}: it answers NXDOMAIN"
    }
    (told,) = what_service_path_lacks(stdout, NONE, DNS).values()
    assert told.startswith("no address of the cluster's DNS is known")


class ReadyApi(BaseHTTPRequestHandler):
    """An API server that is ready, and says nothing else."""

    def do_GET(self) -> None:
        """Of /readyz."""
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nowhere."""


class ReadyServer(HTTPServer):
    """By either family."""

    def __init__(self, ip: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        super().__init__((ip, 0), ReadyApi)


@pytest.fixture(params=["127.0.0.1", "::1"])
def ip(request: pytest.FixtureRequest) -> str:
    """Of loopback, by IPv4 or IPv6."""
    return str(request.param)


@pytest.fixture
def api(tmp_path: Path, ip: str) -> Iterator[int]:
    """The port of one, whose certificate nobody here knows."""
    keys = Authority(tmp_path).issue("kubernetes", ips=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.certificate, keys.key)
    with ReadyServer(ip) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def dns(ip: str) -> Iterator[tuple[int, list[bytes]]]:
    """The port of a name server that has an address for every question, and the datagrams that came."""
    came: list[bytes] = []
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((ip, 0))

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
        with socket.socket(family, socket.SOCK_DGRAM) as end:
            end.sendto(b"", (ip, port))
        thread.join()


def run(script: str) -> bytes:
    """As on a node."""
    return subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout


def test_both_are_asked_as_a_pod_asks_them(ip: str, api: int, dns: tuple[int, list[bytes]]) -> None:
    """One datagram with one question, whatever line ends are in it; any certificate will do. An A record for IPv4, else AAAA."""
    port, came = dns
    services = Services(kubernetes=(ip,), port=api, dns=(ip,))
    stdout = run(ask_service_path(services, DNS, dns_port=port))
    assert what_service_path_lacks(stdout, services, DNS) == {}
    labels = b"".join(bytes([len(one)]) + one for one in (b"kubernetes", b"default", b"svc", b"k8s", b"example"))
    number, kind = (b"\x12\x36", b"\x1c") if ":" in ip else (b"\x12\x34", b"\x01")
    assert came == [number + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00" + kind + b"\x00\x01"]


def test_where_nothing_answers_the_script_says_so(ip: str) -> None:
    """It ends well: what is wrong is for the parser to say."""
    port = free_port()
    services = Services(kubernetes=(ip,), port=port, dns=(ip,))
    stdout = run(ask_service_path(services, DNS, dns_port=port))
    assert [line.split()[:3] for line in stdout.splitlines()] == [
        [b"api", ip.encode(), b"000"],
        [b"dns", ip.encode(), b"1236" if ":" in ip else b"1234"],
    ]
    assert list(what_service_path_lacks(stdout, services, DNS)) == ["kubernetes", "kube-dns"]


def test_no_proxy_is_on_the_way(api: int, ip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's shell may have one, pods have none."""
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{free_port()}")
    assert run(ask_service_path(Services(kubernetes=(ip,), port=api), DNS)) == f"api {ip} 200\n".encode()
