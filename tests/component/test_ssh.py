"""The SSH client against a real sshd; faults are injected into sshd, nothing is mocked."""

import base64
import hashlib
import hmac
import logging
import os
import pickle
import shlex
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Self

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from paramiko.common import cMSG_CHANNEL_CLOSE, cMSG_CHANNEL_EOF

from tasks.clients.ssh import Output, SshLimits, SshNode, SshTarget, login
from tasks.core.errors import CommandFailed, NotYet, Refused
from tests.servers.processes import free_port
from tests.servers.proxies import TcpProxy
from tests.servers.sshd import Sshd

QUICK = SshLimits(
    keepalive_interval=timedelta(seconds=0.5),
    keepalive_limit=timedelta(seconds=2),
    kill_after=timedelta(seconds=0.2),
    grace=timedelta(seconds=2),
)
"""So that a silent peer is given up after two seconds; connecting may take its time on a busy machine."""

IMPATIENT = SshLimits(connect=timedelta(seconds=0.5))
"""For a host that accepts connections and says nothing."""

LONG = timedelta(minutes=5)
"""For a command. What has a limit of its own ends long before, also on a busy machine: `soon`."""

PEM = serialization.Encoding.PEM
OPENSSH = serialization.PrivateFormat.OpenSSH
PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL
PKCS8 = serialization.PrivateFormat.PKCS8


