"""Provides the scripts that freeze, thaw and check an application by a command in its container."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath

from tasks.core.shell import script
from tasks.volumes.models.freezes import Freeze

FOLDER = PurePosixPath("/run/kube-runbooks/frozen")
"""Has a folder for each container that is frozen. It is in memory: after a reboot nothing is frozen."""

THAW_SECONDS = 20
"""Limits the command that thaws."""


def key_of(freeze: Freeze, run_id: str) -> str:
    """Returns the name of a freeze on its node, different for each run and container."""
    return f"{freeze.container_id[:12]}-{freeze.hook}-{run_id}"


def find_container(container_id: str, endpoint: str) -> str:
    """Returns the script that checks whether a container runs there."""
    return script(__file__, "find_container", container=container_id, endpoint=endpoint)


def freeze_container(freeze: Freeze, run_id: str, endpoint: str, *, limit: timedelta, within: timedelta) -> str:
    """Returns the script that freezes a container, and sets the timer that thaws it after `limit`."""
    key = key_of(freeze, run_id)
    return script(
        __file__,
        "freeze",
        folder=FOLDER / key,
        same=f"{FOLDER}/{freeze.container_id[:12]}-",
        run=f"-{run_id}",
        unit=f"kube-runbooks-thaw-{key}",
        container=freeze.container_id,
        endpoint=endpoint,
        limit=_seconds(limit),
        within=_seconds(within),
        thaw=thaw_container(freeze, run_id, endpoint),
    )


def thaw_container(freeze: Freeze, run_id: str, endpoint: str) -> str:
    """Returns the script that thaws a container."""
    key = key_of(freeze, run_id)
    return script(
        __file__,
        "thaw",
        folder=FOLDER / key,
        unit=f"kube-runbooks-thaw-{key}",
        container=freeze.container_id,
        endpoint=endpoint,
        within=THAW_SECONDS,
    )


def check_container(container_id: str, endpoint: str, *, within: timedelta) -> str:
    """Returns the script that runs a check in a container. It reads the words of the command, one a line."""
    return script(__file__, "check", container=container_id, endpoint=endpoint, within=_seconds(within))


def lines_of(command: Sequence[str]) -> bytes:
    """Returns a command as that script reads it."""
    return "".join(f"{word}\n" for word in command).encode()


def words_of(freeze: Sequence[str], thaw: Sequence[str]) -> bytes:
    """Returns both commands as the script reads them: a word a line, with an empty line between them."""
    return "".join(f"{word}\n" for word in (*freeze, "", *thaw)).encode()


def _seconds(length: timedelta) -> int:
    return max(int(length.total_seconds()), 1)
