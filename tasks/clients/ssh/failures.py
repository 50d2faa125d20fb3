"""Translates paramiko's exceptions into their meaning, and into the text of errors."""

import paramiko
from paramiko.common import OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
from paramiko.ssh_exception import NoValidConnectionsError

FORWARDING_HINT = "its sshd_config needs `AllowTcpForwarding yes` (or `local`), and a PermitOpen that includes this"

QUOTED_CHARACTERS = 120
"""Limits how many characters of a command or of a known_hosts line are quoted in errors and log lines."""


def is_forbidden(error: Exception) -> bool:
    """Checks whether sshd's configuration blocked a channel, and not a state that may change."""
    return isinstance(error, paramiko.ChannelException) and error.code == OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


def words_of(error: Exception) -> str:
    """Returns what happened, for errors whose own text is empty or describes paramiko's internals."""
    match error:
        case NoValidConnectionsError():
            words = "; ".join(sorted({words_of(cause) for cause in error.errors.values()}))
        case paramiko.ChannelException():
            words = error.text
        case TimeoutError():
            words = "timed out"
        case EOFError():
            words = "closed by the other side"
        case paramiko.SSHException() if "existing session" in str(error):
            words = "the SSH handshake timed out"
        case OSError():
            words = error.strerror or ""
        case _:
            words = str(error)
    return words or str(error) or type(error).__name__