def target(sshd: Sshd, name: str = "cp1", **changes: object) -> SshTarget:
    """How to log in to that sshd; it runs as the tests' own user."""
    values = {
        "name": name,
        "address": "127.0.0.1",
        "port": sshd.port,
        "user": sshd.user,
        "key": sshd.key_text,
        "known_hosts": sshd.known_hosts,
        "sudo": False,
    }
    return SshTarget.model_validate(values | changes)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A node, shared by the tests that leave it as it is."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A bastion in front of it, shared likewise."""
    with Sshd(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A node whose sshd has unusual settings."""
    environment = "SetEnv PATH=/nowhere LANG=xx_XX SECRET=1 BASH_ENV=/nowhere ENV=/nowhere SHLVL=0"
    with Sshd(tmp_path_factory.mktemp("strict"), environment, "MaxSessions 1", "AllowTcpForwarding no") as running:
        yield running


@pytest.fixture(scope="class")
def node(sshd: Sshd) -> Iterator[SshNode]:
    """A connection to the node, shared by the tests of a class that leave it open."""
    with SshNode(target(sshd)) as opened:
        yield opened


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Sshd]:
    """A node for a test that breaks it."""
    with Sshd(tmp_path / "victim") as running:
        yield running


@pytest.fixture
def hasty(victim: Sshd) -> Iterator[SshNode]:
    """A connection to the victim that gives up soon."""
    with SshNode(target(victim), limits=QUICK) as opened:
        yield opened


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """To do one thing while another waits."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        yield pool


def wait_until(true: Callable[[], bool], seconds: float = 150) -> None:
    """Fail unless it becomes true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@contextmanager
def soon() -> Iterator[None]:
    """Fail if the block has waited for a command's own time limit."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LONG.total_seconds() / 2


class TestHostKeys:
    """Whom we talk to is checked before anything is sent, on the node and on the gateway."""

    def test_an_unknown_key_is_refused(self, sshd: Sshd, tmp_path: Path) -> None:
        """The refusal names node, address, fingerprint as ssh-keygen prints it, and what to do."""
        known_hosts = written(tmp_path, "")
        with pytest.raises(Refused) as caught:
            SshNode(target(sshd, known_hosts=known_hosts)).connect()
        problem, hint = caught.value.problem, caught.value.hint
        assert problem.startswith(f"cp1: {known_hosts} has no key for [127.0.0.1]:{sshd.port}")
        assert f"ssh-ed25519 {fingerprint(sshd.host_key)}" in problem
        assert f"ssh-keyscan -p {sshd.port} 127.0.0.1" in hint

    def test_a_changed_key_is_refused(self, sshd: Sshd, gateway: Sshd, tmp_path: Path) -> None:
        """The refusal has the expected and the offered fingerprint, and the command that forgets the old key."""
        known_hosts = written(tmp_path, f"[127.0.0.1]:{sshd.port} {gateway.host_key}\n")
        with pytest.raises(Refused) as caught:
            SshNode(target(sshd, known_hosts=known_hosts)).connect()
        expected, offered = fingerprint(gateway.host_key), fingerprint(sshd.host_key)
        assert f"has ssh-ed25519 {expected} (line 1), it offers ssh-ed25519 {offered}" in caught.value.problem
        assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}' -f {known_hosts}" in caught.value.hint

    @pytest.mark.parametrize("fault", ["unknown", "changed"])
    def test_a_gateway_is_checked_as_well(self, sshd: Sshd, gateway: Sshd, fault: str, tmp_path: Path) -> None:
        """A gateway with an unknown or a changed key is refused by its name, and the node is never reached."""
        line = "" if fault == "unknown" else f"[127.0.0.1]:{gateway.port} {sshd.host_key}\n"
        bastion = target(gateway, "bastion", known_hosts=written(tmp_path, line))
        logins = logins_of(sshd, gateway)
        with (
            pytest.raises(Refused, match=r"^bastion: .* offers ssh-ed25519 SHA256:"),
            through(bastion, target(sshd)) as node,
        ):
            node.connect()
        assert logins_of(sshd, gateway) == logins

    def test_the_node_is_checked_behind_a_gateway(self, sshd: Sshd, gateway: Sshd, tmp_path: Path) -> None:
        """A trusted gateway does not make the node behind it trusted."""
        stranger = target(sshd, known_hosts=written(tmp_path, ""))
        with (
            pytest.raises(Refused, match=r"^cp1: .* has no key") as caught,
            through(target(gateway, "bastion"), stranger) as node,
        ):
            node.connect()
        assert "on bastion: ssh-keyscan" in caught.value.hint

    def test_a_missing_file_is_refused(self, sshd: Sshd) -> None:
        """Without a known_hosts file nothing is trusted, and its path is named."""
        with pytest.raises(Refused, match="known_hosts file /nowhere/known_hosts cannot be read: No such file"):
            SshNode(target(sshd, known_hosts="/nowhere/known_hosts")).connect()

    def test_an_old_and_a_new_key_are_both_trusted(self, sshd: Sshd, gateway: Sshd, tmp_path: Path) -> None:
        """As between two steps of a change of keys, in either order; `ssh` connects, too."""
        known = [f"[127.0.0.1]:{sshd.port} {server.host_key}\n" for server in (gateway, sshd)]
        for text in ("".join(known), "".join(reversed(known))):
            with SshNode(target(sshd, known_hosts=written(tmp_path, text))) as node:
                assert node.run("echo here", timeout=LONG).stdout == b"here\n"

    @pytest.mark.parametrize("names", ["*", "[127.0.0.?]:*", "127.0.0.1", "127.*,!127.0.0.2"])
    def test_a_pattern_trusts_as_in_ssh(self, sshd: Sshd, names: str, tmp_path: Path) -> None:
        """Wildcards, and an address without a port."""
        with SshNode(target(sshd, known_hosts=written(tmp_path, f"{names} {sshd.host_key}\n"))) as node:
            node.connect()

    def test_a_hashed_name_is_known(self, sshd: Sshd, tmp_path: Path) -> None:
        """As `HashKnownHosts yes` writes it."""
        salt = os.urandom(20)
        digest = hmac.digest(salt, f"[127.0.0.1]:{sshd.port}".encode(), "sha1")
        name = "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))
        with SshNode(target(sshd, known_hosts=written(tmp_path, f"{name} {sshd.host_key}\n"))) as node:
            node.connect()

    def test_the_kind_of_key_that_is_known_is_asked_for(self, tmp_path: Path) -> None:
        """A host with keys of three kinds shows the one that the file has, RSA with SHA-2."""
        lines, options = [], []
        for kind, key in (
            ("rsa", rsa.generate_private_key(65537, 2048)),
            ("ecdsa", ec.generate_private_key(ec.SECP256R1())),
        ):
            path = tmp_path / kind
            path.touch(mode=0o600)
            path.write_bytes(key.private_bytes(PEM, OPENSSH, serialization.NoEncryption()))
            options.append(f"HostKey {path}")
            public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            lines.append(f"127.0.0.1 {public.decode()}\n")
        with Sshd(tmp_path / "sshd", *options) as many:
            for line in lines:
                with SshNode(target(many, known_hosts=written(tmp_path, line))) as node:
                    node.connect()

    def test_a_revoked_key_is_refused_by_its_line(self, sshd: Sshd, gateway: Sshd, tmp_path: Path) -> None:
        """Also where another line trusts it; a line that revokes another key, or another host's, is in nobody's way."""
        known = f"@revoked * {gateway.host_key}\n@revoked cp9 {sshd.host_key}\n{sshd.known_hosts.read_text()}"
        with SshNode(target(sshd, known_hosts=written(tmp_path, known))) as node:
            node.connect()
        known_hosts = written(tmp_path, f"{known}@revoked 127.0.0.* {sshd.host_key}\n")
        with pytest.raises(Refused, match=f"{known_hosts} line 4 revokes the key that .* offers, ssh-ed25519 SHA256:"):
            SshNode(target(sshd, known_hosts=known_hosts)).connect()

    def test_a_ca_is_no_key(self, sshd: Sshd, tmp_path: Path) -> None:
        """It is named as what does not count here; beside the host's key it is in nobody's way."""
        authority = f"@cert-authority * {sshd.host_key}\n"
        with pytest.raises(
            Refused, match="@cert-authority of line 1 does not count: certificates of hosts are not supported"
        ):
            SshNode(target(sshd, known_hosts=written(tmp_path, authority))).connect()
        with SshNode(target(sshd, known_hosts=written(tmp_path, authority + sshd.known_hosts.read_text()))) as node:
            node.connect()

    def test_a_line_that_cannot_be_read_is_named(self, sshd: Sshd, tmp_path: Path) -> None:
        """One of this host refuses; one of others is told where no line has the host."""
        known = sshd.known_hosts.read_text()
        with SshNode(target(sshd, known_hosts=written(tmp_path, f"# x\ncp9 ssh-ed25519 AAAA\n{known}"))) as node:
            node.connect()
        with pytest.raises(Refused, match=r"has a line for \[127.0.0.1\]:\d+ that cannot be read: line 2"):
            SshNode(target(sshd, known_hosts=written(tmp_path, f"{known}{known.strip()[:-9]}\n"))).connect()
        with pytest.raises(Refused, match="has no key for .*; what cannot be read there: line 1"):
            SshNode(target(sshd, known_hosts=written(tmp_path, "cp9\n"))).connect()


