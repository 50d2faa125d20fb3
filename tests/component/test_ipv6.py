"""Every client reaches its server by an IPv6 address."""

import asyncio
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.clients.etcd import Credentials, EtcdClient
from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.clients.objectstore import ObjectStore, StoreKeys, try_out
from tasks.clients.prometheus import ask_prometheus
from tasks.clients.ssh import SshNode, SshTarget
from tasks.core.models.profile import EtcdEndpoint, Store
from tests.servers.etcd import EtcdCluster
from tests.servers.pki import Authority
from tests.servers.seaweedfs import S3Server
from tests.servers.sshd import Sshd

A_MINUTE = timedelta(minutes=1)


@pytest.fixture
def six() -> Iterator[Callable[[int], int]]:
    """Makes a port of ::1 that leads to one of 127.0.0.1."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(2**16):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def listen(port: int) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

        server = await asyncio.start_server(serve, "::1", 0)
        number: int = server.sockets[0].getsockname()[1]
        return number

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    yield lambda port: asyncio.run_coroutine_threadsafe(listen(port), loop).result(10)
    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_a_node_and_what_listens_there(tmp_path: Path, s3: S3Server) -> None:
    """SSH, its known_hosts, and a tunnel to ::1 as the node sees it."""
    with Sshd(tmp_path / "sshd", address="::1") as sshd:
        assert sshd.known_hosts.read_text().startswith(f"[::1]:{sshd.port} ")
        values = {"name": "cp1", "address": "::1", "port": sshd.port, "user": sshd.user, "key": sshd.key_text}
        target = SshTarget.model_validate({**values, "known_hosts": sshd.known_hosts, "sudo": False})
        assert target.login == f"{sshd.user}@[::1]:{sshd.port}"
        with SshNode(target) as node, SshNode(target, gateway=node) as behind:
            assert behind.run("echo here", timeout=A_MINUTE).stdout == b"here\n"
            with node.tunnel("::1", sshd.port) as path, socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(str(path))
                assert client.recv(4) == b"SSH-"
    del s3


def test_a_member_of_etcd(etcd1: EtcdCluster, six: Callable[[int], int]) -> None:
    """Its certificate is checked for the address."""
    endpoint = EtcdEndpoint(url=f"https://[::1]:{six(etcd1.members[0].port)}")
    pair = etcd1.client
    credentials = Credentials(etcd1.ca.read_bytes(), pair.certificate.read_bytes(), pair.key.read_bytes())
    with EtcdClient(endpoint.url.removeprefix("https://"), credentials, member="m1") as client:
        assert client.status()[2].healthy


def test_a_store(s3: S3Server, six: Callable[[int], int]) -> None:
    """With the bucket in the path, for an address has no subdomains."""
    bucket = s3.create_bucket("six")
    store = ObjectStore(Store(bucket=bucket, endpoint=f"http://[::1]:{six(s3.port)}"), StoreKeys(*s3.admin))
    store.check()
    try_out(store, "prod/trials")
    assert store.url("x", A_MINUTE).startswith("http://[::1]:")


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_an_api_server_and_prometheus(
    tmp_path: Path, six: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS, by a certificate for the address."""
    authority = Authority(tmp_path / "pki")
    pair = authority.server("here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://[::1]:{six(server.server_port)}"
        client = KubeClient(
            [KubeServer("here", lambda: nullcontext(url))], lambda: KubeUser(authority.ca.read_bytes(), token="x")
        )
        assert client.get("/version")["status"] == "success"
        client.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        assert ask_prometheus(f"{url}/prometheus/", "up") == {}
        server.shutdown()
