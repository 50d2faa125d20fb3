"""What is made once for all labs of a machine: made beside its place and moved there, by one process at a time."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bootstrap.debian import CACHE

LABS = CACHE / "lab"
HERE = Path(__file__).parent
DIGEST_LENGTH = 12


def digest_of(*files: Path, also: str = "") -> str:
    """Of what makes something: another digest, another thing."""
    state = hashlib.sha256(also.encode())
    for file in sorted(files):
        state.update(file.name.encode() + b"\0" + file.read_bytes())
    return state.hexdigest()[:DIGEST_LENGTH]


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Others wait meanwhile."""
    LABS.mkdir(parents=True, exist_ok=True)
    with (LABS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_once(target: Path, make: Callable[[Path], None]) -> Path:
    """`target`, made by `make` under another name if it does not exist."""
    with only_one(target.name):
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.unfinished")
            remove_tree(unfinished)
            unfinished.parent.mkdir(parents=True, exist_ok=True)
            make(unfinished)
            unfinished.rename(target)
    return target


def remove_tree(folder: Path) -> None:
    """A folder with all in it, whoever owns it; nothing if there is none."""
    from tests.lab.namespaces import finish  # noqa: PLC0415

    if folder.exists() or folder.is_symlink():
        finish(["rm", "-rf", "--one-file-system", folder])
