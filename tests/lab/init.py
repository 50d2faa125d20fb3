"""The first process of a lab's namespaces; when it ends, the kernel ends all others in them. Standard library only.

It ends when it is told to (SIGTERM), and when its standard input does: that is how the kernel tells that the process
which wanted the lab is gone, however it went. Mounts, bridges and sockets of the network vanish with the namespaces;
what would stay in the file system, it removes first: control groups, and the files that `leftovers` names.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

KILL_ROUNDS = 100
REMOVE_ROUNDS = 100
LEFTOVERS = "leftovers"
"""A file in the lab's folder with a path on each line: control groups, deepest last, and sockets."""


def main(folder: Path, *, lifeline: bool) -> None:
    """Adopts and reaps orphans, as the first process has to, until the end."""
    signal.signal(signal.SIGTERM, _leave)
    if lifeline:
        threading.Thread(target=_wait_for_the_end_of_stdin, daemon=True).start()
    try:
        while True:
            try:
                os.wait()
            except ChildProcessError:
                time.sleep(0.2)
    finally:
        kill_all_others()
        remove_leftovers(folder)


def kill_all_others() -> None:
    """Nobody else is left in the namespaces afterwards."""
    for _ in range(KILL_ROUNDS):
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not any(name.isdigit() and name != "1" for name in os.listdir("/proc")):  # noqa: PTH208 - names are enough
            return
        time.sleep(0.05)


def remove_leftovers(folder: Path) -> None:
    """Control groups are folders that can be removed when they have no process."""
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / LEFTOVERS).read_text().splitlines():
            remove(Path(line))


def remove(path: Path) -> None:
    """A control group with those in it, or a file; nothing if there is none. Killed processes take a moment to leave."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for _ in range(REMOVE_ROUNDS):
        for below, _, _ in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):
                Path(below).rmdir()
        if not path.exists():
            return
        time.sleep(0.05)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    sys.exit(0)


def _wait_for_the_end_of_stdin() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]), lifeline=sys.argv[2] == "lifeline")
