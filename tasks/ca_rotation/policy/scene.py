"""A stage of a rotation as its nodes stand: what is believed, who signs, and what is left to do on each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tasks.ca_rotation.models import CaRotationFacts, CaRotationOptions, Half, NodeStage, Stage, TrustOnNode
from tasks.ca_rotation.policy.trust import AFTER, BEFORE, halves_of, readers_of, state_of
from tasks.cert_rotation.models.rotation import NodeRotation, RotationOptions
from tasks.cert_rotation.policy.before import unled, unproven
from tasks.cert_rotation.policy.scope import RotationScene
from tasks.certificates.models.authorities import FILES, NEW, SIGNING_FLAG, State, is_single, signing_file
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.policy.inventory import who_has_not_read
from tasks.core.models.kubeadm import CONTROLLERS, KUBELET, KUBELET_CLIENT, Authority
from tasks.core.models.profile import CertificateRules


@dataclass(frozen=True)
class CaScene:
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
        """All that the stage is about: of the cluster's authority also workers."""
        workers = (state.node for state in self.renewal.workers)
        return (*self.control_planes, *(workers if self.authority is Authority.CLUSTER else ()))

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
        """What everybody is to believe, in its order; an empty id before there is a new one."""
        ids = {half: one.id if one else "" for half, one in zip(("old", "new"), self.halves, strict=True)}
        return tuple(ids[half] for half in FILES[self.target].trusted)

    @cached_property
    def signer(self) -> str:
        """The id of the one that signs at the end of the stage."""
        half = self.new if FILES[self.target].signs == NEW else self.old
        return half.id if half else ""

    # --- what is left

    def what_is_left(self, node: NodeCertificates) -> tuple[str, ...]:
        """Why there is something to do on a node; nothing when the stage has come to its end there."""
        state = self.state(node)
        leaves = tuple(
            f"{leaf} is not signed by the {FILES[self.target].signs} one" for leaf in self.leaves_behind(node)
        )
        if state is not self.target:
            return (f"it is {state}", *leaves)
        return (
            *leaves,
            *(f"{path} believes something else" for path in self.kubeconfigs_behind(node)),
            *(f"{pod} has not read its files" for pod in self.pods_behind(node)),
            *(["its kubelet has not read its files"] if self.kubelet_is_behind(node) else []),
            *([f"{CONTROLLERS} signs with another file"] if self._signs_with_another_file(node) else []),
        )

    def is_to_be_put_away(self, node: NodeCertificates) -> bool:
        """At the end of the last stage: what the rotation has laid down there."""
        found = self.trust.get(node.name)
        return self.stage is Stage.DROP_OLD and found is not None and bool(found.old or found.new)

    def work_on(self, node: NodeCertificates) -> NodeStage:
        """Of a node on which something is left."""
        leaves = [leaf for leaf in self.leaves_behind(node) if leaf in LEAVES]
        state = next((one for one in self.renewal.control_planes if one.name == node.name), None)
        copies = [copy.path for copy in node.kubeconfigs if copy.copy_of in leaves and not copy.missing]
        return NodeStage(
            name=node.name,
            control_plane=state is not None,
            state=self.state(node),
            rotation=NodeRotation(
                name=node.name,
                leaves=tuple(leaves),
                restarts=readers_of(self.authority) if state else (),
                copies=tuple(copies),
                configuration=self.renewal.configuration(state) if state and leaves else "",
                begun=state.begun if state else False,
                unproven=unproven(self.renewal, state, readers_of(self.authority), leaves) if state else (),
                unled=unled(self.renewal) if state else (),
            ),
            kubelet=KUBELET_CLIENT in self.leaves_behind(node),
        )

    def act(self, name: str) -> str:
        """In words, for the plan."""
        words = {
            Stage.TRUST_BOTH: "believe the old and the new one",
            Stage.SIGN_WITH_NEW: "sign with the new one, and have everything signed by it",
            Stage.DROP_OLD: "believe the new one alone",
        }
        anew = ", ".join(readers_of(self.authority)) if name in {one.name for one in self.control_planes} else KUBELET
        return f"{words[self.stage]}; {anew} anew"

    def kubeconfigs_behind(self, node: NodeCertificates) -> Iterator[str]:
        """Those that do not believe what they are to believe; of the cluster's authority alone."""
        if self.authority is not Authority.CLUSTER:
            return
        for config in node.kubeconfigs:
            if not config.missing and set(believed_by(node, config.path)) != set(self.wanted):
                yield config.path

    def leaves_behind(self, node: NodeCertificates) -> tuple[str, ...]:
        """By kubeadm's names. In trust-both only what a stage that is taken back has signed."""
        own = {name for name, made in LEAVES.items() if made.authority == self.authority}
        own |= {KUBELET_CLIENT} if self.authority is Authority.CLUSTER else set()
        signed = {one.name: one for one in self.signed_by_it(node) if one.name in own}
        return tuple(
            name for name in (*LEAVES, KUBELET_CLIENT) if name in signed and signed[name].signer != self.signer
        )

    def signed_by_it(self, node: NodeCertificates) -> Iterator[Certificate]:
        """Certificates of the node that the old or the new one has signed."""
        halves = {half.id for half in self.halves if half}
        for one in node.certificates:
            if one.signer in halves and not one.place and one.kind is not Kind.TRUST and one.name:
                yield one

    def pods_behind(self, node: NodeCertificates) -> tuple[str, ...]:
        """Static pods that were started before a file of theirs was written."""
        behind = who_has_not_read(node)
        return tuple(pod for pod in readers_of(self.authority) if pod in behind)

    def kubelet_is_behind(self, node: NodeCertificates) -> bool:
        """It reads ca.crt and its kubeconfig when it starts."""
        process = node.process(KUBELET)
        if self.authority is not Authority.CLUSTER or process is None:
            return False
        trust = self.trust.get(node.name)
        conf = (one.written_at for one in node.certificates if one.path.endswith("/kubelet.conf"))
        times = [moment for moment in (trust.trusted_since if trust else None, *conf) if moment]
        return any(moment > process.started_at for moment in times)

    def _signs_with_another_file(self, node: NodeCertificates) -> bool:
        if self.authority is not Authority.CLUSTER or not node.is_control_plane:
            return False
        trust = self.trust[node.name]
        found = trust.flags.get(f"{CONTROLLERS} --{SIGNING_FLAG}", "")
        if not found.endswith(f"/{signing_file(self.authority, self.target)}"):
            return True
        return not is_single(self.authority, self.target) and [half.id for half in trust.signing] != [self.signer]

    # --- what the API hands out

    def what_is_not_published(self) -> Iterator[str]:
        """What the run itself changes; the cluster's own controllers do the rest, and are waited for."""
        api = self.facts.api
        if self.authority is Authority.CLUSTER and api.joinable and set(api.cluster_info) != set(self.wanted):
            yield "cluster-info has something else for nodes that join"
        if self.stage is not Stage.DROP_OLD:
            return
        if self.old and self.authority is Authority.CLUSTER and self.old.id in api.clients:
            yield "extension-apiserver-authentication keeps the old one for ever: API servers only add to it"
        if self.old and self.authority is Authority.FRONT_PROXY and self.old.id in api.front_proxies:
            yield "extension-apiserver-authentication keeps the old one for ever: API servers only add to it"


def believed_by(node: NodeCertificates, path: str) -> tuple[str, ...]:
    """What a kubeconfig of the node believes."""
    return tuple(one.fingerprint for one in node.certificates if one.path == path and one.kind is Kind.TRUST)
