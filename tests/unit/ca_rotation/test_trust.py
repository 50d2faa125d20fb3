"""What a node tells of a CA, asked for real on folders that kubeadm has made."""

import pytest

from tasks.ca_rotation.models import TrustOnNode
from tasks.ca_rotation.policy.trust import state_of
from tasks.ca_rotation.probes.places import Places
from tasks.ca_rotation.probes.trust import parse
from tasks.certificates.authority import new_key_pair
from tasks.certificates.models.authorities import State
from tasks.core.models.kubeadm import Authority
from tests.facts.ca_nodes import Node


@pytest.mark.parametrize("authority", Authority)
def test_before_a_rotation_a_node_has_only_the_old_one(node: Node, authority: Authority) -> None:
    """And nothing is laid down."""
    found = node.look(authority)
    assert (found.old, found.new) == (None, None)
    assert len(found.trusted) == 1
    assert found.signs == found.trusted[0].public_key
    assert state_of(found, found.trusted[0], None) is State.ONLY_OLD
    assert found.trusted_since
    assert found.signs_since


def test_halves_are_for_root_alone_and_what_cannot_be_read_is_none(node: Node) -> None:
    """A half whose key is another one's does not count."""
    node.begin(Authority.CLUSTER)
    work = node.root.parent / "work/ca"
    assert {f"{file.stat().st_mode & 0o777:o}" for file in (*work.iterdir(), work)} == {"600", "700"}
    (work / "new.key").write_bytes(new_key_pair()[0])
    (work / "old.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    found = node.look(Authority.CLUSTER)
    assert (found.old, found.new) == (None, None)
    nowhere = Places({}, "")
    nothing = TrustOnNode(node="w1", problems=("kubelet's configuration has no authentication.x509.clientCAFile",))
    assert parse("w1", Authority.CLUSTER, nowhere, b"") == nothing
    assert parse("w1", Authority.CLUSTER, nowhere, b"half old !!!").old is None
    assert node.files(Authority.ETCD).key == str(node.pki / "etcd/ca.key")
