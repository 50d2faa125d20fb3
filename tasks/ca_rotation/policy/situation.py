"""Describes the nodes of a stage: which are there, what each trusts, which half signs, and the target state."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tasks.ca_rotation.models import CaRotationFacts, CaRotationOptions, Half, Stage, TrustOnNode
from tasks.ca_rotation.policy.trust import AFTER, BEFORE, halves_of, state_of
from tasks.cert_rotation.models.rotation import RotationOptions
from tasks.cert_rotation.policy.scope import RotationScene
from tasks.certificates.models.authorities import FILES, NEW, State
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.core.models.kubeadm import Authority
from tasks.core.models.profile import CertificateRules


@dataclass(frozen=True)
class StageSituation:
    """Holds everything that the rules of a stage check."""

    facts: CaRotationFacts
    stage: Stage
    options: CaRotationOptions
    rules: CertificateRules
    now: datetime

    @property
    def authority(self) -> Authority:
        """Returns the CA or key that is rotated."""
        return self.facts.authority

    # --- who is there

    @cached_property
    def renewal(self) -> RotationScene:
        """Returns the same nodes as a leaf rotation sees them. That rotation would renew no leaf by itself."""
        options = RotationOptions(only=("kubelet-client",), allow_downtime=self.options.allow_downtime)
        return RotationScene(self.facts.rotation, options, self.rules, self.now)

    @cached_property
    def control_planes(self) -> tuple[NodeCertificates, ...]:
        """Returns the control plane nodes in the order of the rotation."""
        return tuple(state.node for state in self.renewal.control_planes)

    @cached_property
    def nodes(self) -> tuple[NodeCertificates, ...]:
        """Returns all nodes of the stage. A rotation of the cluster CA includes worker nodes."""
        workers = (state.node for state in self.renewal.workers)
        return (*self.control_planes, *(workers if self.authority is Authority.CLUSTER else ()))

    # --- what is trusted, and who signs

    @cached_property
    def trust(self) -> dict[str, TrustOnNode]:
        """Returns what each node trusts, by node name."""
        return {one.node: one for one in self.facts.nodes}

    @cached_property
    def halves(self) -> tuple[Half | None, Half | None]:
        """Returns the old and the new half."""
        return halves_of(self.trust[node.name] for node in self.control_planes if node.name in self.trust)

    @property
    def old(self) -> Half | None:
        """Returns the old half, or None if it is not known."""
        return self.halves[0]

    @property
    def new(self) -> Half | None:
        """Returns the new half, or None before a rotation has begun."""
        return self.halves[1]

    def state(self, node: NodeCertificates) -> State:
        """Returns the current state of a node."""
        found = self.trust.get(node.name)
        if found is None or found.unreached or self.old is None:
            return State.FOREIGN
        return state_of(found, self.old, self.new)

    def signed_by_halves(self, node: NodeCertificates) -> Iterator[Certificate]:
        """Yields the certificates of the node that the old or the new half has signed."""
        halves = {half.id for half in self.halves if half}
        for one in node.certificates:
            if one.signer in halves and not one.place and one.kind is not Kind.TRUST and one.name:
                yield one

    # --- where the stage brings them

    @property
    def target(self) -> State:
        """Returns the state of each node at the end of the stage."""
        return AFTER[self.stage]

    @property
    def before(self) -> State | None:
        """Returns the state that each node must have when the stage begins. The result is None if no state is required."""
        stage = BEFORE[self.stage]
        return AFTER[stage] if stage else None

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """Returns the ids that everything must trust, in order. The id of the new half is empty before it exists."""
        ids = {half: one.id if one else "" for half, one in zip(("old", "new"), self.halves, strict=True)}
        return tuple(ids[half] for half in FILES[self.target].trusted)

    @cached_property
    def signer(self) -> str:
        """Returns the id of the half that signs at the end of the stage."""
        half = self.new if FILES[self.target].signs == NEW else self.old
        return half.id if half else ""


def trusted_by(node: NodeCertificates, path: str) -> tuple[str, ...]:
    """Returns the fingerprints of the CAs that a kubeconfig of the node trusts."""
    return tuple(one.fingerprint for one in node.certificates if one.path == path and one.kind is Kind.TRUST)


def trusts_exactly(wanted: Iterable[str], node: NodeCertificates, path: str, situation: StageSituation) -> bool:
    """Checks whether a kubeconfig trusts exactly these halves.

    A person's copy may have other clusters, whose CAs are not part of the rotation.
    """
    ours = {half.id for half in situation.halves if half} & set(trusted_by(node, path))
    return ours == set(wanted)
