"""Queries the package sources of a node: which files it has, and which versions the repositories of a minor offer."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.nodes.models.nodes import PackageManager, Packages
from tasks.nodes.probes.repositories import Rewritten, SourceFile

ASK_SECONDS = 20
"""Limits how long the repositories of a minor may take to answer, in seconds."""

TIMED_OUT = 124
"""This is the exit status of `timeout` after its time is over."""

LAST_WORDS = 3
"""Limits how many lines of a package manager's output are shown."""


@dataclass(frozen=True)
class Sources:
    """Describes a node's package manager, and the files that name its repositories."""

    manager: PackageManager
    files: tuple[SourceFile, ...]


def ask_sources() -> str:
    """Returns the command that queries the package sources."""
    return script(__file__, "sources")


def sources_in(stdout: bytes) -> Sources:
    """Parses the output of `ask_sources`, or of any script that contains `tell_manager`."""
    told = Printed.of(stdout)
    files = (SourceFile(path, base64.b64decode(text)) for text, path in told.pairs("source_file"))
    return Sources(PackageManager(told.one("manager")), tuple(files))


def ask_repositories(manager: PackageManager, programs: Sequence[str]) -> str:
    """Returns the command that queries the repositories.

    Its standard input is `in_lines` of copies of the node's sources.
    """
    return script(__file__, "ask_repositories", manager=manager, programs=programs, ask_seconds=ASK_SECONDS)


def in_lines(copies: Mapping[str, bytes]) -> bytes:
    """Encodes copies for `place_copies`.

    They may contain passwords, so they are never words of a command.
    """
    return b"".join(b"%s %s\n" % (name.encode(), base64.b64encode(text)) for name, text in copies.items())


def rewritten_in_lines(files: Iterable[Rewritten]) -> bytes:
    """Encodes files for `rewrite_sources.sh`, each with its content before, its content after and its path."""
    encode = base64.b64encode
    return b"".join(b"%s %s %s\n" % (encode(one.before), encode(one.after), one.path.encode()) for one in files)


def with_answer(packages: Packages, stdout: bytes) -> Packages:
    """Adds the output of `ask_repositories`: the installable versions, or why they are not known."""
    told = Printed.of(stdout)
    pairs = told.pairs("candidate")
    versions = {name: tuple(dict.fromkeys(value for other, value in pairs if other == name)) for name, _ in pairs}
    answered = {"candidates": versions, "problem": _why_unread(told) if told.all("index") else _why_no_index(told)}
    return packages.model_copy(update=answered)


def _why_unread(told: Printed) -> str:
    """Returns why apt does not read an index that exists; empty if it reads it.

    Such an index does not mean "no kubeadm".
    """
    words = told.all("unread")
    return (
        f"its index is there, and apt does not read it: {last_words(words[0]) or 'it printed nothing'}" if words else ""
    )


def _why_no_index(told: Printed) -> str:
    """Returns why there is no index.

    A repository that is too slow for us, or for its package manager, is not an empty repository.
    """
    status, _, said = told.one("asked").partition(" ")
    words = last_words(said)
    if status == str(TIMED_OUT):
        return f"no answer within {ASK_SECONDS} s{f' ({words})' if words else ''}"
    return words or f"the package manager has got no index of it, and says nothing (status {status or 'unknown'})"


def last_words(text: str) -> str:
    """Returns the end of a program's output, given in base64, as one line."""
    try:
        said = base64.b64decode(text).decode(errors="replace")
    except binascii.Error:
        return ""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " / ".join(lines[-LAST_WORDS:])
