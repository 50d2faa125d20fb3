"""The ends of connections, where two of them end in the same moment."""

from typing import Any

import paramiko
import pytest

from tasks.clients.ssh.transport import _Wire


class _Gone:
    """A gateway whose own connection has just ended, and which has not told its channels yet."""

    def get_log_channel(self) -> str:
        """As paramiko asks for it."""
        return "paramiko"

    def _send_user_message(self, message: paramiko.Message) -> None:
        del message
        raise EOFError


def test_a_channel_is_closed_where_its_gateway_is_gone_too() -> None:
    """Both watchdogs bark at once: the one of the node behind it ends its connection, and nothing is left of it."""
    channel = paramiko.Channel(1)
    gone: Any = _Gone()
    channel._set_transport(gone)  # type: ignore[attr-defined]  # noqa: SLF001 - as paramiko does it
    channel.active = True
    _Wire(channel).close()
    assert channel.closed
    with pytest.raises(OSError, match="closed"):
        channel.send(b"x")
