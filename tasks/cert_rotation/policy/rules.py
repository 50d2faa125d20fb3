"""Checks the input of a rotation, its nodes and their certificates."""

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
from tasks.certificates.policy.pairs import of_split_pairs
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import figure

OLDEST_KUBEADM = (1, 31)
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


def of_kubeadm(state: RotationState, leaves: Sequence[str]) -> Iterator[Finding]:
    """Yields a refusal if kubeadm cannot renew on this node.

    Versions before v1.31 do not read the configuration format that it gets.
    """
    found = _VERSION.match(state.node.kubeadm)
    if not leaves:
        return
    if not found:
        problem = f"kubeadm reports no version: {state.node.kubeadm or 'it is not there'}"
        yield refused(state.name, problem, "install kubeadm there, of the version of the cluster")
    elif (int(found[1]), int(found[2])) < OLDEST_KUBEADM:
        problem = f"kubeadm is {state.node.kubeadm}, and does not read kubeadm.k8s.io/v1beta4, which begins with v1.31"
        yield refused(
            state.name, problem, "`kubeadm certs renew all` there and restart the static pods; or upgrade kubeadm"
        )


def of_record(state: RotationState) -> Iterator[Finding]:
    """Yields a refusal for the record of an interrupted run that is void or unreadable."""
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
    """Yields the findings about the profile, the options and the Prefect worker's own certificates."""
    if not scene.control_planes:
        yield refused("nodes", "no node of the profile is a control plane node that answers", "correct nodes:")
    shorter = [
        one
        for state in scene.control_planes
        for leaf in state.due
        if (one := state.node.named(leaf)) and timedelta() < one.lifetime <= scene.options.renew_before
    ]
    if shorter:
        yield cautioned(
            "--renew-before",
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
    """Yields the findings about what a control plane node needs, and what an interrupted run left there."""
    for state in scene.control_planes:
        if state.is_touched and not state.node.openssl:
            yield refused(state.name, "it has no openssl: nothing could be proven", "install openssl there")
        yield from of_kubeadm(state, tuple(state.due))
        yield from of_split_pairs(state.node, state.due)
        yield from of_record(state)
        if state.void:
            continue
        if state.puts_back and state.left.record:
            yield cautioned(
                state.name,
                f"an earlier run failed on this node, and was interrupted while it restored the files: {state.left.record.reason}",
            )
        elif state.begun and state.left.record:
            yield cautioned(state.name, f"run {state.left.record.run_id} died there", "this run resumes it")


def of_names(scene: RotationScene) -> Iterator[Finding]:
    """Yields cautions about names in certificates.

    kubeadm's configuration may contain a name that no certificate can get. A certificate may have one that the configuration lacks.
    """
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
    """Yields refusals for kubelets whose certificate cannot be signed again."""
    for state in scene.states:
        config = state.node.kubelet_kubeconfig
        if state.has_kubelet_step and (config is None or not (config.names_file or config.pointed)):
            why = (
                config.problem if config and config.problem else "it is not there, or has more than a certificate in it"
            )
            yield refused(
                f"{state.name}: {state.node.kubelet.kubeconfig or 'kubelet.conf'}",
                f"{why}: a new certificate would not be used",
                "join the node again: `kubeadm reset`, then `kubeadm join`",
            )
        if state.has_kubelet_step and not state.node.openssl:
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
        if not any(state.node.is_authority(path, "ca") for path in state.node.external)
    ]


def of_workers(scene: RotationScene) -> Iterator[Finding]:
    """Yields cautions for expiring kubeconfig copies on worker nodes.

    Keys are never carried between nodes. A copy whose source is on another node therefore stays as it is.
    """
    for state in scene.workers:
        for one in state.node.certificates:
            left = one.left(scene.now)
            copied = any(copy.path == one.path and copy.copy_of for copy in state.node.kubeconfigs)
            if copied and one.kind is Kind.KUBECONFIG and left is not None and left <= scene.options.renew_before:
                yield cautioned(
                    one.label, f"it {figure(in_words(left))}, and is not refreshed from another node", "copy it there"
                )


def of_authorities(scene: RotationScene) -> Iterator[Finding]:
    """Yields the findings about CAs that expire too soon.

    kubeadm signs leaves that outlive their CA, so this project checks it.
    """
    for state in scene.control_planes:
        ends = {name: state.node.named(name) for name in dict.fromkeys(LEAVES[leaf].authority for leaf in state.due)}
        for one in filter(None, ends.values()):
            yield from _of_authority(scene, state, one)


def _of_authority(scene: RotationScene, state: RotationState, one: Certificate) -> Iterator[Finding]:
    left = one.left(scene.now) or timedelta()
    told = f"{one.name} {figure(in_words(left))}"
    step = "rotate this CA (docs/ca-rotation.md)"
    if state.lifetime.stuck and left - MARGIN <= timedelta(hours=state.lifetime.hours):
        yield refused(
            one.label, f"{told}: a certificate that it signs now would expire no later than the existing one", step
        )
    elif left - MARGIN < timedelta(hours=state.lifetime.hours + 1):
        yield cautioned(
            one.label, f"{told}: what it signs is made for {figure(state.lifetime.hours)} h, to end before it", step
        )
    elif left <= scene.rules.warn_before_ca:
        yield cautioned(one.label, told, step)