def written(folder: Path, known_hosts: str) -> Path:
    """A known_hosts file of the test's own."""
    path = folder / "known_hosts"
    path.write_text(known_hosts)
    return path


def logins_of(*servers: Sshd) -> int:
    """How many logins they have accepted so far."""
    return sum(server.log.count("Accepted publickey") for server in servers)


def fingerprint(public: str) -> str:
    """What `ssh-keygen -l` says of a public key; the machine may have no OpenSSH."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


@contextmanager
def through(gateway: SshTarget, far: SshTarget, limits: SshLimits | None = None) -> Iterator[SshNode]:
    """A connection by way of the gateway."""
    with SshNode(gateway, limits=limits) as bastion, SshNode(far, gateway=bastion, limits=limits) as node:
        yield node


class TestLogin:
    """Who we are: only the key that was given."""

    def test_a_key_that_is_not_authorized_is_refused(self, sshd: Sshd, gateway: Sshd) -> None:
        """The refusal names user, address and the key's fingerprint."""
        stranger = SshNode(target(sshd, key=gateway.key_text))
        with pytest.raises(Refused, match=f"^cp1: {sshd.user}@127.0.0.1:{sshd.port} does not accept the key SHA256:"):
            stranger.connect()

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "is not a private key"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "is not a private key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "is not a private key"),
        ],
    )
    def test_a_text_that_is_no_key_is_refused(self, sshd: Sshd, text: str, problem: str) -> None:
        """The refusal does not repeat the text, which may be a secret in the wrong place."""
        with pytest.raises(Refused, match=problem) as caught:
            SshNode(target(sshd, key=text)).connect()
        assert "AAAA" not in repr(caught.value)

    @pytest.mark.parametrize("layout", [OPENSSH, PKCS1, PKCS8])
    def test_a_key_with_a_passphrase_is_refused(self, sshd: Sshd, layout: serialization.PrivateFormat) -> None:
        """Nobody is there to type it, in whichever format the key is."""
        locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            PEM, layout, serialization.BestAvailableEncryption(b"secret")
        )
        with pytest.raises(Refused, match="needs a passphrase"):
            SshNode(target(sshd, key=locked.decode())).connect()

    @pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
    def test_every_usual_format_of_a_key_works(self, sshd: Sshd, kind: str) -> None:
        """ECDSA and RSA keys log in from each file format, also with the line ends of Windows."""
        key = ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else rsa.generate_private_key(65537, 2048)
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        with (sshd.folder / "authorized_keys").open("ab") as authorized:
            authorized.write(public + b"\n")
        for layout in (OPENSSH, PKCS1, PKCS8):
            text = key.private_bytes(PEM, layout, serialization.NoEncryption()).decode().replace("\n", "\r\n")
            with SshNode(target(sshd, key=text)) as node:
                node.connect()

    def test_the_key_is_shown_nowhere(self, sshd: Sshd) -> None:
        """Neither the target's nor the node's representation has the private key."""
        values = target(sshd)
        assert sshd.key_text.splitlines()[1] not in f"{values!r} {values} {SshNode(values)!r}"


