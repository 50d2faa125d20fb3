"""Defines what a connection needs beforehand: where to log in, whom to trust, how long to wait."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr

from tasks.core.models.base import Duration, Model
from tasks.core.models.profile import HostName, Port
from tasks.core.models.shape import Address

SSH_PORT = 22
"""This is the port that known_hosts does not write down."""


class SshTarget(Model):
    """This is where to log in, as which user, and which host keys to trust."""

    name: HostName = Field(description="starts each log line and each error")
    address: HostName
    port: Port = SSH_PORT
    user: str = Field(min_length=1)
    key: SecretStr = Field(description="the private key itself (OpenSSH or PEM, no passphrase), not its path")
    known_hosts: Path = Field(description="OpenSSH known_hosts file; a host that is not in it is refused")
    sudo: bool = Field(
        default=True, description="whether privileged commands need `sudo -n`; false when `user` is root"
    )

    @property
    def login(self) -> str:
        """Returns `user@address:port`."""
        return f"{self.user}@{self.place}"

    @property
    def place(self) -> str:
        """Returns `address:port`, with an IPv6 address in brackets."""
        return Address(host=self.address, port=self.port).text

    @property
    def known_as(self) -> str:
        """Returns the name of the address in known_hosts."""
        return self.address if self.port == SSH_PORT else f"[{self.address}]:{self.port}"


class SshLimits(Model):
    """These limits define how long to wait for each part of a connection, and how much output to keep."""

    connect: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="for TCP, and again for the handshake: a node that boots answers late, a dead address never",
    )
    login: Duration = Field(
        default=timedelta(seconds=20),
        gt=timedelta(0),
        description="for authentication: PAM and directory services are slow",
    )
    channel: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="for the opening of a channel; paramiko's own is an hour",
    )
    keepalive_interval: Duration = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="between two questions whether the peer is there"
    )
    keepalive_limit: Duration = Field(
        default=timedelta(seconds=15), gt=timedelta(0), description="of silence after which the connection is given up"
    )
    kill_after: Duration = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="between TERM and KILL for a command over its time"
    )
    grace: Duration = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="beyond the remote limits before the command counts as lost",
    )
    output_bytes: int = Field(
        default=4 * 2**20,
        gt=0,
        description="of stdout and stderr together; probes need far less, and bulk does not go this way",
    )
