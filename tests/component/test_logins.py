"""Logins that print, shells of every family, and other sudos: what they say is never an answer of the node."""

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tasks.clients.ssh import SshLimits, SshNode, SshTarget
from tasks.core.errors import CommandFailed, NotYet, Refused
from tests.servers import logins
from tests.servers.logins import Login, node_with
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: users with other shells, in a namespace of mounts"
)

A_MINUTE = timedelta(minutes=1)

WORDS = (
    "it's",
    'a "b" $HOME `id` $(id)',
    "two\nlines",
    "back\\slash \\' !! !1 #",
    "naïve ☃",
    "-n",
    "{a,b} ~ * ? [x] ^y % ;|&<>",
)
"""That some shell or other would change."""

PRINTS = {
    "a line": "echo hello",
    "on stderr": "echo hello >&2",
    "on both, without an end of line": "printf hello; printf hello >&2",
    "bytes": "head -c 300000 /dev/urandom; head -c 300000 /dev/urandom >&2",
    "very much": "yes hello | head -c 20000000; yes hello | head -c 9000000 >&2",
    "what looks like ours": "echo started; echo 12345; echo kube-runbooks- >&2",
    "each command that it runs": "set -xv",
    "at its end, too": "trap 'echo bye; echo bye >&2; exit 9' EXIT",
}


@contextmanager
def logged_in(sshd: Sshd, *, sudo: bool = False, limits: SshLimits | None = None) -> Iterator[SshNode]:
    """A connection to it."""
    values = {"name": "cp1", "address": "127.0.0.1", "port": sshd.port, "user": sshd.user, "key": sshd.key_text}
    target = SshTarget.model_validate({**values, "known_hosts": sshd.known_hosts, "sudo": sudo})
    with SshNode(target, limits=limits) as node:
        yield node


def assert_is_honest(node: SshNode, folder: Path) -> None:
    """Streams, statuses, input and files are the command's own, to the byte."""
    output = node.run("cat; printf bad >&2; exit 3", stdin=b"\0in\xff", timeout=A_MINUTE, check=False)
    assert (output.stdout, output.stderr, output.status) == (b"\0in\xff", b"bad", 3)
    assert node.run("true", timeout=A_MINUTE).stdout == b""
    assert node.run("kill -9 $$", timeout=A_MINUTE, check=False).status == 137
    for word in WORDS:
        assert node.run(f"printf %s {shlex.quote(word)}", timeout=A_MINUTE).stdout.decode() == word
    path = folder / "it's a file"
    path.write_bytes(bytes(range(256)) * 300)
    assert node.read_file(str(path)) == bytes(range(256)) * 300


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that any user may read."""
    with TemporaryDirectory(prefix="kube-runbooks-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize("printed", PRINTS.values(), ids=PRINTS)
def test_what_a_login_prints_is_no_answer(printed: str, reachable: Path) -> None:
    """Whatever its .bashrc writes, to whichever stream, however much, before the command and after it; with sudo as without."""
    with node_with(Login(files={".bashrc": printed})) as sshd:
        for sudo in (False, True):
            with logged_in(sshd, sudo=sudo) as node:
                assert_is_honest(node, reachable)
                assert node.run("id -u", timeout=A_MINUTE, sudo=True).stdout == (b"0\n" if sudo else b"64123\n")
                assert node.run("exit 4", timeout=A_MINUTE, sudo=True, check=False).status == 4


def test_the_output_limit_is_the_command_s(reachable: Path) -> None:
    """Not the login's: 5 MB of noise leave the command all of its own 1000 bytes, and not one more."""
    del reachable
    with node_with(Login(files={".bashrc": "head -c 5000000 /dev/zero"})) as sshd, logged_in(sshd) as node:
        wanted = "head -c 1000 /dev/zero"
        assert node.run(wanted, timeout=A_MINUTE, output_limit=1000).stdout == bytes(1000)
        with pytest.raises(CommandFailed, match="wrote more than 1000 bytes"):
            node.run("head -c 1000000 /dev/zero", timeout=A_MINUTE, output_limit=1000)


