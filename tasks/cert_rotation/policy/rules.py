"""Rules of a rotation: what its input, its nodes and their certificates have to be."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from tasks.cert_rotation.models.rotation import how_to_set_aside
from tasks.cert_rotation.policy.configuration import MARGIN
from tasks.cert_rotation.policy.san_changes import name_changes
from tasks.cert_rotation.policy.scope import RotationScene
from tasks.cert_rotation.policy.state import RotationState
from tasks.certificates.models.inventory import Certificate, Kind
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.policy.inventory import in_words
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import figure

OLDEST_KUBEADM = (1, 31)
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


def of_kubeadm(state: RotationState, leaves: Sequence[str]) -> Iterator[Finding]:
    """It renews, by a configuration in words that versions before v1.31 do not read."""
    found = _VERSION.match(state.node.kubeadm)
    if not leaves:
        return
    if not found:
        problem = f"kubeadm says no version: {state.node.kubeadm or 'it is not there'}"
        yield refused(state.name, problem, "install kubeadm there, of the version of the cluster")
    elif (int(found[1]), int(found[2])) < OLDEST_KUBEADM:
        problem = f"kubeadm is {state.node.kubeadm}, and does not read kubeadm.k8s.io/v1beta4, which begins with v1.31"
        yield refused(
            state.name, problem, "`kubeadm certs renew all` there and restart the static pods; or upgrade kubeadm"
        )


def of_record(state: RotationState) -> Iterator[Finding]:
    """A record of an interrupted run that cannot be resumed: of another time, or not understood."""
    step = (
        f"compare that node with the others; then `{how_to_set_aside(state.left.record)}` there, and run this again: it begins "
        "with what is there now"
    )
    if state.left.unreadable:
        yield refused(state.name, state.left.unreadable, step)
    if state.void and state.left.record:
        record = state.left.record
        yield refused(
            state.name,
            f"run {record.run_id} of {record.runbook} was interrupted there at {record.begun_at:%Y-%m-%d %H:%M} UTC, and its record "
            f"is void: {listed(state.void)}",
            step,
        )


def of_input(scene: RotationScene) -> Iterator[Finding]:
    """The profile, the options, and the worker's own certificates."""
    if not scene.control_planes:
        yield refused("nodes", "no node of the profile is a control plane node that answers", "correct nodes:")
    if unreached := [f"{one.name}: {one.unreached}" for one in scene.facts.inventory.nodes if one.unreached]:
        yield refused("nodes", f"not reached: {listed(unreached)}", "bring them back, or take them out of the profile")
    shorter = [
        one
        for state in scene.control_planes
        for leaf in state.due
        if (one := state.node.named(leaf)) and timedelta() < one.lifetime <= scene.options.renew_before
    ]
    if shorter:
        yield cautioned(
            "options.renew_before",
            f"{listed([one.label for one in shorter])}: made for no longer than that, so every run renews them",
            "give a shorter time",
        )
    for field, end in scene.facts.own_ends.items():
        if end - scene.now <= scene.options.renew_before:
            yield cautioned(
                field,
                f"the worker's own certificate there {figure(in_words(end - scene.now))}: it is on no node, and not renewed",
                "put a new one there, or leave it out: a control plane's own is used then, through SSH",
            )


def of_machines(scene: RotationScene) -> Iterator[Finding]:
    """What a control plane node has to have, and what an interrupted run has left there."""
    for state in scene.control_planes:
        if state.is_touched and not state.node.openssl:
            yield refused(state.name, "it has no openssl: nothing could be proven", "install openssl there")
        yield from of_kubeadm(state, tuple(state.due))
        for one in state.node.certificates:
            if one.name in LEAVES and one.problem:
                yield refused(one.label, one.problem, "kubeadm renews what it can read: put it back from a backup")
        yield from of_record(state)
        if state.void:
            continue
        if state.puts_back and state.left.record:
            yield cautioned(
                state.name,
                f"an earlier run failed there, and died while it put the files back: {state.left.record.reason}",
            )
        elif state.begun and state.left.record:
            yield cautioned(state.name, f"run {state.left.record.run_id} died there", "it is gone on with")


