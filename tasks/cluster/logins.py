"""Manages SSH connections to the nodes of a cluster, which are opened on first use and stay open."""

import threading
from functools import cached_property
from pathlib import Path

from pydantic import SecretStr

from tasks.clients.ssh import SshNode, SshTarget
from tasks.core.errors import Refused
from tasks.core.models.profile import ClusterProfile
from tasks.core.secrets import read_public_file, resolve_secret


class Logins:
    """Defines how the worker logs in to the nodes of a profile.

    The key is resolved on first use. It exists only in memory.
    """

    def __init__(self, profile: ClusterProfile) -> None:
        self.profile = profile
        self._lock = threading.RLock()
        self._nodes: dict[str, SshNode] = {}

    def node(self, name: str) -> SshNode:
        """Returns the connection to a node."""
        with self._lock:
            if name not in self._nodes:
                self._nodes[name] = self._connect(name)
            return self._nodes[name]

    def check(self) -> None:
        """Resolves what needs no network: the key and known_hosts."""
        _ = self._ssh_key, self._known_hosts

    def close(self) -> None:
        """Closes all connections."""
        with self._lock:
            for node in self._nodes.values():
                node.close()
            self._nodes.clear()
            if gateway := self.__dict__.pop("_gateway", None):
                gateway.close()

    @cached_property
    def _ssh_key(self) -> str:
        return resolve_secret(self.profile.ssh.key, "ssh.key") if self.profile.ssh else ""

    @cached_property
    def _known_hosts(self) -> Path:
        path = Path(self.profile.ssh.known_hosts if self.profile.ssh else "")
        read_public_file(str(path), "ssh.known_hosts")
        return path

    @cached_property
    def _gateway(self) -> SshNode | None:
        """Returns the connection to the bastion, which all nodes share; None if the profile has no bastion."""
        ssh = self.profile.ssh
        if ssh is None or ssh.gateway is None:
            return None
        gateway = ssh.gateway
        key = resolve_secret(gateway.key, "ssh.gateway.key") if gateway.key else self._ssh_key
        target = SshTarget(
            name="gateway",
            address=gateway.address,
            port=gateway.port,
            user=gateway.user or ssh.user,
            key=SecretStr(key),
            known_hosts=self._known_hosts,
        )
        return SshNode(target)

    def _connect(self, name: str) -> SshNode:
        node, ssh = self.profile.node(name), self.profile.ssh
        if ssh is None or node is None:
            raise Refused(f"{name}: the profile has no way to log in to it", hint="add ssh: and the node to nodes:")
        target = SshTarget(
            name=node.name,
            address=node.address,
            port=node.port,
            user=ssh.user,
            key=SecretStr(self._ssh_key),
            known_hosts=self._known_hosts,
            sudo=ssh.sudo,
        )
        return SshNode(target, gateway=self._gateway)
