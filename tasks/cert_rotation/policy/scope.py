"""What a rotation would do on each node, and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import yaml

from tasks.cert_rotation.models.rotation import OnNode, Phase, ProofsNow, RotationFacts, RotationOptions, RotationRecord
from tasks.cert_rotation.policy.records import what_ended_since, what_has_changed
from tasks.cert_rotation.policy.san_changes import NameChange, name_change, with_names
from tasks.cert_rotation.policy.static_pods import is_silent, what_pod_lacks
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import AUTHORITIES, KUBEADM_HOURS, LEAVES
from tasks.certificates.policy.inventory import in_words
from tasks.core.models.etcd import Member
from tasks.core.models.kubeadm import AWAY_WITH, CONTROLLERS, KUBELET, KUBELET_CLIENT, ORDER, SCHEDULER
from tasks.core.models.plan import figure
from tasks.core.models.profile import CertificateRules

LEADS = timedelta(minutes=2)
"""After which nobody leads: a lease is renewed each two seconds, those of nodes each ten."""

MARGIN = timedelta(hours=1)
"""Before the end of its authority that a leaf ends, which kubeadm itself does not look at."""

_WITHOUT_WHICH = (
    *("etcd-server", "etcd-peer", "apiserver-etcd-client", "apiserver", "apiserver-kubelet-client", "admin.conf"),
    KUBELET_CLIENT,
)

LATE_PERCENT = 10
"""Of its life that a kubelet's certificate has left when the kubelet should have renewed it long ago."""


@dataclass(frozen=True)
class RotationState:
    """A node, and what is to be done there."""

    node: NodeCertificates
    left: OnNode
    member: Member | None
    due: Mapping[str, str]
    """kubeadm's leaves to be renewed, with why."""
    anew: Mapping[str, NameChange]
    """Of those, the ones whose names change."""
    rests: Mapping[str, str]
    """Leaves that are left alone, with why."""
    restarts: Mapping[str, str]
    """Static pods to be started anew, with why."""
    copies: Mapping[str, str]
    """Kubeconfigs to be refreshed, with why."""
    kubelet: str
    """Why the kubelet's client certificate is signed anew; empty when it is not."""
    hours: int
    """That new leaves are made for, so that none outlives its authority."""
    void: tuple[str, ...] = ()
    """What has changed since an interrupted run wrote its record there: it is not resumed."""
    stuck: bool = False
    """An authority ends before a new leaf would be worth anything."""

    @property
    def name(self) -> str:
        """As the profile has it."""
        return self.node.name

    @property
    def begun(self) -> bool:
        """A run that died has changed something there, or was about to."""
        return self.left.record is not None

    @property
    def puts_back(self) -> bool:
        """A run that died was putting back the files of before."""
        return bool(self.left.record and self.left.record.phase is Phase.PUTTING_BACK)

    @property
    def is_touched(self) -> bool:
        """Something is to be done on this control plane node."""
        return bool(self.due or self.restarts or self.copies or self.begun)

    @property
    def order(self) -> tuple[bool, bool, str]:
        """What is under way first, the leader of etcd last."""
        leads = bool(self.member and self.member.status and self.member.status.is_leader)
        return (not self.begun, leads, self.name)