def of_names(scene: RotationScene) -> Iterator[Finding]:
    """Names that kubeadm's configuration has and no certificate can get, or that certificates have and it does not know."""
    for state in scene.control_planes:
        for leaf, change in name_changes(state.node, scene.facts.configuration).items():
            label = f"{state.name}: {leaf}"
            if change.impossible:
                problem = f"kubeadm accepts no such name: {listed(change.impossible)}"
                yield cautioned(label, problem, "correct certSANs in kubeadm-config: the certificate is without it")
            if change.added and change.lost:
                problem = (
                    f"{listed(change.added)} of kubeadm-config is not in it, and stays out: kubeadm would make one without "
                    f"{listed(change.lost)}, which somebody gave it"
                )
                yield cautioned(label, problem, "make this certificate by hand; a renewal keeps its names")
            elif leaf in state.anew and change.kept:
                problem = f"it has names that are not in kubeadm-config: {listed(change.kept)}; they are kept"
                yield cautioned(label, problem, "docs/certificates.md says how to take names out")


def of_kubelets(scene: RotationScene) -> Iterator[Finding]:
    """Whether a kubelet's certificate can be signed anew."""
    for state in scene.states:
        config = next((one for one in state.node.kubeconfigs if one.path.endswith("/kubelet.conf")), None)
        if state.kubelet and (config is None or not config.names_file):
            yield refused(
                state.name,
                "its kubelet.conf has the certificate in it, not the name of its file",
                "join the node again",
            )
        if state.kubelet and not state.node.openssl:
            yield refused(
                state.name, "it has no openssl: its kubelet's request cannot be made", "install openssl there"
            )
    if any(state.kubelet for state in scene.states) and not _signers(scene):
        yield refused(
            "ca", "no control plane node has its key, so no kubelet's certificate can be signed", "sign them there"
        )


def _signers(scene: RotationScene) -> list[str]:
    return [
        state.name
        for state in scene.control_planes
        if not any(path.endswith("/pki/ca.crt") for path in state.node.external)
    ]


def of_workers(scene: RotationScene) -> Iterator[Finding]:
    """Keys are not carried from node to node, so a copy of a kubeconfig that its node does not have stays as it is."""
    for state in scene.workers:
        for one in state.node.certificates:
            left = one.left(scene.now)
            copied = any(copy.path == one.path and copy.copy_of for copy in state.node.kubeconfigs)
            if copied and one.kind is Kind.KUBECONFIG and left is not None and left <= scene.options.renew_before:
                yield cautioned(
                    one.label, f"it {figure(in_words(left))}, and is not refreshed from another node", "copy it there"
                )


def of_authorities(scene: RotationScene) -> Iterator[Finding]:
    """kubeadm signs leaves that live longer than their authority: that is ours to see to."""
    for state in scene.control_planes:
        ends = {name: state.node.named(name) for name in dict.fromkeys(LEAVES[leaf].authority for leaf in state.due)}
        for one in filter(None, ends.values()):
            yield from _of_authority(scene, state, one)


def _of_authority(scene: RotationScene, state: RotationState, one: Certificate) -> Iterator[Finding]:
    left = one.left(scene.now) or timedelta()
    told = f"{one.name} {figure(in_words(left))}"
    step = "rotate this authority (docs/ca-rotation.md)"
    if state.lifetime.stuck and left - MARGIN <= timedelta(hours=state.lifetime.hours):
        yield refused(one.label, f"{told}: what it signs now would end no later than what is there", step)
    elif left - MARGIN < timedelta(hours=state.lifetime.hours + 1):
        yield cautioned(
            one.label, f"{told}: what it signs is made for {figure(state.lifetime.hours)} h, to end before it", step
        )
    elif left <= scene.rules.warn_before_ca:
        yield cautioned(one.label, told, step)