@pytest.mark.parametrize("taken", ["exec > /dev/null", "exec 2> /dev/null", "exec 2>&1"])
def test_a_login_that_takes_a_stream_away_is_refused(taken: str) -> None:
    """An empty answer would be read as an answer."""
    with node_with(Login(files={".bashrc": taken})) as sshd, logged_in(sshd) as node:
        with pytest.raises(Refused, match="does not reach us whole") as caught:
            node.run("echo x; echo y >&2", timeout=A_MINUTE)
        assert "interactive shells only" in caught.value.hint


@pytest.mark.parametrize("printed", ["echo maintenance today; exit 0", "exec cat /etc/hostname"])
def test_a_login_that_runs_nothing_is_refused_with_its_words(printed: str) -> None:
    """Status 0 of a login that ended before us is not the command's."""
    refused = pytest.raises(Refused, match=r"cp1: the login shell of ops does not run the command \(status 0\): \S+")
    with node_with(Login(files={".bashrc": printed})) as sshd, logged_in(sshd) as node, refused:
        node.run("true", timeout=A_MINUTE, check=False)


@pytest.mark.parametrize("printed", ["yes", "sleep 600"])
def test_a_login_that_never_ends_is_not_yet(printed: str) -> None:
    """It is given up at the command's own limit, and the command has not been started."""
    limits = SshLimits(kill_after=timedelta(seconds=0.2), grace=timedelta(seconds=1))
    with (
        node_with(Login(files={".bashrc": printed})) as sshd,
        logged_in(sshd, limits=limits) as node,
        pytest.raises(
            NotYet, match="(?s)the login shell of ops did not begin the command within .*nothing was started"
        ),
    ):
        node.run("true", timeout=timedelta(seconds=1))


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "tcsh", "fish", "busybox"])
def test_every_shell_works_as_a_login_s(shell: str, reachable: Path) -> None:
    """With files that print, too; a long command, and one of many lines, arrive as they are."""
    path = logins.busybox_shell(reachable) if shell == "busybox" else shutil.which(shell)
    assert path, f"no {shell}: apt-get install {shell}"
    noise = {".tcshrc": "echo hello", ".config/fish/config.fish": "echo hello", ".zshenv": "echo hello"}
    with node_with(Login(shell=path, files=noise)) as sshd, logged_in(sshd, sudo=True) as node:
        assert_is_honest(node, reachable)
        assert node.run("id -u; echo $HOME", timeout=A_MINUTE, sudo=True).stdout == b"0\n/root\n"
        home = node.run('echo "$HOME $USER $LOGNAME"', timeout=A_MINUTE).stdout.decode()
        assert home == f"{sshd.folder.parent}/home ops ops\n"
        many = "\n".join(f"echo 'line {number} isn''t !short'" for number in range(1500))
        assert len(node.run(many, timeout=A_MINUTE, sudo=True).stdout.splitlines()) == 1500


@pytest.mark.parametrize(
    ("shell", "said"),
    [("/usr/sbin/nologin", "not available"), ("/bin/rbash", "restricted"), ("/bin/false", "and printed nothing")],
)
def test_a_shell_that_runs_nothing_is_refused(shell: str, said: str) -> None:
    """With its own words, and how to try it by hand; a status that the caller takes for an answer is none."""
    with node_with(Login(shell=shell)) as sshd, logged_in(sshd, sudo=True) as node:
        for sudo in (False, True):
            with pytest.raises(
                Refused, match=rf"login shell of ops does not run the command \(status \d+\).*{said}"
            ) as caught:
                node.run("true", timeout=A_MINUTE, sudo=sudo, check=False)
            assert "ssh ops@127.0.0.1" in caught.value.hint


REFUSALS = {
    "sudo-rs": "sudo: interactive authentication is required",
    "German": "sudo: Ein Passwort ist notwendig",
    "another one": "doas: Operation not permitted",
    "nothing": "",
}