class TestUnreachable:
    """What may be different in a minute is NotYet, and comes within its limit."""

    def test_a_closed_port_is_not_yet(self, sshd: Sshd) -> None:
        """Nobody listens: node, address and seconds are named, and the error survives pickling."""
        port = free_port()
        expected = rf"^cp1: no connection to {sshd.user}@127.0.0.1:{port} after \d+\.\d s: Connection refused"
        with pytest.raises(NotYet, match=expected) as caught:
            SshNode(target(sshd, port=port)).connect()
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own

    def test_a_name_without_an_address_is_not_yet(self, sshd: Sshd) -> None:
        """Name resolution may work again later."""
        with pytest.raises(NotYet, match=r"no connection to .*@cp1.invalid"):
            SshNode(target(sshd, address="cp1.invalid")).connect()

    def test_a_peer_that_is_not_ssh_is_not_yet(self, sshd: Sshd) -> None:
        """A peer that closes without a word, as sshd does above MaxStartups."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=hang_up_on_the_first, args=[server]).start()
            with pytest.raises(NotYet, match="cp1: no connection"), soon():
                SshNode(target(sshd, port=server.getsockname()[1])).connect()

    def test_a_frozen_sshd_is_not_yet(self, victim: Sshd) -> None:
        """A host that accepts but never speaks is given up after the connect limit."""
        victim.freeze()
        with pytest.raises(NotYet, match=r"cp1: no connection .* after (0\.[5-9]|[1-4]\.\d) s"), soon():
            SshNode(target(victim), limits=IMPATIENT).connect()

    def test_a_frozen_node_behind_a_gateway_is_not_yet(self, victim: Sshd, gateway: Sshd) -> None:
        """The limits hold through a gateway, and the gateway stays usable."""
        victim.freeze()
        with SshNode(target(gateway, "bastion")) as bastion:
            bastion.connect()
            with pytest.raises(NotYet, match=r"^cp1: no connection"), soon():
                SshNode(target(victim), gateway=bastion, limits=IMPATIENT).connect()
            assert bastion.run("echo here", timeout=LONG).stdout == b"here\n"

    def test_a_gateway_without_a_way_is_not_yet(self, sshd: Sshd, gateway: Sshd) -> None:
        """A gateway that cannot reach the node is named first."""
        with (
            pytest.raises(NotYet, match=r"^bastion: does not forward to cp1 at 127.0.0.1"),
            through(target(gateway, "bastion"), target(sshd, port=free_port())) as node,
        ):
            node.connect()


def hang_up_on_the_first(server: socket.socket) -> None:
    """Accept one connection and close it."""
    server.accept()[0].close()


class TestRun:
    """A command's three streams, status and limits."""

    def test_streams_and_status(self, node: SshNode) -> None:
        """Stdout, stderr, stdin and status are kept apart."""
        output = node.run("cat; echo bad >&2; exit 3", stdin=b"good", timeout=LONG, check=False)
        assert (output.stdout, output.stderr, output.status) == (b"good", b"bad\n", 3)
        assert timedelta(0) < output.took < LONG

    def test_an_unexpected_status_says_what_the_command_said(self, node: SshNode) -> None:
        """The error has node, command, status and the last lines of stderr, but never stdin."""
        with pytest.raises(CommandFailed) as caught:
            node.run("seq 100 >&2; cat >/dev/null; exit 7", stdin=b"hunter2", timeout=LONG)
        message = str(caught.value)
        assert message.startswith("cp1: `seq 100 >&2; cat >/dev/null; exit 7` ended with status 7: 96\n")
        assert message.endswith("100")
        assert "hunter2" not in message

    def test_a_large_stdin_comes_back_whole(self, node: SshNode) -> None:
        """5 MB in and out at once do not block each other."""
        data = os.urandom(5_000_000)
        assert node.run("cat", stdin=data, timeout=LONG, output_limit=len(data)).stdout == data

    def test_a_command_need_not_read_its_stdin(self, node: SshNode) -> None:
        """Stdin that nobody reads neither blocks nor fails."""
        data = bytes(5_000_000)
        assert node.run("exit 0", stdin=data, timeout=LONG).status == 0
        assert node.run("exec <&-; sleep 0.3; echo end", stdin=data, timeout=LONG).stdout == b"end\n"

    def test_much_output_on_both_streams(self, node: SshNode) -> None:
        """20 MB on each stream at once arrive whole and in linear time."""
        write = "head -c 20000000 /dev/zero & head -c 20000000 /dev/zero >&2; wait"
        with soon():
            output = node.run(write, timeout=LONG, output_limit=40_000_000)
        assert (len(output.stdout), len(output.stderr)) == (20_000_000, 20_000_000)

    @pytest.mark.parametrize("where", ["", " >&2"])
    def test_output_above_the_limit_fails(self, node: SshNode, where: str) -> None:
        """An endless writer is stopped soon after the limit, and the connection is good for more."""
        with pytest.raises(CommandFailed, match="wrote more than 4194304 bytes"), soon():
            node.run(f"yes{where}", timeout=LONG)
        assert node.run("echo more", timeout=LONG).stdout == b"more\n"

    def test_awkward_words_arrive_as_they_are(self, node: SshNode) -> None:
        """Whatever the login shell would make of them, the command gets the words themselves."""
        for word in ("it's", 'a "b" $HOME `id` $(id)', "two\nlines", "back\\slash !! #", "naïve ☃", "-n"):
            assert node.run(f"printf %s {shlex.quote(word)}", timeout=LONG).stdout.decode() == word

    def test_the_environment_is_fixed(self, strict: Sshd) -> None:
        """Nothing that the login sets reaches the command, and a broken PATH of the login does not matter."""
        with SshNode(target(strict)) as node:
            lines = node.run("env", timeout=LONG).stdout.decode().splitlines()
        environment = dict(line.split("=", 1) for line in lines)
        assert environment.keys() <= {"PATH", "LC_ALL", "HOME", "USER", "LOGNAME", "PWD", "OLDPWD", "SHLVL", "_"}
        assert (environment["PATH"], environment["LC_ALL"]) == (login.PATH, "C")

    def test_a_time_limit_ends_the_remote_process(self, sshd: Sshd, node: SshNode) -> None:
        """After the limit the command and its children are gone from the node."""
        napping = f"sleep 61.{sshd.port}"
        with pytest.raises(CommandFailed, match=r"was stopped after its time limit of 0.3 s"), soon():
            node.run(f"{napping} & {napping}", timeout=timedelta(seconds=0.3))
        assert not running(napping)

    def test_a_process_that_ignores_term_is_killed(self, sshd: Sshd) -> None:
        """KILL follows when TERM did not help."""
        stubborn = f"trap '' TERM; sleep 62.{sshd.port}; sleep 62.{sshd.port}"
        with (
            SshNode(target(sshd), limits=QUICK) as node,
            pytest.raises(CommandFailed, match="was stopped"),
            soon(),
        ):
            node.run(stubborn, timeout=timedelta(seconds=0.3))
        wait_until(lambda: not running(f"sleep 62.{sshd.port}"))

    def test_a_status_of_124_is_the_command_s_own(self, node: SshNode) -> None:
        """The status that means a time-out is only one when the time was up."""
        assert node.run("exit 124", timeout=LONG, check=False).status == 124

    def test_a_signal_is_not_a_lost_connection(self, node: SshNode) -> None:
        """A command killed by a signal, as the OOM killer does, has the shell's status."""
        assert node.run("kill -9 $$", timeout=LONG, check=False).status == 137

    def test_a_killed_session_is_not_a_lost_connection(self, node: SshNode) -> None:
        """Whoever kills the login shell takes the status away, and the connection goes on."""
        line = "kill -9 $(ps -o pid= --sid $(ps -o sid= $$))"
        with pytest.raises(NotYet, match=r"^cp1: the session ended without a status, as if it was killed; outcome unk"):
            node.run(line, timeout=LONG)

    def test_a_process_left_behind_with_the_output_open(self, sshd: Sshd) -> None:
        """It keeps the streams from ending; the local limit ends the wait, and the command's status is known."""
        with SshNode(target(sshd), limits=QUICK) as node, soon():
            output = node.run("echo done; setsid sleep 40 &", timeout=timedelta(seconds=2))
        assert (output.stdout, output.status) == (b"done\n", 0)

    def test_commands_run_in_parallel(self, node: SshNode, background: ThreadPoolExecutor, tmp_path: Path) -> None:
        """Eight threads use one connection: no command ends before all have begun, and each gets its own output."""
        wait = f'until [ "$(ls {tmp_path} | wc -l)" = 8 ]; do sleep 0.05; done'
        answers = background.map(
            lambda n: node.run(f"touch {tmp_path}/{n}; {wait}; echo {n}", timeout=LONG).stdout, range(8)
        )
        assert [int(answer) for answer in answers] == list(range(8))

    def test_more_commands_than_sshd_allows(self, strict: Sshd, tmp_path: Path, background: ThreadPoolExecutor) -> None:
        """Beyond MaxSessions the refusal is NotYet and names the setting; the commands that run are not harmed."""
        begun, end = tmp_path / "begun", tmp_path / "end"
        with SshNode(target(strict)) as node:
            wait = f"touch {begun}; until [ -e {end} ]; do sleep 0.05; done"
            call = background.submit(node.run, wait, timeout=LONG)
            wait_until(begun.exists)
            with pytest.raises(NotYet) as caught:
                node.run("true", timeout=LONG)
            assert "MaxSessions" in caught.value.hint
            end.touch()
            assert call.result().status == 0

    def test_one_command_after_the_other_needs_one_session(self, strict: Sshd) -> None:
        """sshd may still count the last one, of which it has not seen the end: that is waited for."""
        with SshNode(target(strict)) as node:
            for number in range(60):
                assert node.run(f"echo {number}", timeout=LONG).stdout == f"{number}\n".encode()

    def test_a_command_with_a_zero_byte_is_a_mistake(self, node: SshNode) -> None:
        """It could not be passed on; so is a time limit of zero, which would mean none."""
        with pytest.raises(ValueError, match="zero"):
            node.run("a\0b", timeout=LONG)
        with pytest.raises(ValueError, match="zero"):
            node.run("true", timeout=timedelta(0))


