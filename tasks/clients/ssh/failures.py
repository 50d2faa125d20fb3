"""What paramiko's exceptions mean, and how errors word it."""

import paramiko
from paramiko.common import OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
from paramiko.ssh_exception import NoValidConnectionsError

FORWARDING_HINT = "its sshd_config needs `AllowTcpForwarding yes` (or `local`), and a PermitOpen that includes this"

QUOTED_CHARACTERS = 120
"""Of a command, or of a line of known_hosts, that errors and log lines quote."""


def is_forbidden(error: Exception) -> bool:
    """Whether sshd's configuration, and not the state of the world, was in the way of a channel."""
    return isinstance(error, paramiko.ChannelException) and error.code == OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


def words_of(error: Exception) -> str:
    """What happened, for errors whose own text is empty or speaks of paramiko's insides."""
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
