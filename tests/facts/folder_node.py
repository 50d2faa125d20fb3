"""A node whose folders are those of a test, and a real shell."""

import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.clients.ssh import Output, SshNode
from tasks.core.errors import CommandFailed, NotYet


class Killed(BaseException):
    """As by SIGKILL."""


class FolderNode(SshNode):
    """Without a connection.

    Args:
        name: of the node
        moved: its folders, to those of the test
        before: shell in front of each script, with functions instead of programs
    """

    def __init__(self, name: str, moved: Mapping[str, Path], before: str = "") -> None:
        self.name, self.moved, self.before = name, moved, before
        self.said: list[str] = []
        self.orders_until_killed, self.lost_connections = 0, 0

    def run(self, command: str, *, stdin: bytes = b"", check: bool = True, **_: Any) -> Output:  # noqa: ANN401 - limits
        """The worker may not live to see the end of a command that it gave input to."""
        if self.lost_connections:
            self.lost_connections -= 1
            raise NotYet(f"{self.name}: the connection was lost")
        text = command
        for path, here in self.moved.items():
            text = text.replace(path, str(here))
        words = ["sh", "-c", self.before + text]
        done = subprocess.run(words, input=stdin, capture_output=True, check=False)
        self.said += [command, done.stdout.decode(), done.stderr.decode()]
        if check and done.returncode:
            raise CommandFailed(f"{self.name}: {done.stderr.decode()}")
        if stdin and self.orders_until_killed:
            self.orders_until_killed -= 1
            if not self.orders_until_killed:
                raise Killed
        stdout = done.stdout
        for path, here in self.moved.items():
            stdout = stdout.replace(str(here).encode(), path.encode())
        return Output(stdout=stdout, stderr=done.stderr, status=done.returncode, took=timedelta())

    def read_file(self, path: PurePosixPath | str, **_: object) -> bytes:
        """Whole."""
        return self.here(path).read_bytes()

    def here(self, path: PurePosixPath | str) -> Path:
        """Where a file of the node is."""
        for folder, here in self.moved.items():
            if PurePosixPath(path).is_relative_to(folder):
                return here / PurePosixPath(path).relative_to(folder)
        return Path(path)
