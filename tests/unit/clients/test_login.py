"""How a command passes through a login shell that prints, and through a sudo that refuses: by real shells, heard as over SSH."""

import shlex
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.clients.ssh import login
from tasks.clients.ssh.login import Heard, Marks, login_line, words_of_login

COMMAND = "printf 'its answer'; printf 'its complaint' >&2; exit 3"


PIECE = 7
"""Bytes that come at once."""


def heard(
    command: str, *, noise: str = "", end: str = "", sudo: bool = False, shell: str = "bash"
) -> tuple[Heard, Heard]:
    """Both streams of a login whose files print before the command and after it, in small pieces."""
    marks = Marks()
    line = login_line(command, marks, limit=timedelta(minutes=1), kill_after=timedelta(seconds=1), sudo=sudo)
    done = subprocess.run([shell, "-c", f"{noise}\n{line}\n{end}".strip()], capture_output=True, check=False)
    streams = Heard(marks), Heard(marks)
    for stream, printed in zip(streams, (done.stdout, done.stderr), strict=True):
        for start in range(0, len(printed), PIECE):
            stream.take(printed[start : start + PIECE])
    return streams


@pytest.mark.parametrize(
    "noise",
    ["", "echo hello", "echo hello >&2", "printf hello; printf hello >&2", "head -c 99999 /dev/urandom", "set -xv"],
)
def test_what_a_login_prints_is_none_of_the_answer(noise: str) -> None:
    """It became part of files, times and locks (F7)."""
    out, err = heard(COMMAND, noise=noise, end="echo bye; echo bye >&2; exit 9")
    assert out.content()[0] == b"its answer"
    assert err.content() == (b"its complaint", b" 3\n")


@pytest.mark.parametrize(
    "said", ["sudo: interactive authentication is required", "sudo: Ein Passwort ist notwendig", ""]
)
def test_a_sudo_that_refuses_has_not_begun_the_command(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its status 1 was taken for the command's own, in whatever words it refuses (F8)."""
    stub = tmp_path / "sudo"
    stub.write_text(f"#!/bin/sh\n[ -z '{said}' ] || echo '{said}' >&2\nexit 1\n")
    stub.chmod(0o755)
    monkeypatch.setattr(login, "PATH", f"{tmp_path}:{login.PATH}")
    out, err = heard("true", noise="echo hello >&2", sudo=True)
    assert [(one.is_ours, one.has_begun) for one in (out, err)] == [(True, False), (True, False)]
    assert words_of_login(out, err) == said


def test_a_login_that_ends_before_us_has_started_nothing() -> None:
    """Its words are shown."""
    out, err = heard("true", noise="echo closed for today; exit 0")
    assert not out.is_ours
    assert words_of_login(out, err) == "closed for today"


@pytest.mark.may_skip
@pytest.mark.parametrize("shell", ["dash", "tcsh", "fish", "zsh"])
def test_a_command_is_the_same_for_a_login_shell_of_any_family(shell: str) -> None:
    """csh and fish have other words for variables, quotes and redirections (F21)."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}: apt-get install {shell}")
    word = "it's \\n $HOME `id` !1 {a,b} ~ *"
    out, err = heard(f"printf %s {shlex.quote(word)}; exit 4", shell=shell)
    assert (out.content()[0].decode(), err.content()) == (word, (b"", b" 4\n"))
