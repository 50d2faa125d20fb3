"""Provides client certificates for etcd: the worker's own, and those that nodes keep for their own members."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property

from tasks.clients.etcd import Credentials
from tasks.clients.ssh import SshNode
from tasks.core import redaction
from tasks.core.errors import Refused
from tasks.core.models.profile import ClusterProfile, EtcdOnNode
from tasks.core.probes.own_certificate import what_is_wrong_with
from tasks.core.secrets import resolve_public, resolve_secret


class EtcdCertificates:
    """Holds the client certificates for etcd.

    They are checked when they are read, on first use. They exist only in memory.
    """

    def __init__(self, profile: ClusterProfile, node: Callable[[str], SshNode]) -> None:
        self.profile = profile
        self._node = node
        self._of_nodes: dict[tuple[str, EtcdOnNode], Credentials] = {}

    @cached_property
    def own(self) -> Credentials:
        """Returns the worker's own client certificate, which the profile names."""
        files = self.profile.etcd.client
        if files is None:
            raise Refused(
                "etcd.client is missing: the direct route needs a client certificate", hint="add it, or use the tunnel"
            )
        ca = resolve_public(files.ca, "etcd.client.ca").encode()
        certificate = resolve_public(files.certificate, "etcd.client.certificate").encode()
        key = resolve_secret(files.key, "etcd.client.key").encode()
        return _checked(Credentials(ca, certificate, key), f"etcd.client.certificate: {files.certificate}")

    def of_node(self, node: str, paths: EtcdOnNode) -> Credentials:
        """Reads the node's own client certificate over SSH into memory."""
        if (node, paths) not in self._of_nodes:
            connection = self._node(node)
            parts = [connection.read_file(str(path), sudo=True) for path in (paths.ca, paths.certificate, paths.key)]
            redaction.remember_secret(parts[-1].decode(errors="replace"))
            self._of_nodes[node, paths] = _checked(Credentials(*parts), f"{node}: {paths.certificate}")
        return self._of_nodes[node, paths]


def _checked(credentials: Credentials, what: str) -> Credentials:
    if wrong := what_is_wrong_with(credentials.certificate, credentials.key, now=datetime.now(UTC)):
        raise Refused(f"{what}: {wrong}", hint="issue a new client certificate for etcd, and put its key beside it")
    return credentials
