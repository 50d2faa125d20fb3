"""Holds the input of every decision in a rotation: what was observed, what was requested, and the time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.cert_rotation.models.rotation import OnNode, ProofsNow, RotationFacts, RotationOptions
from tasks.certificates.models.inventory import Certificate, NodeCertificates
from tasks.core.models.etcd import Member
from tasks.core.models.profile import CertificateRules


@dataclass(frozen=True)
class RotationView:
    """Holds the facts and the options, with the questions that many rules ask of them."""

    facts: RotationFacts
    options: RotationOptions
    rules: CertificateRules
    now: datetime

    def left_on(self, name: str) -> OnNode:
        """Returns what earlier runs have left on a node."""
        return next((one for one in self.facts.left if one.node == name), OnNode(node=name))

    def member_on(self, name: str) -> Member | None:
        """Returns the etcd member of a node, or None."""
        members = self.facts.etcd.members if self.facts.etcd else ()
        return next((one for one in members if name in {one.node, one.name}), None)

    def proofs_on(self, name: str) -> ProofsNow:
        """Returns the proofs of a node.

        A node without proofs counts as healthy: the proofs afterwards then include everything.
        """
        return next((one for one in self.facts.proofs if one.node == name), ProofsNow(node=name))

    def is_asked_for(self, leaf: str) -> bool:
        """Checks whether a leaf was requested. With no names given, all are."""
        return not self.options.only or leaf in self.options.only

    def is_done(self, left: OnNode) -> bool:
        """Checks whether this run already finished this node.

        A retry then renews nothing twice, even if a new leaf lives for less than `renew_before`.
        """
        return self.facts.run_id in left.ended

    def has_ended(self, one: Certificate) -> bool:
        """Checks whether a certificate has expired."""
        left = one.left(self.now)
        return left is not None and left <= timedelta()

    def explains_failure(self, node: NodeCertificates, leaves: Iterable[str]) -> bool:
        """Checks whether one of these leaves is unusable on the node. This run replaces such a leaf."""
        found = filter(None, (node.named(leaf) for leaf in leaves))
        return any(self.has_ended(one) or one.signed is False or one.pair is False or one.key_problem for one in found)
