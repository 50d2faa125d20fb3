"""Programs of the machine's own Debian or Ubuntu, unpacked into a folder: no root, nothing installed.

Runs before the environment exists: standard library only, and the Python of any supported Debian or Ubuntu.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube-runbooks"
"""Where everything is kept that the project's tests fetched."""

LISTS_LIFE_SECONDS = 24 * 3600
"""How long a list of packages is good for, unless it names one that is gone."""

MARK = ".packages"
"""A file in a complete folder: what was unpacked there."""


class UnpackError(Exception):
    """The packages cannot be had; the message has what apt says."""


def unpack(packages: Sequence[str], into: Path, *, dependencies: bool = False) -> Path:
    """The folder with these packages' files as under `/`, fetched only once.

    With `dependencies` also those of the packages they depend on that this machine lacks, by apt's own reckoning: their
    names differ between releases (libssl3, libssl3t64).

    UnpackError where there is no apt, no network, or no such package.
    """
    wanted = "\n".join(packages)
    mark = into / MARK
    if mark.exists() and mark.read_text() == wanted:
        return into
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise UnpackError(f"no apt-get and dpkg-deb here to fetch {', '.join(packages)} with: not Debian or Ubuntu?")
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f".{into.name}-") as temporary:
        made = Path(temporary) / "made"
        archives = Path(temporary) / "archives"
        (archives / "partial").mkdir(parents=True)  # where apt keeps what is under way
        _download(packages, archives, dependencies=dependencies)
        for archive in sorted(archives.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(archive), str(made)], archives)
        (made / MARK).write_text(wanted)
        _publish(made, into, wanted)
    return into


def _publish(made: Path, into: Path, wanted: str) -> None:
    """The first of two processes wins; a folder with other packages gives way."""
    mark = into / MARK
    if into.exists() and not (mark.exists() and mark.read_text() == wanted):
        shutil.rmtree(into)
    try:
        made.rename(into)
    except OSError:
        if not mark.exists():
            raise


def _download(packages: Sequence[str], archives: Path, *, dependencies: bool) -> None:
    state = CACHE / "apt"
    fetch = [*_apt(state), "download", *packages]
    if dependencies:
        # --reinstall: also a package that dpkg has on its list, should its files be gone.
        plan = ["--yes", "--download-only", "--reinstall", "--no-install-recommends", "install"]
        fetch = [*_apt(state), f"-oDir::Cache::archives={archives}", *plan, *packages]
    stamp = state / "updated"
    if stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_LIFE_SECONDS:
        try:
            _run(fetch, archives)
        except UnpackError:
            pass  # a newer version has replaced the one in the list
        else:
            return
    for folder in (state / "lists" / "partial", state / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    _run([*_apt(state), "update"], archives)
    stamp.touch()
    _run(fetch, archives)


def _apt(state: Path) -> list[str]:
    """apt with the machine's sources and keys, but with all that it writes in a folder of ours."""
    options = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": state / "cache",
        "Dir::Log": state,
        # The locks are the machine's own and only root's; nothing is installed.
        "Debug::NoLocking": "true",
        # Root would become the user _apt, who cannot write here.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
    }
    return ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace").strip()
        raise UnpackError(f"{command[0]} {command[-1]} failed with {done.returncode}:\n{said}")
