"""Ends what a test process started when that process is gone, however it went: run as a program, standard library only.

It reads `+PID` (started) and `-PID` (ended) lines from its standard input. At the end of the input, or when its own
parent changes, the test process is gone (SIGKILL included), and everything that it had started is killed.
"""

import contextlib
import os
import select
import signal
import sys
from pathlib import Path

LOOK_SECONDS = 0.5
"""How often it looks who its parent is: a forked copy of the test process may keep the pipe open."""


def tree(leader: int) -> set[int]:
    """The live process, its session and all their descendants; a descendant may have made a session of its own."""
    found = {leader} | {pid for pid, (_, session) in _table().items() if session == leader}
    while True:
        more = {pid for pid, (parent, _) in _table().items() if parent in found} - found
        if not more:
            return found & _table().keys()
        found |= more


def kill(leader: int) -> None:
    """SIGKILL for the whole tree, until nothing of it is left that could start more."""
    for _ in range(10):
        victims = tree(leader)
        if not victims:
            return
        for pid in victims:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _table() -> dict[int, tuple[int, int]]:
    """Every process that is not a zombie: its parent and its session."""
    table = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if state not in "ZX":
                    table[int(folder.name)] = int(parent), int(session)
    return table


def _watch(parent: int) -> set[int]:
    """The processes that were still running when the parent had gone."""
    running: set[int] = set()
    rest = b""
    while True:
        gone = os.getppid() != parent  # asked before the pipe is: what was written before the end is read
        if not select.select([0], [], [], 0 if gone else LOOK_SECONDS)[0]:
            if gone:
                break
            continue
        data = os.read(0, 4096)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            (running.add if line.startswith(b"+") else running.discard)(int(line[1:]))
    return running


if __name__ == "__main__":
    for left in _watch(int(sys.argv[1])):
        kill(left)
