"""A real OpenSSH sshd of our own on loopback, as the current user, with means to make it fail."""

import contextlib
import getpass
import importlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bootstrap.debian import CACHE
from tests.servers import undertaker
from tests.servers.processes import Process, free_port

START_LIMIT = 150.0
"""Seconds until sshd has to answer."""

HELPERS = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}
"""Since OpenSSH 9.8 and 10.0 parts of sshd are programs of their own, looked for where sshd was compiled to be."""

CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding yes
MaxStartups 200
LogLevel VERBOSE
SetEnv SHLVL=1
"""
"""The SHLVL keeps bash from reading the developer's own .bashrc, which may cost a second per command."""

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where sshd is, and where a user's PATH often does not look."""


class Sshd:
    """A context manager: it answers when the block begins, and nothing of it is left when the block ends."""

    def __init__(self, folder: Path, *options: str, address: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        """`folder` keeps keys, configuration and log, and is made if missing; `options` are lines of sshd_config.

        `prefix` is a command that runs sshd, which is its last arguments.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.options = options
        self.address = address
        self._prefix = prefix
        self.port = free_port()
        self.user = getpass.getuser()
        self.known_hosts = folder / "known_hosts"
        self.key_text, public = _key_pair()
        (folder / "authorized_keys").write_text(f"{public}\n")
        self.new_host_key()
        self.trust()
        self._process = Process([], folder=folder, name="sshd")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What sshd has written so far, over all its starts."""
        return self._process.output

    def new_host_key(self) -> None:
        """Another identity, from the next start on; known_hosts keeps the old one."""
        private, self.host_key = _key_pair()
        path = self.folder / "host_key"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)  # sshd ignores a host key that others can read
        path.write_text(private)

    def trust(self) -> None:
        """Write the present host key to known_hosts."""
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {self.host_key}\n")

    def start(self) -> None:
        """Start, and wait until it answers; RuntimeError with its log if it does not."""
        program, environment, extra = _program()
        if os.geteuid() == 0:
            _prepare_for_root()
        config = self.folder / "sshd_config"
        lines = [
            *self.options,
            CONFIG.format(port=self.port, address=self.address, folder=self.folder),
            extra,
        ]  # the first one counts
        config.write_text("\n".join(lines))
        command: list[str | Path] = [*self._prefix, program, "-D", "-e", "-f", config]
        self._process = Process(command, folder=self.folder, name="sshd", env=environment)
        self._process.start()
        self._process.wait_until(self._answers, START_LIMIT, f"sshd answers on port {self.port}")

    def stop(self) -> None:
        """Kill the daemon, its sessions and what runs in them."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start on the same port, for example after `new_host_key`."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop answering without closing anything, as a hanging node does."""
        self._process.freeze()

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._process.thaw()

    def cut(self) -> None:
        """Kill the sessions' sshd processes, as a crash does; the daemon takes new connections."""
        daemon = self._process.pid
        for pid in undertaker.tree(daemon) - {daemon}:
            if _name(pid).startswith("sshd"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), timeout=1) as peer:
            return peer.recv(4) == b"SSH-"
        return False


def _key_pair() -> tuple[str, str]:
    """A private key in OpenSSH's format, and the public line."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), public.decode()


@cache
def _program() -> tuple[str, dict[str, str], str]:
    """The sshd to run (it wants an absolute path), its environment, and the lines its version needs."""
    environment = dict(os.environ)
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")
    extra = ""
    if program is None:
        root = _unpacked()
        program = str(root / "usr/sbin/sshd")
        environment["LD_LIBRARY_PATH"] = ":".join(str(path) for path in _libraries(root))
        extra = "".join(f"{option} {path}\n" for option, path in _helpers(root))
    if _understands(program, environment, "PerSourcePenalties=no"):
        extra += "PerSourcePenalties no\n"  # OpenSSH 9.8: refused logins would lock loopback out for seconds
    return program, environment, extra


def _unpacked() -> Path:
    debian = importlib.import_module("tests.bootstrap.debian")  # only a machine without sshd needs it
    folder = CACHE / "openssh"
    debian.unpack(["openssh-server"], folder, dependencies=True)
    return folder


def _libraries(root: Path) -> Iterator[Path]:
    for folder in ("lib", "usr/lib"):  # Debian 12 still has some in /lib
        yield from root.glob(f"{folder}/*-linux-gnu*")


def _helpers(root: Path) -> Iterator[tuple[str, Path]]:
    for option, name in HELPERS.items():
        if (path := root / "usr/lib/openssh" / name).exists():
            yield option, path


def _understands(program: str, environment: dict[str, str], option: str) -> bool:
    tried = subprocess.run(
        [program, "-T", "-o", option, "-f", os.devnull], env=environment, capture_output=True, check=False, text=True
    )
    return "Bad configuration option" not in tried.stderr and "Unsupported option" not in tried.stderr


def _prepare_for_root() -> None:
    """As root sshd confines the unauthenticated part of itself to a user and an empty folder."""
    try:
        pwd.getpwnam("sshd")
    except KeyError:
        message = (
            "sshd needs the user `sshd` to run as root: apt-get install openssh-server, or run the tests as a user"
        )
        raise RuntimeError(message) from None
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it has ended