@dataclass(frozen=True)
class RotationScene:
    """All that the rules of a rotation look at."""

    facts: RotationFacts
    options: RotationOptions
    rules: CertificateRules
    now: datetime

    @cached_property
    def control_planes(self) -> tuple[RotationState, ...]:
        """In the order in which they are done."""
        nodes = [node for node in self.facts.inventory.nodes if node.is_control_plane]
        return tuple(sorted(map(self._control_plane, nodes), key=lambda state: state.order))

    @cached_property
    def workers(self) -> tuple[RotationState, ...]:
        """That answered, with a kubelet of their own."""
        nodes = [one for one in self.facts.inventory.nodes if not one.is_control_plane and not one.unreached]
        return tuple(self._only_kubelet(node) for node in nodes)

    @property
    def states(self) -> tuple[RotationState, ...]:
        """All of both."""
        return (*self.control_planes, *self.workers)

    @cached_property
    def expired(self) -> tuple[Certificate, ...]:
        """Leaves that have ended on control planes, and without which there is no API, or no way in."""
        return tuple(
            one
            for node in self.facts.inventory.control_planes
            for one in node.certificates
            if one.name in _WITHOUT_WHICH and (left := one.left(self.now)) is not None and left <= timedelta()
        )

    @property
    def serving(self) -> tuple[str, ...]:
        """Control planes whose API server goes on for its clients, though it does not let the worker in."""
        ended = {one.node for one in self.expired if one.name == "apiserver"}
        return tuple(name for name in self.facts.serving if name not in ended)

    def configuration(self, state: RotationState) -> str:
        """For kubeadm on that node. Its version is filled in there, as `@VERSION@`, and the folder of its work, as `@FOLDER@`."""
        documents: list[dict[str, Any]] = [
            {
                "apiVersion": "kubeadm.k8s.io/v1beta4",
                "kind": "InitConfiguration",
                "localAPIEndpoint": {"advertiseAddress": state.node.advertises},
                "nodeRegistration": {"name": state.name},
            },
            {
                **with_names(of_certificates(self.facts.configuration), self._kept(state.node)),
                "apiVersion": "kubeadm.k8s.io/v1beta4",
                "kind": "ClusterConfiguration",
                "kubernetesVersion": "@VERSION@",
                "certificatesDir": "@FOLDER@",
                "certificateValidityPeriod": f"{state.hours}h0m0s",
            },
        ]
        return yaml.safe_dump_all(documents)

    def name_changes(self, node: NodeCertificates) -> dict[str, NameChange]:
        """Of each leaf of the node that can be read."""
        found = {leaf: node.named(leaf) for leaf in LEAVES}
        return {leaf: self._change(one, leaf, node) for leaf, one in found.items() if one and not one.problem}

    def _kept(self, node: NodeCertificates) -> dict[str, tuple[str, ...]]:
        return {leaf: change.kept for leaf, change in self.name_changes(node).items()}

    # --- proofs, as they are before anything is changed

    def proofs(self, state: RotationState) -> ProofsNow:
        """Of a node that could not be asked, as if all were well: what is not known is asked for afterwards."""
        return next((one for one in self.facts.proofs if one.node == state.name), ProofsNow(node=state.name))

    def ails(self, state: RotationState, pods: Iterable[str]) -> dict[str, str]:
        """Of these static pods, those that are not well for a reason that this run does not remove."""
        if self.facts.api_problem or state.begun or self._has_ended(state.node, LEAVES):
            return {}
        found = self.proofs(state).ails
        return {pod: found[pod] for pod in pods if pod in found and not self._lacks(state.node, pod)}

    def nobody(self, state: RotationState, leaves: Iterable[str]) -> dict[str, str]:
        """Kubeconfigs of these leaves with which the API sees nobody, though their certificates are good."""
        if self.facts.api_problem or state.begun:
            return {}
        found = self.proofs(state).nobody
        ends = {path: leaf for path in found for leaf in leaves if path.endswith(f"/{leaf}")}
        return {path: found[path] for path, leaf in ends.items() if not self._has_ended(state.node, [leaf])}

    @cached_property
    def unled(self) -> tuple[str, ...]:
        """Controllers of which none has renewed its lease lately, by the clock of the others; not where a certificate explains it."""
        times = {name: moment for name, text in self.facts.leases.items() if (moment := _moment(text))}
        if not times or any(state.begun for state in self.control_planes):
            return ()
        newest = max(times.values())
        reasons = {CONTROLLERS: "controller-manager.conf", SCHEDULER: "scheduler.conf"}
        nodes = [state.node for state in self.control_planes]
        return tuple(
            leader
            for leader, leaf in reasons.items()
            if (leader not in times or newest - times[leader] > LEADS)
            and not any(self._has_ended(node, [leaf]) for node in nodes)
        )

    def _lacks(self, node: NodeCertificates, pod: str) -> str:
        return what_pod_lacks(node, pod) or is_silent(node, pod)

    def _has_ended(self, node: NodeCertificates, leaves: Iterable[str]) -> bool:
        found = filter(None, (node.named(leaf) for leaf in leaves))
        return any(
            ((left := one.left(self.now)) is not None and left <= timedelta()) or one.signed is False for one in found
        )

    # --- one node

    def _control_plane(self, node: NodeCertificates) -> RotationState:
        left = self._left(node.name)
        due, anew, rests = self._leaves(node, left)
        record = left.record
        hours, stuck = self._hours(node, (*due, *(record.leaves if record else ())))
        wanted = dict.fromkeys(record.restarts, "an earlier run was about to") if record else {}
        return RotationState(
            node=node,
            left=left,
            member=self._member(node.name),
            due=due,
            anew=anew,
            rests=rests,
            restarts=wanted | self._restarts(node, due),
            copies=dict(self._copies(node, due)),
            kubelet=self._kubelet(node),
            hours=hours,
            void=self._void(node, record) if record else (),
            stuck=stuck,
        )

    def _void(self, node: NodeCertificates, record: RotationRecord) -> tuple[str, ...]:
        ended = what_ended_since(record, node, now=self.now, renew_before=self.options.renew_before)
        return (*what_has_changed(record, node), *ended)

    def _only_kubelet(self, node: NodeCertificates) -> RotationState:
        left = self._left(node.name)
        empty: dict[str, str] = {}
        return RotationState(node, left, None, empty, {}, empty, empty, empty, self._kubelet(node), 0)

    def _left(self, name: str) -> OnNode:
        return next((one for one in self.facts.left if one.node == name), OnNode(node=name))

    def _member(self, name: str) -> Member | None:
        members = self.facts.etcd.members if self.facts.etcd else ()
        return next((one for one in members if name in {one.node, one.name}), None)

    def _leaves(
        self, node: NodeCertificates, left: OnNode
    ) -> tuple[dict[str, str], dict[str, NameChange], dict[str, str]]:
        due: dict[str, str] = {}
        anew: dict[str, NameChange] = {}
        rests: dict[str, str] = {}
        for leaf, made in LEAVES.items():
            one = node.named(leaf)
            if one is None or one.problem:
                continue
            change = self._change(one, leaf, node)
            reasons = [
                *self._reasons(one, left),
                *([f"its names change: {change.in_words}"] if change.in_words else []),
            ]
            told = "; ".join(reasons)
            if not reasons:
                rests[leaf] = self._why_not(one, left)
            elif any(path.endswith(f"/{AUTHORITIES[made.authority]}") for path in node.external):
                rests[leaf] = f"{told}, but its authority is external: renew it where the key is"
            elif self.options.only and leaf not in self.options.only:
                rests[leaf] = f"{told}, but it was not asked for"
            else:
                due[leaf] = told
                anew |= {leaf: change} if change.in_words else {}
        return due, anew, rests

    def _change(self, one: Certificate, leaf: str, node: NodeCertificates) -> NameChange:
        return name_change(leaf, one.names, self.facts.configuration, node.name, node.advertises)

    def _reasons(self, one: Certificate, left: OnNode) -> Iterator[str]:
        remains = one.left(self.now)
        if remains is not None and remains <= self.options.renew_before and not self._done(left):
            yield figure(in_words(remains))
        if one.pair is False:
            yield "the key beside it is another one's"
        if one.signed is False:
            yield f"it is not signed by {one.authority}"

    def _done(self, left: OnNode) -> bool:
        """A retry of a run renews nothing twice, also where a new leaf lives for less than `renew_before`."""
        return self.facts.run_id in left.ended

    def _why_not(self, one: Certificate, left: OnNode) -> str:
        remains = one.left(self.now) or timedelta()
        return "this run has renewed it" if self._done(left) else figure(in_words(remains))

    def _restarts(self, node: NodeCertificates, due: Mapping[str, str]) -> dict[str, str]:
        """Who reads what is renewed, and who has not read what is there; in their order."""
        found: dict[str, list[str]] = {}
        for leaf in due:
            for pod in LEAVES[leaf].pods:
                found.setdefault(pod, []).append(f"it reads {leaf} at its start")
        for pod in node.manifests:
            lacks = what_pod_lacks(node, pod)
            if lacks and pod not in found:
                found[pod] = [lacks]
        for pod, useless in AWAY_WITH.items():
            for other in node.manifests.keys() & set(useless) if pod in found else ():
                found.setdefault(other, [f"its requests would hang while {pod} beside it is away"])
        return {pod: "; ".join(found[pod]) for pod in ORDER if found.get(pod)}

    def _copies(self, node: NodeCertificates, due: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for copy in node.kubeconfigs:
            if not copy.copy_of or copy.missing:
                continue
            source = node.named(copy.copy_of)
            own = next((c for c in node.certificates if c.path == copy.path and c.kind is Kind.KUBECONFIG), None)
            if copy.copy_of in due:
                yield copy.path, f"it is a copy of {copy.copy_of}"
            elif source and own and source.fingerprint != own.fingerprint and self._is_asked_for(copy.copy_of):
                yield copy.path, f"it has another certificate than {copy.copy_of}"

    def _is_asked_for(self, leaf: str) -> bool:
        return not self.options.only or leaf in self.options.only

    def _kubelet(self, node: NodeCertificates) -> str:
        one = node.named(KUBELET_CLIENT)
        if one is None or one.problem or not self._is_asked_for(KUBELET_CLIENT):
            return ""
        left = one.left(self.now) or timedelta()
        if left <= timedelta():
            return f"its {KUBELET}'s client certificate {figure(in_words(left))}: it cannot ask for another one"
        if left <= self.options.renew_before and left <= one.lifetime * LATE_PERCENT / 100:
            return f"its {KUBELET}'s client certificate {figure(in_words(left))}, and it has not renewed it itself"
        return ""

    def _hours(self, node: NodeCertificates, due: Sequence[str]) -> tuple[int, bool]:
        """As the configuration has it, else as the leaf of now was made; never beyond the end of an authority."""
        wanted = _hours_in(str(self.facts.configuration.get("certificateValidityPeriod", "")))
        if not wanted and not self.facts.configuration:
            wanted = min((_hours(one.lifetime) for leaf in due if (one := node.named(leaf))), default=0)
        wanted = wanted or KUBEADM_HOURS
        lefts = [self.left_of_authority(node, LEAVES[leaf].authority) for leaf in due]
        most = min((_hours(left - MARGIN) for left in lefts), default=wanted)
        now_left = max(
            (one.left(self.now) or timedelta() for leaf in due if (one := node.named(leaf))), default=timedelta()
        )
        return min(wanted, most), bool(due) and most <= max(_hours(now_left), 0)

    def left_of_authority(self, node: NodeCertificates, authority: str) -> timedelta:
        """Until it ends; of a bundle, until its first one does, by which kubeadm signs."""
        one = node.named(authority)
        return (one.left(self.now) if one else None) or timedelta()


def of_certificates(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of kubeadm's configuration that certificates come from; others may be in words of another version."""
    kept = {name: configuration[name] for name in _NEEDED if name in configuration}
    if names := (configuration.get("apiServer") or {}).get("certSANs"):
        kept["apiServer"] = {"certSANs": names}
    etcd = configuration.get("etcd") or {}
    if external := etcd.get("external"):
        kept["etcd"] = {"external": external}
    elif local := {name: part for name, part in (etcd.get("local") or {}).items() if name.endswith("CertSANs")}:
        kept["etcd"] = {"local": local}
    return kept


_NEEDED = ("networking", "controlPlaneEndpoint", "clusterName", "encryptionAlgorithm", "certificateValidityPeriod")


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _hours(length: timedelta) -> int:
    return int(length / timedelta(hours=1))


def _hours_in(text: str) -> int:
    """Go's `8760h0m0s`; none for anything else."""
    hours = text.partition("h")[0]
    return int(hours) if hours.isdigit() else 0
