"""What a rotation decides from: what was observed, what was asked for, and when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.cert_rotation.models.rotation import OnNode, ProofsNow, RotationFacts, RotationOptions
from tasks.certificates.models.inventory import Certificate, NodeCertificates
from tasks.core.models.etcd import Member
from tasks.core.models.profile import CertificateRules


@dataclass(frozen=True)
class RotationView:
    """Facts and options, with what is asked of them again and again."""

    facts: RotationFacts
    options: RotationOptions
    rules: CertificateRules
    now: datetime

    def left_on(self, name: str) -> OnNode:
        """What earlier runs have left on a node."""
        return next((one for one in self.facts.left if one.node == name), OnNode(node=name))

    def member_on(self, name: str) -> Member | None:
        """Its member of etcd."""
        members = self.facts.etcd.members if self.facts.etcd else ()
        return next((one for one in members if name in {one.node, one.name}), None)

    def proofs_on(self, name: str) -> ProofsNow:
        """Of a node that could not be asked, as if all were well: what is not known is asked for afterwards."""
        return next((one for one in self.facts.proofs if one.node == name), ProofsNow(node=name))

    def is_asked_for(self, leaf: str) -> bool:
        """No others were named, or it was."""
        return not self.options.only or leaf in self.options.only

    def is_done(self, left: OnNode) -> bool:
        """A retry of a run renews nothing twice, also where a new leaf lives for less than `renew_before`."""
        return self.facts.run_id in left.ended

    def has_ended(self, one: Certificate) -> bool:
        """It is not valid any more."""
        left = one.left(self.now)
        return left is not None and left <= timedelta()

    def explains_failure(self, node: NodeCertificates, leaves: Iterable[str]) -> bool:
        """One of these leaves is good for nothing on that node, which the run changes."""
        found = filter(None, (node.named(leaf) for leaf in leaves))
        return any(self.has_ended(one) or one.signed is False for one in found)
