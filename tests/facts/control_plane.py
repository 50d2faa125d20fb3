"""What nodes of a kubeadm cluster have printed."""

import base64
from pathlib import Path, PurePosixPath

from tasks.control_plane.models import MemberOnNode
from tasks.control_plane.probes.etcd_member import read_member
from tasks.control_plane.probes.look import look_at_member, parse, parse_member
from tasks.core.models.profile import EtcdOnNode

DATA = Path(__file__).parents[1] / "unit" / "data" / "control_plane"
CP1 = (DATA / "cp1.stdout").read_text()
MANIFEST = (DATA / "etcd.yaml").read_text()


def encoded(text: str) -> str:
    """As the node prints it."""
    return base64.b64encode(text.encode()).decode()


ON_NODE = EtcdOnNode(
    address="127.0.0.1",
    port=2379,
    server_name="192.0.2.11",
    ca=PurePosixPath("/etc/kubernetes/pki/etcd/ca.crt"),
    certificate=PurePosixPath("/etc/kubernetes/pki/etcd/healthcheck-client.crt"),
    key=PurePosixPath("/etc/kubernetes/pki/etcd/healthcheck-client.key"),
)
"""As kubeadm has it."""


def member_of(printed: bytes, disk: bytes = b"", texts: dict[str, str] | None = None) -> MemberOnNode:
    """A node's member, of what a look printed, and of what a look at its disk did."""
    seen = parse("cp1", printed)
    assert seen.source, seen.node.not_understood
    configured = read_member(seen.source, texts or {})
    assert look_at_member(configured, seen.source, seen.of_api)
    return parse_member(configured, seen.source, seen.of_api, disk)
