"""The nodes of a stage as they stand: who is there, what each trusts, who signs, and where the stage is to bring them."""

from collections.abc import Iterator
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
    """All that the rules of a stage look at."""

    facts: CaRotationFacts
    stage: Stage
    options: CaRotationOptions
    rules: CertificateRules
    now: datetime

    @property
    def authority(self) -> Authority:
        """That is rotated."""
        return self.facts.authority

    # --- who is there

    @cached_property
    def renewal(self) -> RotationScene:
        """The same nodes as a renewal of leaves sees them; none of which it would renew by itself."""
        options = RotationOptions(only=("kubelet-client",), allow_downtime=self.options.allow_downtime)
        return RotationScene(self.facts.rotation, options, self.rules, self.now)

    @cached_property
    def control_planes(self) -> tuple[NodeCertificates, ...]:
        """In the order in which they are done."""
        return tuple(state.node for state in self.renewal.control_planes)

    @cached_property
    def nodes(self) -> tuple[NodeCertificates, ...]:
        """All that the stage is about: of the cluster's CA also workers."""
        workers = (state.node for state in self.renewal.workers)
        return (*self.control_planes, *(workers if self.authority is Authority.CLUSTER else ()))

    # --- what is trusted, and who signs

    @cached_property
    def trust(self) -> dict[str, TrustOnNode]:
        """By node."""
        return {one.node: one for one in self.facts.nodes}

    @cached_property
    def halves(self) -> tuple[Half | None, Half | None]:
        """The old and the new one."""
        return halves_of(self.trust[node.name] for node in self.control_planes if node.name in self.trust)

    @property
    def old(self) -> Half | None:
        """None where nothing is understood."""
        return self.halves[0]

    @property
    def new(self) -> Half | None:
        """None before a rotation has begun."""
        return self.halves[1]

    def state(self, node: NodeCertificates) -> State:
        """Where it stands now."""
        found = self.trust.get(node.name)
        if found is None or found.unreached or self.old is None:
            return State.FOREIGN
        return state_of(found, self.old, self.new)

    def signed_by_halves(self, node: NodeCertificates) -> Iterator[Certificate]:
        """Certificates of the node that the old or the new one has signed."""
        halves = {half.id for half in self.halves if half}
        for one in node.certificates:
            if one.signer in halves and not one.place and one.kind is not Kind.TRUST and one.name:
                yield one

    # --- where the stage brings them

    @property
    def target(self) -> State:
        """Of each node at the end of the stage."""
        return AFTER[self.stage]

    @property
    def before(self) -> State | None:
        """Of each node at its beginning; none where nothing has to be so."""
        stage = BEFORE[self.stage]
        return AFTER[stage] if stage else None

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """What everybody is to trust, in its order; an empty id before there is a new one."""
        ids = {half: one.id if one else "" for half, one in zip(("old", "new"), self.halves, strict=True)}
        return tuple(ids[half] for half in FILES[self.target].trusted)

    @cached_property
    def signer(self) -> str:
        """The id of the one that signs at the end of the stage."""
        half = self.new if FILES[self.target].signs == NEW else self.old
        return half.id if half else ""


def trusted_by(node: NodeCertificates, path: str) -> tuple[str, ...]:
    """What a kubeconfig of the node trusts."""
    return tuple(one.fingerprint for one in node.certificates if one.path == path and one.kind is Kind.TRUST)
