"""Masks what may be a secret in a line that a program wrote, such as a line of a log.

It is a net, not a proof: a secret without a name beside it passes. So logs are read only if somebody asks for them.
"""

import re

MASK = "***"
NAMED = re.compile(
    r"passw|passphrase|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|credential", re.IGNORECASE
)
"""Matches the name of a value that is probably a secret."""

_PAIR = re.compile(
    r"""([\w.-]*(?:passw|passphrase|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|credential|authorization|cookie)
        [\w.-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|(?:Bearer\s|Basic\s)?[^\s,;&"']+)""",
    re.IGNORECASE | re.VERBOSE,
)
_USER = re.compile(r"(://[^/\s:@]*:)[^@\s/]+(?=@)")
_LONG = re.compile(
    r"\b(?=[A-Za-z0-9_+/-]*\d)(?=[A-Za-z0-9_+/-]*[A-Z])(?=[A-Za-z0-9_+/-]*[a-z])[A-Za-z0-9_+-]{32,}={0,2}"
)
LONGEST = 300
"""Limits the characters of a line."""

END = 100
"""Is how many of them are from the end of the line. The first cause is the last one in the words of a container runtime."""

CUT = " … "


def masked(line: str) -> str:
    """Returns the line without values that have the name of a secret, passwords in URLs, and long random words."""
    text = _USER.sub(rf"\1{MASK}", _PAIR.sub(rf"\1{MASK}", line.strip()))
    text = _LONG.sub(MASK, text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - END - len(CUT)]}{CUT}{text[-END:]}"


def is_secret_name(name: str) -> bool:
    """Checks whether a variable of this name probably holds a secret."""
    return NAMED.search(name) is not None
