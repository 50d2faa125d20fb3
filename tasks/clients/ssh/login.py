"""Passes a command through a login shell and sudo, whatever these print.

Marks of this module's own enclose the command's output. A login's files may print on both streams, before the
command and after it, text or bytes, with or without a line end. Sudo warns or refuses in any language. None of
it is parsed: a missing mark shows how far the command got.
"""

import base64
import secrets
import shlex
from dataclasses import dataclass, field
from datetime import timedelta

from tasks.core.shell import script

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""This is the PATH of every remote command, whatever the login shell's files say."""

KEPT_BYTES = 2**14
"""Limits how many bytes before a mark are kept: their end, for the error that quotes it."""

STATUS_BYTES = 16
"""Limits the bytes that are kept after the end mark. A space, a status and the line end are fewer."""

QUOTED_LINES, LINE_CHARACTERS = 5, 300
"""These constants limit the lines, and the characters per line, that errors quote from other programs' output."""

ENTRY = 'eval "$(echo "$1" | base64 -d)"'
"""This is a line for /bin/sh. Its argument contains nothing that a login shell of any family would change."""


@dataclass(frozen=True)
class Mark:
    """This is a word that nobody else knows.

    The node gets its halves, so a shell that prints what it runs does not print the mark.
    """

    halves: tuple[str, str] = field(
        default_factory=lambda: (f"kube-runbooks-{secrets.token_hex(8)}", secrets.token_hex(8))
    )

    @property
    def whole(self) -> bytes:
        """Returns the mark as it is printed."""
        return "".join(self.halves).encode()


@dataclass(frozen=True)
class Marks:
    """These are the marks that a call searches for in its output.

    They show that the login shell runs the script, that the command begins (as root if requested), and that it has
    finished.
    """

    login: Mark = field(default_factory=Mark)
    begin: Mark = field(default_factory=Mark)
    end: Mark = field(default_factory=Mark)

    @property
    def overhead(self) -> int:
        """Returns how many bytes of both streams belong to the end marks, and not to the command."""
        return 2 * len(self.end.whole) + len("\n 255\n")


def login_line(command: str, marks: Marks, *, limit: timedelta, kill_after: timedelta, sudo: bool) -> str:
    """Returns the line for the login shell: fixed words, and the rest in Base64."""
    run = script(
        __file__,
        "run_command",
        begin=marks.begin.halves,
        end=marks.end.halves,
        command=command,
        limit=f"{limit.total_seconds():g}",
        kill_after=f"{kill_after.total_seconds():g}",
    )
    log_in = script(__file__, "log_in", mark=marks.login.halves, sudo=sudo, search_path=PATH)
    environment = shlex.join(["/usr/bin/env", "-i", f"PATH={PATH}", "LC_ALL=C"])
    shell = shlex.join(["/bin/sh", "-c", ENTRY, "sh", _safe(log_in), _safe(run)])
    return f'{environment} HOME="$HOME" USER="$USER" LOGNAME="$LOGNAME" {shell}'


def _safe(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Heard:
    """This is one stream of a call: the text before each mark, and the command's own bytes between the last two."""

    def __init__(self, marks: Marks) -> None:
        self._awaited = [marks.login.whole + b"\n", marks.begin.whole + b"\n"]
        self._end = marks.end.whole
        self._before = b""
        self._chunks: list[bytes] = []
        self._tail = b""
        self._after = b""
        self._ended = False

    @property
    def is_ours(self) -> bool:
        """Checks whether the login shell has started this project's script."""
        return len(self._awaited) <= 1

    @property
    def has_begun(self) -> bool:
        """Checks whether the command runs, as the intended user."""
        return not self._awaited

    @property
    def foreign(self) -> str:
        """Returns what other programs have printed since the last mark before the command, or the end of it."""
        return self._before.decode(errors="replace").strip()

    def take(self, chunk: bytes) -> int:
        """Takes a chunk of the stream, and returns how many of its bytes count as the command's."""
        while self._awaited:
            before, found, chunk = (self._before + chunk).partition(self._awaited[0])
            self._before = before[-KEPT_BYTES:]
            if not found:
                return 0
            del self._awaited[0]
            if self._awaited:
                self._before = b""
        if self._ended:
            self._after = (self._after + chunk)[:STATUS_BYTES]
            return 0
        self._chunks.append(chunk)
        seen = self._tail + chunk
        self._ended = self._end in seen
        self._tail = seen[-len(self._end) :]
        return len(chunk)

    def content(self) -> tuple[bytes, bytes]:
        """Returns the command's own bytes, and the line that begins with the end mark, without that mark.

        The line is empty if the end mark did not arrive completely.
        """
        body, _, rest = b"".join(self._chunks).partition(self._end)
        line, end, _ = (rest + self._after).partition(b"\n")
        return body, line + end


def words_of_login(*streams: Heard) -> str:
    """Returns what other programs printed, for an error: the last lines, each of limited length."""
    lines = [line.strip() for heard in streams for line in heard.foreign.splitlines() if line.strip()]
    return "\n".join(
        line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}…" for line in lines[-QUOTED_LINES:]
    )