def running(command_line: str) -> bool:
    """Whether a process has exactly that command line."""
    wanted = f"{command_line} ".replace(" ", "\0").encode()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            if process.read_bytes() == wanted:
                return True
    return False


class TestLoss:
    """A connection that ends or goes silent while a command runs."""

    def start(self, node: SshNode, background: ThreadPoolExecutor, folder: Path, seconds: int = 20) -> "Future[Output]":
        """A command of so many seconds, which has begun."""
        call = background.submit(node.run, f"touch {folder}/begun; sleep {seconds}", timeout=LONG)
        wait_until((folder / "begun").exists)
        return call

    def test_a_silent_peer(self, victim: Sshd, hasty: SshNode, background: ThreadPoolExecutor, tmp_path: Path) -> None:
        """The watchdog ends the wait within its limit, and says for how long there was no answer."""
        call = self.start(hasty, background, tmp_path)
        victim.freeze()
        with soon(), pytest.raises(NotYet, match=r"^cp1: no answer for 2 s; outcome unknown: touch"):
            call.result()

    def test_a_silent_peer_with_a_full_send_buffer(
        self, victim: Sshd, hasty: SshNode, background: ThreadPoolExecutor
    ) -> None:
        """Also when the connection is blocked by what we send."""
        call = background.submit(hasty.run, "cat >/dev/null", stdin=bytes(2**28), timeout=LONG)
        time.sleep(0.3)
        victim.freeze()
        with soon(), pytest.raises(NotYet, match="no answer for"):
            call.result()

    def test_a_cut(self, victim: Sshd, hasty: SshNode, background: ThreadPoolExecutor, tmp_path: Path) -> None:
        """The outcome is unknown, and the next command opens a new connection."""
        call = self.start(hasty, background, tmp_path)
        victim.cut()
        with soon(), pytest.raises(NotYet, match=r"^cp1: the connection was lost; outcome unknown: touch"):
            call.result()
        assert hasty.run("echo again", timeout=LONG).stdout == b"again\n"

    def test_a_last_word_after_the_end(
        self, hasty: SshNode, background: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A busy machine holds a thread up that is about to end a command's input, until the command itself has ended.

        sshd ends a whole connection for such a packet. Other commands go on, because it is not sent.
        """
        answered, send = threading.Event(), paramiko.Transport._send_user_message  # type: ignore[attr-defined]  # noqa: SLF001

        def noted(transport: paramiko.Transport, message: paramiko.Message) -> None:
            send(transport, message)
            if message.asbytes().startswith(cMSG_CHANNEL_CLOSE):
                answered.set()

        def held_up(channel: paramiko.Channel, how: int) -> None:
            assert how == 1
            with channel.lock:
                # paramiko's own lines, with a pause between them
                message = channel._send_eof()  # type: ignore[attr-defined]  # noqa: SLF001
            assert answered.wait(150), "the command's end was not answered"
            channel.transport._send_user_message(message)  # type: ignore[union-attr]  # noqa: SLF001

        begun, go = tmp_path / "begun", tmp_path / "go"
        other = f"touch {begun}; until [ -e {go} ]; do sleep 0.05; done; echo other"
        call = background.submit(hasty.run, other, timeout=LONG)
        wait_until(begun.exists)
        monkeypatch.setattr(paramiko.Transport, "_send_user_message", noted)
        monkeypatch.setattr(paramiko.Channel, "shutdown", held_up)
        assert hasty.run("echo quick", timeout=LONG).stdout == b"quick\n"
        go.touch()
        assert call.result().stdout == b"other\n"

    def test_sshd_says_why_it_ends_a_connection(
        self, hasty: SshNode, background: ThreadPoolExecutor, tmp_path: Path
    ) -> None:
        """Its words are in the error."""
        call = self.start(hasty, background, tmp_path)
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_EOF)
        message.add_int(99)
        hasty._transport()._send_user_message(message)  # type: ignore[attr-defined]  # noqa: SLF001 - a broken client
        with soon(), pytest.raises(NotYet, match=r"^cp1: sshd ended the connection: .*nonexistent channel 99; outcome"):
            call.result()

    def test_a_cut_between_two_commands(self, sshd: Sshd, tmp_path: Path) -> None:
        """Where the loss shows only as the next command opens its session, nothing was started: it is opened again, once."""
        with TcpProxy("127.0.0.1", sshd.port) as proxy:
            known = written(tmp_path, f"[127.0.0.1]:{proxy.port} {sshd.host_key}\n")
            with SshNode(target(sshd, port=proxy.port, known_hosts=known)) as node:
                assert node.run("echo one", timeout=LONG).stdout == b"one\n"
                proxy.cut_after(0)
                assert node.run("echo two", timeout=LONG).stdout == b"two\n"
                proxy.cut()
                proxy.refuse()
                with pytest.raises(NotYet, match="^cp1: "):
                    node.run("echo three", timeout=LONG)

    def test_a_silent_gateway(self, sshd: Sshd, victim: Sshd, background: ThreadPoolExecutor, tmp_path: Path) -> None:
        """Whichever watchdog barks first, the wait ends within the limit."""
        with through(target(victim, "bastion"), target(sshd), QUICK) as node:
            call = self.start(node, background, tmp_path)
            victim.freeze()
            with soon(), pytest.raises(NotYet, match=r"^cp1: .*no answer for .* outcome unknown"):
                call.result()

    def test_a_cut_gateway(self, sshd: Sshd, victim: Sshd, background: ThreadPoolExecutor, tmp_path: Path) -> None:
        """The error says that it was the gateway."""
        with through(target(victim, "bastion"), target(sshd), QUICK) as node:
            call = self.start(node, background, tmp_path)
            victim.cut()
            with soon(), pytest.raises(NotYet, match=r"^cp1: the gateway was lost .*outcome unknown"):
                call.result()

    def test_a_short_freeze_is_survived(
        self, victim: Sshd, hasty: SshNode, background: ThreadPoolExecutor, tmp_path: Path
    ) -> None:
        """A pause shorter than the limit harms nothing."""
        call = self.start(hasty, background, tmp_path, seconds=1)
        victim.freeze()
        time.sleep(0.3)
        victim.thaw()
        assert call.result().status == 0

    def test_a_quiet_command_is_not_a_silent_peer(self, sshd: Sshd) -> None:
        """A command that says nothing for longer than the limit is left alone."""
        with SshNode(target(sshd), limits=QUICK) as node:
            assert node.run("sleep 3", timeout=LONG).status == 0


@pytest.fixture
def without_rights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remote `sudo` and `cat` run as nobody if the tests run as root; a user has no rights anyway."""
    if os.geteuid() != 0:
        return
    for program in ("sudo", "cat"):
        wrapper = tmp_path / "bin" / program
        wrapper.parent.mkdir(exist_ok=True)
        as_nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
        wrapper.write_text(f'#!/bin/sh\nexec {as_nobody} {shutil.which(program)} "$@"\n')
        wrapper.chmod(0o755)
    monkeypatch.setattr(login, "PATH", f"{tmp_path}/bin:{login.PATH}")


class TestSudo:
    """Privileges are asked for by `sudo -n`, which never waits for a password."""

    @pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed")
    @pytest.mark.usefixtures("without_rights")
    def test_no_right_is_refused(self, sshd: Sshd) -> None:
        """The refusal quotes sudo and has the line to add, also when the caller checks the status himself."""
        with SshNode(target(sshd, sudo=True)) as node, pytest.raises(Refused) as caught:
            node.run("id", timeout=LONG, sudo=True, check=False)
        assert caught.value.problem.startswith(f"cp1: {sshd.user} may not use sudo without a password: sudo: ")
        assert f"{sshd.user} ALL=(root) NOPASSWD: ALL" in caught.value.hint

    def test_no_sudo_is_refused(self, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A node without sudo is told apart from a command that is not there."""
        (tmp_path / "base64").symlink_to(shutil.which("base64") or "")
        monkeypatch.setattr(login, "PATH", str(tmp_path))
        with SshNode(target(sshd, sudo=True)) as node, pytest.raises(Refused, match="cp1: has no sudo"):
            node.run("id", timeout=LONG, sudo=True)

    @pytest.mark.skipif(os.geteuid() != 0 or shutil.which("sudo") is None, reason="needs root and sudo")
    def test_sudo_runs_as_root(self, sshd: Sshd) -> None:
        """The whole command is privileged, gets its stdin, and is stopped like any other."""
        with SshNode(target(sshd, sudo=True)) as node:
            output = node.run("cat; id -u; echo $SUDO_USER", stdin=b"in\n", timeout=LONG, sudo=True)
            assert output.stdout == b"in\n0\n\n"
            with pytest.raises(CommandFailed, match="was stopped after its time limit"):
                node.run(f"sleep 63.{sshd.port}", timeout=timedelta(seconds=0.3), sudo=True)
            assert not running(f"sleep 63.{sshd.port}")

    def test_root_needs_no_sudo(self, node: SshNode) -> None:
        """Where the profile says `sudo: false` the command runs as it is."""
        assert node.run("id -u", timeout=LONG, sudo=True).stdout == f"{os.getuid()}\n".encode()


class TestReadFile:
    """A file on the node."""

    def test_content(self, node: SshNode, tmp_path: Path) -> None:
        """The bytes as they are, from a path with an awkward name."""
        path = tmp_path / "-it's a file"
        path.write_bytes(bytes(range(256)))
        assert node.read_file(str(path)) == bytes(range(256))

    def test_a_missing_file_is_refused(self, node: SshNode) -> None:
        """Node and path are named."""
        with pytest.raises(Refused, match=r"^cp1: cannot read /nowhere: /nowhere: No such file or directory"):
            node.read_file("/nowhere")

    @pytest.mark.usefixtures("without_rights")
    def test_a_forbidden_file_is_refused(self, node: SshNode, tmp_path: Path) -> None:
        """The hint is to use sudo."""
        path = tmp_path / "secret"
        path.touch(mode=0)
        with pytest.raises(Refused, match="Permission denied") as caught:
            node.read_file(str(path))
        assert "sudo" in caught.value.hint


class EchoServer:
    """A TCP server on loopback that sends everything back; each connection has its thread."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=[peer], daemon=True).start()

    @staticmethod
    def _echo(peer: socket.socket) -> None:
        with peer:
            while data := peer.recv(2**18):
                peer.sendall(data)


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    """What the tunnels lead to."""
    with EchoServer() as server:
        yield server


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """A connection into the tunnel."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        yield client


def round_trip(path: Path, megabytes: int) -> None:
    """Send that much, end the sending half, and expect exactly that back, until the end."""
    piece = os.urandom(2**20)
    expected = hashlib.sha256(piece * megabytes).digest()
    with connected(path) as client:

        def send() -> None:
            for _ in range(megabytes):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = hashlib.sha256()
        while data := client.recv(2**18):
            received.update(data)
        sender.join()
    assert received.digest() == expected


def expect_the_end(client: socket.socket) -> None:
    """Read until the connection ends, which it has to do within the socket's limit."""
    with suppress(ConnectionError):
        while client.recv(2**18):
            pass


class TestTunnel:
    """A unix socket on this side, a TCP connection from the node on the other."""

    def test_it_carries_both_ways_unharmed(self, node: SshNode, echo: EchoServer) -> None:
        """32 MB, eight windows, go out and come back, with the end of each half passed on."""
        with node.tunnel("127.0.0.1", echo.port) as path:
            round_trip(path, 32)

    def test_two_connections_at_once(self, node: SshNode, echo: EchoServer, background: ThreadPoolExecutor) -> None:
        """One tunnel carries several connections, and commands besides."""
        with node.tunnel("127.0.0.1", echo.port) as path:
            trips = [background.submit(round_trip, path, 8) for _ in range(2)]
            assert node.run("echo besides", timeout=LONG).stdout == b"besides\n"
            for trip in trips:
                trip.result()

    def test_it_works_through_a_gateway(self, sshd: Sshd, gateway: Sshd, echo: EchoServer) -> None:
        """SSH within SSH carries as much, and a command works there too."""
        with (
            through(target(gateway, "bastion"), target(sshd)) as node,
            node.tunnel("127.0.0.1", echo.port) as path,
        ):
            round_trip(path, 16)
            assert node.run("echo here", timeout=LONG).stdout == b"here\n"

    def test_only_we_can_use_it_and_it_is_removed(self, node: SshNode, echo: EchoServer) -> None:
        """The socket's folder has mode 0700, and is gone afterwards, with every connection."""
        with node.tunnel("127.0.0.1", echo.port) as path:
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        with client:
            expect_the_end(client)
        assert not path.parent.exists()

    def test_a_closed_port_closes_the_connection(self, node: SshNode) -> None:
        """Nobody listens on the node: the local connection ends at once, and the tunnel knows why."""
        with EchoServer() as gone:
            pass
        tunnel = node.tunnel("127.0.0.1", gone.port)
        with tunnel as path, connected(path) as client:
            expect_the_end(client)
        assert f"cp1: sshd does not open 127.0.0.1:{gone.port}: Connect failed" in tunnel.trouble

    def test_a_cut_in_the_middle(self, victim: Sshd, hasty: SshNode, echo: EchoServer) -> None:
        """When the SSH connection is lost, connections end at once, and so do later ones."""
        tunnel = hasty.tunnel("127.0.0.1", echo.port)
        with tunnel as path:
            with connected(path) as client:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
                victim.cut()
                expect_the_end(client)
            assert tunnel.trouble == "the connection was lost"
            with connected(path) as client:
                expect_the_end(client)
            assert "nothing was started" in tunnel.trouble

    def test_a_loss_is_in_the_log_of_the_run_that_opened_the_tunnel(
        self, victim: Sshd, hasty: SshNode, echo: EchoServer
    ) -> None:
        """Prefect knows the run by the context of the thread that logs; without one it warns, and drops the line."""
        lines: list[tuple[str, str]] = []
        run: ContextVar[str] = ContextVar("run", default="none")

        class Kept(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                lines.append((run.get(), record.getMessage()))

        kept = Kept()
        logging.getLogger("kube_runbooks.ssh").addHandler(kept)
        run.set("this run")
        try:
            with hasty.tunnel("127.0.0.1", echo.port) as path, connected(path) as client:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
                victim.cut()
                expect_the_end(client)
        finally:
            logging.getLogger("kube_runbooks.ssh").removeHandler(kept)
        assert ("this run", f"cp1: tunnel to 127.0.0.1:{echo.port}: the connection was lost") in lines
        assert {who for who, _ in lines} == {"this run"}

    def test_a_silent_peer(self, victim: Sshd, hasty: SshNode, echo: EchoServer) -> None:
        """The watchdog ends connections that wait for a frozen node."""
        tunnel = hasty.tunnel("127.0.0.1", echo.port)
        with tunnel as path, connected(path) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            victim.freeze()
            expect_the_end(client)
        assert tunnel.trouble == "no answer for 2 s"

    def test_an_sshd_that_forbids_it_is_refused(self, strict: Sshd) -> None:
        """A setting is in the way, and no retry helps; the same for a gateway."""
        with SshNode(target(strict)) as node:
            tunnel = node.tunnel("127.0.0.1", strict.port)
            with tunnel as path, connected(path) as client:
                expect_the_end(client)
            assert "AllowTcpForwarding" in tunnel.trouble
            with pytest.raises(Refused, match="cp1: does not forward to cp2"):
                SshNode(target(strict, "cp2"), gateway=node).connect()

    def test_it_fails_where_it_is_opened(self, sshd: Sshd) -> None:
        """Without a connection the tunnel is refused at once, not in the middle of gRPC."""
        with pytest.raises(NotYet, match="cp1: no connection"):
            SshNode(target(sshd, port=free_port())).tunnel("127.0.0.1", 2379)

    def test_a_path_that_is_too_long_is_refused(
        self, node: SshNode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A deep TMPDIR is named as the cause, and nothing is left in it."""
        deep = tmp_path / ("x" * 100)
        deep.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(deep))
        with pytest.raises(Refused, match="longer than a unix socket's path") as caught, node.tunnel("127.0.0.1", 1):
            pass
        assert "TMPDIR" in caught.value.hint
        assert not list(deep.iterdir())


class TestCleanup:
    """Nothing is left of a connection."""

    def test_no_thread_and_no_file_descriptor_is_left(self, victim: Sshd, gateway: Sshd, echo: EchoServer) -> None:
        """After commands, tunnels, failures and losses the counts are what they were."""
        before = open_things()
        with (
            through(target(gateway, "bastion"), target(victim)) as node,
            node.tunnel("127.0.0.1", echo.port) as path,
        ):
            round_trip(path, 1)
            node.run("true", timeout=LONG)
        for limits in (QUICK, None):
            with SshNode(target(victim, known_hosts="/dev/null"), limits=limits) as node, pytest.raises(Refused):
                node.connect()
            with SshNode(target(victim, key=gateway.key_text), limits=limits) as node, pytest.raises(Refused):
                node.connect()
        with SshNode(target(victim), limits=QUICK) as node:
            node.connect()
            victim.freeze()
            with pytest.raises(NotYet):
                node.run("true", timeout=LONG)
        wait_until(lambda: nothing_more_than(before))

    def test_a_node_that_is_dropped_is_closed(self, sshd: Sshd) -> None:
        """A connection that nobody closed ends when nobody refers to it any more."""
        before = open_things()
        SshNode(target(sshd)).connect()
        wait_until(lambda: nothing_more_than(before))

    def test_it_can_be_closed_twice_and_used_again(self, sshd: Sshd) -> None:
        """Closing is safe in any state; the next use opens a new connection."""
        with SshNode(target(sshd)) as node:
            node.close()
            node.connect()
            node.close()
            node.close()
            assert node.run("echo again", timeout=LONG).stdout == b"again\n"

    def test_nothing_of_this_machine_s_configuration_is_used(
        self, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Neither ~/.ssh/config nor fabric's files nor its environment variables lead the connection elsewhere."""
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh/config").write_text("Host *\n Port 1\n User nobody\n ProxyCommand false\n ForwardAgent yes\n")
        (tmp_path / ".fabric.yaml").write_text("user: nobody\nport: 1\ngateway: nowhere\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("FABRIC_PORT", "1")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        with SshNode(target(sshd)) as node:
            assert node.run("echo here", timeout=LONG).stdout == b"here\n"


def open_things() -> tuple[int, int]:
    """How many threads and file descriptors this process has."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def nothing_more_than(before: tuple[int, int]) -> bool:
    """Whether neither count is above what it was."""
    threads, files = open_things()
    return threads <= before[0] and files <= before[1]