@pytest.mark.parametrize("words", REFUSALS.values(), ids=REFUSALS)
def test_a_sudo_that_refuses_is_refused_whatever_its_words(words: str, reachable: Path) -> None:
    """Stubs: they have the words, and status 1, of sudos that are not here. No caller sees the status as the command's."""
    stub = logins.sudo_stub(reachable, words)
    with node_with(Login(sudo=stub, files={".bashrc": "echo hello >&2"})) as sshd, logged_in(sshd, sudo=True) as node:
        with pytest.raises(Refused) as caught:
            node.run("test -e /etc/passwd", timeout=A_MINUTE, sudo=True, check=False)
        said = f": {words}" if words else ", and printed nothing"
        assert caught.value.problem == f"cp1: ops may not use sudo without a password{said}"
        assert "ops ALL=(root) NOPASSWD: ALL" in caught.value.hint


@pytest.mark.parametrize("kind", ["sudo", pytest.param("sudo-rs", marks=pytest.mark.may_skip)])
@pytest.mark.parametrize("rules", [logins.FORBIDDEN, "root ALL=(ALL:ALL) ALL\n"], ids=["password", "no rule"])
def test_the_real_sudos_refuse(kind: str, rules: str) -> None:
    """Of Debian, and the one of Ubuntu 25.10."""
    refused = pytest.raises(Refused, match="cp1: ops may not use sudo without a password: .*[a-z]")
    with node_with(Login(sudo=real(kind), sudoers=rules)) as sshd, logged_in(sshd, sudo=True) as node, refused:
        node.run("true", timeout=A_MINUTE, sudo=True, check=False)


def test_a_sudo_that_wants_a_terminal_is_refused() -> None:
    """`requiretty`, as older Red Hat has it."""
    rules = f"Defaults requiretty\n{logins.ALLOWED}"
    refused = pytest.raises(Refused, match="may not use sudo without a password: .*tty")
    with node_with(Login(sudoers=rules)) as sshd, logged_in(sshd, sudo=True) as node, refused:
        node.run("true", timeout=A_MINUTE, sudo=True, check=False)


@pytest.mark.parametrize("kind", ["sudo", pytest.param("sudo-rs", marks=pytest.mark.may_skip)])
@pytest.mark.parametrize(
    "defaults", ["", "Defaults use_pty\n", "Defaults !use_pty\n", "Defaults secure_path=/nowhere\n"]
)
def test_the_real_sudos_let_a_command_through_as_it_is(kind: str, defaults: str, reachable: Path) -> None:
    """Streams, statuses and limits, with a terminal of sudo's own as without."""
    with (
        node_with(Login(sudo=real(kind), sudoers=defaults + logins.ALLOWED)) as sshd,
        logged_in(sshd, sudo=True) as node,
    ):
        output = node.run("cat; id -u; echo bad >&2; exit 5", stdin=b"in\n", timeout=A_MINUTE, sudo=True, check=False)
        assert (output.stdout, output.stderr, output.status) == (b"in\n0\n", b"bad\n", 5)
        assert node.run("kill -9 $$", timeout=A_MINUTE, sudo=True, check=False).status == 137
        large = os.urandom(3_000_000)
        assert node.run("cat", stdin=large, timeout=A_MINUTE, sudo=True).stdout == large
        path = reachable / "secret"
        path.write_bytes(bytes(range(256)))
        path.chmod(0o600)
        assert node.read_file(str(path), sudo=True) == bytes(range(256))
        with pytest.raises(CommandFailed, match="was stopped after its time limit"):
            node.run("sleep 61", timeout=timedelta(seconds=0.3), sudo=True)


def real(kind: str) -> Path | None:
    """Its program; None for this machine's own."""
    if kind == "sudo":
        return None
    return logins.sudo_rs() or pytest.skip("there is no sudo-rs here: cargo builds it")
