"""Finds, in the output of a tool that failed, the lines that say why.

People read them at the head of an error, above the last lines of the output. Nothing is decided by them.
"""

import re
from collections.abc import Sequence

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

PREFLIGHT = re.compile(r"\s*(\[ERROR [^\]]+\]: .*)")
"""Matches kubeadm's line for a failed preflight check."""

ERROR = re.compile(r"(?:\[[a-z/-]+\] FATAL|error|Error): *(.*)")
"""Matches the last words of kubeadm, crictl, dnf and rpm."""

FATAL = re.compile(r"(?:FATA\[\d+\]|time=\S+ level=fatal msg=)\s*(.*)")
"""Matches the last words of crictl."""

PROBLEM = re.compile(r"\s*(Problem(?: \d+)?: .*)")
"""Matches the line in which dnf and zypper say why packages cannot be installed together."""

APT, DPKG = "E: ", "dpkg: error processing "

PROGRESS = re.compile(
    r"\(Reading database|(Setting up|Unpacking|Preparing to unpack|Selecting|Processing triggers|debconf:|dpkg:) ?"
)
"""Matches the lines that dpkg writes itself: the others around them are a maintainer script's."""

NOISE = re.compile(r"To see the stack trace of this error|needrestart is being skipped")

LONGEST, HEAD, TAIL = 240, 120, 100
"""These constants limit the characters of a reason, and how many of a long chain's start and end are shown."""

SCRIPT_LINES = 2
"""Limits how many of a maintainer script's last lines are quoted."""


def reason_of(output: str) -> str:
    """Returns why a tool failed, in its own words and on one line; the last line if no error line is recognised.

    It is empty if the tool printed nothing.
    """
    lines = [line.rstrip() for line in COLOURS.sub("", output).splitlines()]
    lines = [line for line in lines if line and not NOISE.match(line)]
    for line in reversed(lines):
        if line.startswith((APT, DPKG)):
            return _of_apt(lines)
        if PREFLIGHT.match(line) or ERROR.match(line) or FATAL.match(line) or PROBLEM.match(line):
            return _of_others(lines)
    return _short(lines[-1].strip()) if lines else ""


def _of_others(lines: Sequence[str]) -> str:
    """Returns the most telling lines: a failed check, else a problem with packages, else the first and the last error."""
    for form in (PREFLIGHT, PROBLEM):
        if found := [match.group(1) for line in lines if (match := form.match(line))]:
            return _and_more(_short(found[0]), len(found) - 1)
    errors = [
        _short(" ".join((match.group(1).strip('" '), *_indented(lines[at + 1 :]))).strip())
        for at, line in enumerate(lines)
        if (match := ERROR.match(line) or FATAL.match(line))
    ]
    return "; ".join(dict.fromkeys((errors[0], errors[-1])))


def _of_apt(lines: Sequence[str]) -> str:
    """Returns dpkg's first error with what the package's script printed, else apt's first error."""
    broken = [at for at, line in enumerate(lines) if line.startswith(DPKG)]
    at = broken[0] if broken else next(at for at, line in enumerate(lines) if line.startswith(APT))
    reason = _short(" ".join((lines[at], *_indented(lines[at + 1 :]))))
    if broken:
        said = _last_of_script(lines[:at])
        return _and_more(f"{reason}: {_short(said)}" if said else reason, len(broken) - 1)
    unmet = [line.strip() for line in lines[:at][-1:] if line.startswith(" ")]
    return f"{reason} ({_short(unmet[0])})" if unmet else reason


def _last_of_script(lines: Sequence[str]) -> str:
    """Returns the last lines that a maintainer script printed before dpkg's error."""
    said: list[str] = []
    for line in reversed(lines):
        if PROGRESS.match(line) or len(said) == SCRIPT_LINES:
            break
        said.insert(0, line.strip())
    return " / ".join(said)


def _indented(lines: Sequence[str]) -> Sequence[str]:
    """Returns the lines that continue the one before them."""
    end = next((at for at, line in enumerate(lines) if not line[0].isspace()), len(lines))
    return [line.strip() for line in lines[:end]]


def _and_more(reason: str, more: int) -> str:
    return f"{reason} (and {more} more)" if more else reason


def _short(chain: str) -> str:
    """Returns a chain of causes with its middle left out if it is long: its start says what, its end says why."""
    if len(chain) <= LONGEST:
        return chain
    links = list({link.replace('"', ""): link for link in chain.split(": ") if link != "rpc error"}.values())
    head, tail = links.pop(0), links.pop() if links else ""
    while links and len(head) + len(links[0]) < HEAD:
        head = f"{head}: {links.pop(0)}"
    while links and len(tail) + len(links[-1]) < TAIL:
        tail = f"{links.pop()}: {tail}"
    head = head if len(head) <= HEAD else f"{head[:HEAD]}…"
    tail = tail if len(tail) <= HEAD else f"…{tail[-HEAD:]}"
    return f"{head}: {'… ' if links else ''}{tail}" if tail else head
