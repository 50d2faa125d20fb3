"""Real etcd clusters on loopback with mTLS, as kubeadm sets them up, with means to make them fail."""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPSConnection
from pathlib import Path
from typing import Self

from tests.servers import etcd_load
from tests.servers.binaries import ETCD_VERSION, ROOT, etcd_binaries
from tests.servers.etcd_load import Access, Written
from tests.servers.pki import LOOPBACK, Authority
from tests.servers.processes import Process, free_port, wait_until

START_LIMIT = 150.0
"""Seconds until a cluster has to be healthy; one second is usual."""

TEST_TIMES = ("--heartbeat-interval=100", "--election-timeout=1000")
"""etcd's defaults: shorter ones bring elections on a busy machine of two cores."""


class EtcdMember:
    """One member: its process, its folder and its addresses, which it keeps over restarts."""

    def __init__(self, cluster: "EtcdCluster", name: str, label: str) -> None:
        """`label` names its folder: names of members need not be unique."""
        self.name = name
        self.label = label
        self.port = free_port()
        self.peer_port = free_port()
        self.data_dir = cluster.folder / label
        self._cluster = cluster
        self.process: Process | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"https://{self._cluster.host_in_url}:{self.port}"

    @property
    def peer_url(self) -> str:
        """Where the other members find it."""
        return f"https://{self._cluster.host_in_url}:{self.peer_port}"

    @property
    def target(self) -> str:
        """Host and port, as gRPC names a server."""
        return f"{self._cluster.host_in_url}:{self.port}"

    @property
    def running(self) -> Process:
        """Its process, once it was launched."""
        assert self.process is not None, f"{self.label} was never started"
        return self.process

    def launch(self, initial_cluster: str, state: str) -> None:
        """The first start, which tells it who else is there; does not wait."""
        command: list[str | Path] = [self._cluster.binaries / "etcd", *self._flags(initial_cluster, state)]
        self.process = Process(command, folder=self._cluster.folder, name=self.label)
        self.process.start()

    def start(self) -> None:
        """Start again on the same data, and wait until it answers; without quorum it does not."""
        self.running.start()
        self.wait_healthy()

    def stop(self) -> None:
        """End it in an orderly way."""
        self.running.stop()

    def kill(self) -> None:
        """SIGKILL: a crash."""
        self.running.kill()

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        self.running.freeze()

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self.running.thaw()

    def wait_healthy(self) -> None:
        """Wait until it serves a linearizable read, that is, until it sees a leader and a quorum."""
        self.running.wait_until(lambda: self.healthy, START_LIMIT, f"etcd {self.label} is healthy")

    @property
    def healthy(self) -> bool:
        """Does it serve a linearizable read?"""
        return self._is_fine("/health")

    @property
    def serving(self) -> bool:
        """Does it answer at all, as a learner or a member without quorum does?"""
        return self._is_fine("/livez")

    def _is_fine(self, path: str) -> bool:
        connection = HTTPSConnection(self._cluster.host, self.port, context=self._cluster.tls, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _flags(self, initial_cluster: str, state: str) -> Iterator[str]:
        pair = self._cluster.server
        yield f"--name={self.name}"
        yield f"--data-dir={self.data_dir}"
        for kind, url in (("client", self.url), ("peer", self.peer_url)):
            yield f"--listen-{kind}-urls={url}"
        yield f"--advertise-client-urls={self.url}"
        yield f"--initial-advertise-peer-urls={self.peer_url}"
        yield f"--initial-cluster={initial_cluster}"
        yield f"--initial-cluster-state={state}"
        for prefix in ("", "peer-"):
            yield f"--{prefix}cert-file={pair.certificate}"
            yield f"--{prefix}key-file={pair.key}"
            yield f"--{prefix}trusted-ca-file={self._cluster.ca}"
            yield f"--{prefix}client-cert-auth"
        yield from TEST_TIMES
        yield from self._cluster.flags


class EtcdCluster:
    """A context manager: every member is healthy when the block begins, and all are gone when it ends."""

    def __init__(  # noqa: PLR0913 - a test says what it needs, by name
        self,
        folder: Path,
        members: Sequence[str] = ("m1",),
        *,
        version: str = ETCD_VERSION,
        flags: Sequence[str] = (),
        fsync: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        """`flags` are more flags of the server, for example `--quota-backend-bytes=16777216`; `host` is all that it listens at."""
        self.host = host
        self.host_in_url = f"[{host}]" if ":" in host else host
        self.folder = folder
        self.version = version
        self.flags = [*flags, *([] if fsync else ["--unsafe-no-fsync"])]
        self.binaries = etcd_binaries(version)
        self.authority = Authority(folder / "pki", "etcd-ca")
        self.ca = self.authority.ca
        self.server = self.authority.issue("server", dns=("localhost",), ips=dict.fromkeys((*LOOPBACK, host)))
        self.client = self.authority.issue("client", server=False)
        self.members = [EtcdMember(self, name, name) for name in members]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def __getitem__(self, label: str) -> EtcdMember:
        return next(member for member in self.members if member.label == label)

    @property
    def tls(self) -> ssl.SSLContext:
        """For an HTTPS client of this cluster in the standard library."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(self.client.certificate, self.client.key)
        return context

    @property
    def endpoints(self) -> str:
        """Every member's address, as etcdctl takes them."""
        return ",".join(member.url for member in self.members)

    def start(self) -> None:
        """Start all members at once, as a new cluster has to, and wait until all are healthy."""
        initial = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        for member in self.members:
            member.launch(initial, "new")
        for member in self.members:
            member.wait_healthy()

    def kill(self) -> None:
        """SIGKILL for all members."""
        for member in self.members:
            if member.process:
                member.process.kill()

    def restart(self) -> None:
        """Kill all members and start them at once on their data."""
        self.kill()
        for member in self.members:
            member.running.start()
        for member in self.members:
            member.wait_healthy()

    def add_member(self, name: str, *, learner: bool = False) -> EtcdMember:
        """Announce a member and start it; the name may be taken. Often 7 s: etcd repeats a lost message that late."""
        taken = sum(member.name == name for member in self.members)
        new = EtcdMember(self, name, f"{name}-{taken + 1}" if taken else name)
        flags = ["--learner"] if learner else []
        self.etcdctl("member", "add", name, f"--peer-urls={new.peer_url}", *flags)
        # In this list of a joining member the others may have any name: so two of them can have the same.
        others = [f"other{number}={member.peer_url}" for number, member in enumerate(self.members)]
        self.members.append(new)
        new.launch(",".join([*others, f"{name}={new.peer_url}"]), "existing")
        what = f"etcd {new.label} has joined"
        new.running.wait_until(lambda: new.serving if learner else new.healthy, START_LIMIT, what)
        return new

    def etcdctl(self, *arguments: str, member: EtcdMember | None = None, limit: float = 30.0) -> str:
        """What etcdctl prints, asked of that member or else of all; RuntimeError with its standard error.

        `--endpoints=…`, `--cacert=…`, `--cert=…` and `--key=…` among the arguments replace the cluster's own.
        """
        own = {
            "endpoints": member.url if member else self.endpoints,
            "cacert": str(self.ca),
            "cert": str(self.client.certificate),
            "key": str(self.client.key),
        }
        given = {argument.partition("=")[0] for argument in arguments}
        flags = [f"--{name}={value}" for name, value in own.items() if f"--{name}" not in given]
        return _run([self.binaries / "etcdctl", *arguments, *flags], limit)

    def etcdutl(self, *arguments: str, limit: float = 60.0) -> str:
        """What etcdutl of the same version prints; RuntimeError with its standard error."""
        return _run([self.binaries / "etcdutl", *arguments], limit)

    def put(self, key: str, value: str) -> int:
        """Write one key; the revision it was written in."""
        return int(json.loads(self.etcdctl("put", key, value, "--write-out=json"))["header"]["revision"])

    def seed(self, keys: int, value_size: int = 3000, *, ratio: float = 4.0, prefix: str = etcd_load.PREFIX) -> Written:
        """Write that many Kubernetes-like keys, whose values compress by about `ratio` (1 is incompressible)."""
        return etcd_load.seed(self._access(self.members[0]), keys, value_size, ratio, prefix)

    @contextmanager
    def churn(self, value_size: int = 2000, *, member: EtcdMember | None = None) -> "Iterator[Churn]":
        """Writes and compacts at full speed, from a process of its own, until the block ends."""
        access = self._access(member or self.members[0])
        counts = self.folder / f"churn-{free_port()}.json"
        command = [sys.executable, "-m", "tests.servers.etcd_load", access.to_json(), str(value_size), str(counts)]
        with Process(command, folder=self.folder, name=counts.stem, cwd=ROOT) as process:
            process.wait_until(counts.exists, START_LIMIT, "the churn writes")
            yield Churn(process, counts)

    def _access(self, member: EtcdMember) -> Access:
        return Access(member.target, str(self.ca), str(self.client.certificate), str(self.client.key))


class Churn:
    """What the background writer has done so far; the numbers lag by some ten milliseconds."""

    def __init__(self, process: Process, counts: Path) -> None:
        self.process = process
        self._counts = counts

    @property
    def written(self) -> Written:
        """Keys and bytes written so far, and the last revision."""
        return Written(**json.loads(self._counts.read_text()))

    def wait_for(self, more_keys: int, limit: float = 30.0) -> None:
        """Wait until it has written that many more keys than now."""
        goal = self.written.keys + more_keys
        wait_until(lambda: self.written.keys >= goal, limit, f"{more_keys} more keys", log=self.process.log)


def _run(command: Sequence[str | Path], limit: float) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCDCTL_")}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=limit, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{command[1]} failed with {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")  # values are any bytes
