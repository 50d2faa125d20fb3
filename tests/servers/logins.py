"""Logins as they are: an sshd whose users have other shells, noisy files and another sudo, in a mount namespace of its own.

Needs root. Nothing of this machine is changed: what is seen there at /etc/passwd, /etc/sudoers or /usr/bin/sudo is seen there only.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bootstrap.debian import CACHE
from tests.servers.sshd import Sshd

USER, NUMBER = "ops", 64123
"""Who logs in, where it is not root."""

SUDO_RS = "0.2.15"
"""The crate; Ubuntu has had it as /usr/bin/sudo since 25.10."""

ALLOWED = f"root ALL=(ALL:ALL) ALL\n{USER} ALL=(root) NOPASSWD: ALL\n"
FORBIDDEN = f"root ALL=(ALL:ALL) ALL\n{USER} ALL=(root) ALL\n"
"""With a password, which nobody types."""

ENTER = 'while [ "$1" != -- ]; do mount --bind "$2" "$1"; shift 2; done; shift; exec "$@"'


@dataclass(frozen=True)
class Login:
    """Who logs in: the shell, files in the home, what sudo allows, and which program sudo is (None: this machine's)."""

    shell: str = "/bin/bash"
    files: Mapping[str, str] = field(default_factory=dict)
    sudoers: str = ALLOWED
    sudo: Path | None = None


@contextmanager
def node_with(login: Login) -> Iterator[Sshd]:
    """A node where that user logs in."""
    with tempfile.TemporaryDirectory(
        prefix="kube-runbooks-login-", dir="/tmp"
    ) as name:  # pytest's own folders let no other user in
        folder = Path(name)
        folder.chmod(0o755)
        words = [str(word) for place, file in _places(folder, login) for word in (place, file)]
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", *words, "--"]
        node = Sshd(folder / "sshd", "SetEnv SHLVL=0", prefix=prefix)  # bash reads .bashrc
        (folder / "sshd").chmod(0o755)
        node.user = USER
        with node:
            yield node


def _places(folder: Path, login: Login) -> Iterator[tuple[Path, Path]]:
    """What is seen where."""
    home = folder / "home"
    home.mkdir()
    for name, text in login.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    for path in (home, *home.rglob("*")):
        os.chown(path, NUMBER, NUMBER)
    lines = {
        "passwd": f"{USER}:x:{NUMBER}:{NUMBER}::{home}:{login.shell}\n{Path('/etc/passwd').read_text()}",
        "shadow": f"{USER}:*:20000:0:99999:7:::\n{Path('/etc/shadow').read_text()}",  # PAM asks whether the account is good
        "sudoers": login.sudoers,
    }
    for name, text in lines.items():
        file = folder / name
        file.touch(mode=0o644 if name == "passwd" else 0o440)
        file.write_text(text)
        yield Path("/etc") / name, file
    if login.sudo:
        copy = folder / "sudo"
        shutil.copy(login.sudo, copy)
        copy.chmod(0o4755)
        yield Path(shutil.which("sudo") or "/usr/bin/sudo"), copy


def busybox_shell(folder: Path) -> str:
    """Its ash, which knows itself by its name."""
    link = folder / "ash"
    link.symlink_to(shutil.which("busybox") or "/bin/busybox")
    return str(link)


def sudo_rs() -> Path | None:
    """The real one, built by cargo once; None, and a word why, where cargo is not here or cannot build it."""
    place = CACHE / "bin" / f"sudo-rs-{SUDO_RS}"
    try:
        if not place.exists():
            _build_sudo_rs(place)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"there is no sudo-rs {SUDO_RS}: {error}", file=sys.stderr)
        return None
    return place


def _build_sudo_rs(place: Path) -> None:
    library = next(iter((*Path("/").glob("usr/lib/*/libpam.so.0"), *Path("/").glob("lib/*/libpam.so.0"))), None)
    if library is None:
        raise FileNotFoundError("no libpam.so.0 on this machine")
    with tempfile.TemporaryDirectory(prefix="kube-runbooks-sudo-") as temporary:
        (Path(temporary) / "libpam.so").symlink_to(library)  # instead of the package for developers
        subprocess.run(
            ["cargo", "install", "--quiet", "--version", SUDO_RS, "--locked", "--root", temporary, "sudo-rs"],
            env={**os.environ, "RUSTFLAGS": f"-L {temporary}", "CARGO_TARGET_DIR": f"{temporary}/target"},
            check=True,
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(temporary) / "bin/sudo", place)


def sudo_stub(folder: Path, words: str) -> Path:
    """No sudo at all: a stub that refuses with these words, as sudo does, with status 1."""
    stub = folder / "sudo-stub"
    stub.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    return stub
