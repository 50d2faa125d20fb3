"""The servers that other tests stand on do what they promise, faults included."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.servers.binaries import ROOT
from tests.servers.etcd import EtcdCluster
from tests.servers.pki import Authority
from tests.servers.processes import Process, free_port, wait_until
from tests.servers.proxies import S3Proxy, TcpProxy, TlsProxy
from tests.servers.seaweedfs import Identity, S3Server

pytestmark = pytest.mark.xdist_group("servers")  # one xdist process starts them once


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Three members."""
    with EtcdCluster(tmp_path_factory.mktemp("etcd"), ("m1", "m2", "m3")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """With an empty bucket `smoke`."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        server.create_bucket("smoke")
        yield server


@pytest.fixture
def s3_proxy(store: S3Server) -> Iterator[S3Proxy]:
    """In front of the store, without rules."""
    with S3Proxy(store.endpoint) as proxy:
        yield proxy


def test_etcd_cluster_answers_through_etcdctl(etcd: EtcdCluster) -> None:
    """What is written through one member is read through another."""
    etcd.etcdctl("put", "/smoke", "yes", member=etcd["m1"])
    assert etcd.etcdctl("get", "/smoke", "--print-value-only", member=etcd["m3"]) == "yes\n"
    assert len(etcd.etcdctl("member", "list").splitlines()) == 3


def test_etcd_refuses_strangers(etcd: EtcdCluster, tmp_path: Path) -> None:
    """A certificate of another authority does not let in, and etcdctl's words are in the error."""
    stranger = Authority(tmp_path, "other").issue("client")
    arguments = (f"--cert={stranger.certificate}", f"--key={stranger.key}", "--command-timeout=1s")
    with pytest.raises(RuntimeError, match="get failed with 1"):
        etcd.etcdctl("get", "/smoke", *arguments)


def test_etcd_member_freezes_dies_and_returns(etcd: EtcdCluster) -> None:
    """The cluster goes on without one of three, which is healthy again after each fault."""
    member = etcd["m2"]
    member.freeze()
    assert not member.healthy
    member.thaw()
    member.wait_healthy()
    member.kill()
    etcd.etcdctl("put", "/smoke-without", "one", member=etcd["m1"])
    member.start()
    assert etcd.etcdctl("get", "/smoke-without", "--print-value-only", member=member) == "one\n"


def test_etcd_is_filled_and_churned(etcd: EtcdCluster) -> None:
    """Seeding writes as many keys as it says; the churn writes and compacts."""
    etcd.seed(500, 1000, prefix="/registry/smoke")
    answer = etcd.etcdctl("get", "/registry/smoke/", "--prefix", "--count-only", "--write-out=fields")
    assert '"Count" : 500\n' in answer
    with etcd.churn() as churn:
        churn.wait_for(1)
    assert churn.written.compactions > 0


def test_store_keeps_objects_and_checks_who_asks(store: S3Server) -> None:
    """A round trip; a wrong secret and the reader's write are refused."""
    store.client().put_object(Bucket="smoke", Key="round", Body=b"trip")
    assert store.client(store.reader).get_object(Bucket="smoke", Key="round")["Body"].read() == b"trip"
    for client in (store.client(Identity(store.access_key, "wrong")), store.client(store.reader)):
        with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|AccessDenied"):
            client.put_object(Bucket="smoke", Key="refused", Body=b"")


def test_s3_proxy_answers_an_error_exactly_so_often(store: S3Server, s3_proxy: S3Proxy) -> None:
    """After two errors the requests reach the server again; all are on record."""
    client = store.client(endpoint=s3_proxy.endpoint)
    rule = s3_proxy.on(method="PUT", path="^/smoke/busy$", times=2).answer(503, "SlowDown")
    for _ in range(2):
        with pytest.raises(ClientError, match="SlowDown"):
            client.put_object(Bucket="smoke", Key="busy", Body=b"x" * 200_000)
    client.put_object(Bucket="smoke", Key="busy", Body=b"x")
    assert rule.hits == 2
    assert len(s3_proxy.seen(method="PUT", path="busy")) == 3


def test_s3_proxy_loses_answers_and_spoils_bodies(store: S3Server, s3_proxy: S3Proxy) -> None:
    """A lost answer hides a write that happened; a flipped bit arrives as one."""
    client = store.client(endpoint=s3_proxy.endpoint)
    s3_proxy.on(method="PUT", path="lost").lose_response()
    with pytest.raises(BotoCoreError, match="closed before we received"):
        client.put_object(Bucket="smoke", Key="lost", Body=b"kept")
    s3_proxy.on(method="GET", path="lost", times=1).flip_bit_in_response(1)
    spoilt, whole = (client.get_object(Bucket="smoke", Key="lost", Range="bytes=0-3")["Body"].read() for _ in "12")
    assert (spoilt, whole) == (b"kdpt", b"kept")


def test_tcp_proxy_freezes_and_cuts(etcd: EtcdCluster, tmp_path: Path) -> None:
    """A frozen connection times out, a thawed one works; a cut stream is an error in the middle of it."""
    etcd.seed(2000, 1000, prefix="/registry/stream")
    with TcpProxy("127.0.0.1", etcd["m1"].port) as proxy:
        endpoint = f"--endpoints=https://127.0.0.1:{proxy.port}"
        proxy.freeze()
        with pytest.raises(RuntimeError, match="deadline exceeded"):
            etcd.etcdctl("get", "/smoke", endpoint, "--command-timeout=1s")
        proxy.thaw()
        etcd.etcdctl("get", "/smoke", endpoint)
        proxy.cut_after(500_000)
        with pytest.raises(
            RuntimeError, match="error reading from server: .*(connection reset by peer|unexpected EOF)"
        ):
            etcd.etcdctl("snapshot", "save", str(tmp_path / "cut.db"), endpoint)


def test_tls_proxy_flips_one_bit(etcd: EtcdCluster) -> None:
    """The byte after the marker differs by one bit, once."""
    etcd.etcdctl("put", "/flip", "marker-A")
    with TlsProxy("127.0.0.1", etcd["m1"].port, server=etcd.server, client=etcd.client, ca=etcd.ca) as proxy:
        endpoint = f"--endpoints=https://127.0.0.1:{proxy.port}"
        proxy.flip(b"marker-")
        spoilt, whole = (etcd.etcdctl("get", "/flip", "--print-value-only", endpoint) for _ in "12")
    assert (spoilt, whole) == ("marker-@\n", "marker-A\n")
    assert proxy.flipped


ORPHAN = """
import sys, time
from pathlib import Path
from tests.servers.processes import Process
child = Process(["sh", "-c", "setsid sleep 321 & echo $!; exec sleep 321"], folder=Path(sys.argv[1]), name="child")
child.start()
while not child.output.endswith("\\n"):
    time.sleep(0.01)
print(child.pid, child.output.strip(), flush=True)
time.sleep(321)
"""


def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    """Child and grandchild end, though the grandchild has made a session of its own."""
    command = [sys.executable, "-c", ORPHAN, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(_runs(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(_runs(pid) for pid in pids), 30, "no child is left")


def test_a_process_that_ends_early_says_why(tmp_path: Path) -> None:
    """The error has what was waited for and what the process printed."""
    command = ["sh", "-c", "echo no such disk; exit 3"]
    with (
        Process(command, folder=tmp_path) as process,
        pytest.raises(RuntimeError, match=r"(?s)ended with 3.*no such disk"),
    ):
        process.wait_until(lambda: False, 5, "it serves")


def test_ports_are_given_out_once() -> None:
    """Also to processes of another test run."""
    program = "from tests.servers.processes import free_port; print(*(free_port() for _ in range(50)))"
    others = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert len(others.split()) == 50


def _runs(pid: int) -> bool:
    """A zombie does not: whoever is to reap it may be slow."""
    with suppress(OSError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
