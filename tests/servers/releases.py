"""Official releases: downloaded, and compared with their published SHA-256 sums before anything of them is unpacked."""

import hashlib
import platform
import shutil
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tests.servers.suites import NotHereError, Suite

CONNECT_SECONDS = 5.0
"""For a connection and for each silence in it: some machines reach no release server, and the next source is waiting."""

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
TARS = (".tar.gz", ".tgz")


class WrongSumError(Exception):
    """A file is not what its publisher says it is: nothing is done with it, and no other source is asked."""


def download(suite: Suite, version: str, into: Path) -> None:
    """Puts the programs into a folder; NotHereError if a file cannot be had, WrongSumError if it is another one."""
    if not suite.release:
        raise NotHereError("nothing of it is released but images")
    machine = MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        raise NotHereError(f"no release for {sys.platform} on {platform.machine()}")
    addresses = dict.fromkeys(
        suite.release.format(version=version, machine=machine, program=program) for program in suite.programs
    )
    for address in addresses:
        name = address.rpartition("/")[2]
        wanted = _published_sum(suite.sums.format(version=version, machine=machine, file=name), name)
        file = into / name
        _fetch(address, file, wanted)
        if name.endswith(TARS):
            with tarfile.open(file) as tar:
                unpack(tar, suite, into)
            file.unlink()
        else:
            file.chmod(0o755)


def unpack(tar: tarfile.TarFile, suite: Suite, into: Path) -> None:
    """Only the files wanted, whatever folder of the archive they are in."""
    for entry in tar:
        file = Path(entry.name).name
        content = tar.extractfile(entry) if entry.isfile() and file in suite.files else None
        if content:
            with (into / file).open("wb") as out:
                shutil.copyfileobj(content, out)
            (into / file).chmod(0o755)


def _fetch(address: str, file: Path, wanted: str) -> None:
    with _opened(address) as answer, file.open("wb") as out:
        shutil.copyfileobj(answer, out)
        if answer.length:
            raise NotHereError(f"{address} broke off, {answer.length} bytes before its end")
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    if found != wanted:
        raise WrongSumError(
            f"{address} has sha256 {found}, but its publisher says {wanted}: it was changed on its way or at its source. "
            "Nothing of it was kept. Compare with another network, or put programs you trust into KUBE_RUNBOOKS_BIN."
        )


def _published_sum(address: str, file: str) -> str:
    """From a list, the line that names the file; from a single sum, that one."""
    with _opened(address) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines() if line.strip()]
    if len(lines) == 1:
        return lines[0][0]
    for line in lines:
        if line[1:] == [file]:
            return line[0]
    raise NotHereError(f"{address} does not name {file}")


@contextmanager
def _opened(address: str) -> Iterator[HTTPResponse]:
    try:
        with urllib.request.urlopen(address, timeout=CONNECT_SECONDS) as answer:  # noqa: S310 - https, from our table
            yield answer
    except (OSError, HTTPException) as error:
        raise NotHereError(f"{address}: {error}") from error
