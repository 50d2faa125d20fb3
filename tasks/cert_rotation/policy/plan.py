"""The plan of a rotation: which leaves, why now, what is started anew for them, and which rules say no."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from tasks.cert_rotation.models.rotation import (
    NodeRotation,
    RotationFacts,
    RotationOptions,
    RotationPlan,
    how_to_set_aside,
)
from tasks.cert_rotation.policy.scope import MARGIN, RotationScene, RotationState
from tasks.cert_rotation.policy.serving_requests import what_forbids_approval
from tasks.certificates.models.inventory import Certificate, Kind
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.policy.inventory import in_words
from tasks.core.models.findings import Finding, cautioned, listed, refused, softened
from tasks.core.models.kubeadm import API_SERVER, ETCD
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure, without_figures
from tasks.core.models.profile import CertificateRules
from tasks.etcd.policy.quorum import unhealthy_members, why_quorum_needs
from tasks.nodes.policy.standing import who_is_out

OLDEST_KUBEADM = (1, 31)
_VERSION = re.compile(r"v?(\d+)\.(\d+)")

BY_SSH = "all control planes are done at once, by SSH alone: there is no quorum to keep"


def plan_rotation(
    facts: RotationFacts, options: RotationOptions, rules: CertificateRules, *, now: datetime
) -> RotationPlan:
    """Control planes one at a time, the leader of etcd last; kubelets whose certificate nobody renews; requests that may be approved.

    Where certificates have ended and there is no API any more, all control planes are done at once.
    """
    scene = RotationScene(facts, options, rules, now)
    touched = [state for state in scene.control_planes if state.is_touched]
    kubelets = [state for state in scene.states if state.kubelet]
    may_be = {one.name: what_forbids_approval(one, facts.inventory.nodes, facts.identities) for one in facts.requests}
    approve = tuple(name for name, problems in may_be.items() if not problems)
    findings = [*_rules(scene), *_requests(facts, may_be)]
    refusals = tuple(one for one in findings if isinstance(one, Refusal))
    cautions = [one for one in findings if isinstance(one, Caution)]
    unreadable = any(state.left.unreadable for state in scene.control_planes)
    if not touched and not kubelets and not unreadable:  # whatever would speak against it stops nobody
        cautions, refusals = [*cautions, *map(softened, refusals)], ()
    return RotationPlan(
        steps=tuple(step for state in (*touched, *_others(kubelets, touched)) for step in _steps(state))
        + _approvals(facts, approve),
        skips=tuple(skip for state in scene.control_planes for skip in _skips(state)),
        cautions=tuple(cautions),
        refusals=refusals,
        control_plane=tuple(_work(scene, state) for state in touched),
        kubelets=tuple(_work(scene, state) for state in kubelets),
        approve=approve,
        machines=tuple(state.name for state in scene.control_planes),
        by_ssh_alone=bool(facts.api_problem),
        unled=scene.unled,
        not_ready=tuple(name for name, _ in _not_ready(scene)),
    )


def unproven(scene: RotationScene, state: RotationState, pods: Iterable[str], leaves: Iterable[str]) -> tuple[str, ...]:
    """Static pods and kubeconfigs of a node whose proof fails already; an API server that does is a refusal."""
    ails = (pod for pod in scene.ails(state, pods) if pod != API_SERVER)
    return (*ails, *scene.nobody(state, leaves))


def _others(kubelets: list[RotationState], touched: list[RotationState]) -> list[RotationState]:
    return [state for state in kubelets if state not in touched]


def _work(scene: RotationScene, state: RotationState) -> NodeRotation:
    return NodeRotation(
        name=state.name,
        leaves=tuple(state.due),
        anew=tuple(state.anew),
        restarts=tuple(state.restarts),
        copies=tuple(state.copies),
        kubelet=bool(state.kubelet),
        kubelet_hours=_kubelet_hours(scene),
        configuration=scene.configuration(state) if state.due or state.begun else "",
        begun=state.begun,
        unproven=unproven(scene, state, state.restarts, state.due),
        unled=scene.unled,
        put_back=state.puts_back and not scene.facts.api_problem,
        by_ssh_alone=bool(scene.facts.api_problem),
    )


def _kubelet_hours(scene: RotationScene) -> int:
    """As the controller manager signs by default, and not beyond the authority's end."""
    lefts = [scene.left_of_authority(state.node, "ca") for state in scene.control_planes]
    most = min(lefts, default=timedelta()) - MARGIN
    return max(min(timedelta(days=365), most) // timedelta(hours=1), 0)


def _steps(state: RotationState) -> Iterator[Step]:
    if state.puts_back and state.left.record:
        yield Step(subject=state.name, act="put the files of before back", reason=state.left.record.reason)
        return
    for leaf, reason in state.due.items():
        change = state.anew.get(leaf)
        act = f"make {leaf} anew ({change.in_words})" if change else f"renew {leaf}"
        yield Step(subject=state.name, act=act, reason=reason)
    for pod, reason in state.restarts.items():
        yield Step(subject=state.name, act=f"restart {pod}", reason=reason)
    for path, reason in state.copies.items():
        yield Step(subject=state.name, act=f"refresh {path}", reason=reason)
    if state.kubelet:
        yield Step(
            subject=state.name, act="sign the kubelet's client certificate, restart kubelet", reason=state.kubelet
        )


def _approvals(facts: RotationFacts, approve: tuple[str, ...]) -> tuple[Step, ...]:
    if facts.api_problem and any(node.kubelet.asks_for_serving for node in facts.inventory.nodes):
        act = "approve requests for serving certificates that pass every check"
        return (Step(subject="kubelets", act=act, reason="they ask for them once the API is back"),)
    asked: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in facts.requests:
        if one.name in approve:
            asked.setdefault((one.username, one.names), []).append(one.name)
    return tuple(
        Step(
            subject=user,
            act="approve its request for a serving certificate",
            reason=f"its kubelet asks to serve as {', '.join(names)}, and these are its own{_by_name(requests)}",
        )
        for (user, names), requests in sorted(asked.items())
    )


def _by_name(requests: list[str]) -> str:
    """A kubelet that waits asks again under another name every quarter of an hour."""
    return figure(f" ({', '.join(requests)})")


def _skips(state: RotationState) -> Iterator[Skip]:
    told: dict[str, dict[str, str]] = {}
    for leaf, reason in state.rests.items():
        told.setdefault(without_figures(reason), {})[leaf] = reason
    for leaves in told.values():
        first, *others = dict.fromkeys(leaves.values())
        apart = figure("".join(f"; or {one}" for one in others))
        yield Skip(subject=state.name, reason=f"{', '.join(leaves)}: {first}{apart}")


# --- rules


def _rules(scene: RotationScene) -> Iterator[Finding]:
    yield from _of_input(scene)
    yield from _of_machines(scene)
    yield from _of_kubelets(scene)
    yield from _of_names(scene)
    yield from _of_proofs(scene)
    yield from _of_workers(scene)
    yield from _of_authorities(scene)
    yield from _by_ssh_alone(scene) if scene.facts.api_problem else _of_cluster(scene)


def _of_input(scene: RotationScene) -> Iterator[Finding]:
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


def _of_machines(scene: RotationScene) -> Iterator[Finding]:
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


def of_proofs(
    scene: RotationScene, state: RotationState, pods: Iterable[str], leaves: Sequence[str]
) -> Iterator[Finding]:
    """What a proof would say if it was asked now: what fails already would fail afterwards, and prove nothing."""
    seen = scene.proofs(state)
    if not seen.curl and pods:
        yield refused(state.name, "it has no curl: nothing could be proven", "install curl there")
        return
    for pod, said in scene.ails(state, pods).items():
        problem = f"{pod} is not well before anything is changed: it says {said}"
        if pod == API_SERVER:
            step = "`kubectl get --raw '/readyz?verbose'` at that API server says why; repair it first"
            yield refused(state.name, problem, step)
        else:
            step = f"its health is not part of the proof; look at the log of {pod} there"
            yield cautioned(state.name, problem, step, lasting=f"{pod} is not well before anything is changed")
    if not seen.kubectl and any(leaf.endswith(".conf") for leaf in leaves):
        yield cautioned(state.name, "it has no kubectl: who the API sees with a new kubeconfig is not asked")
    for path, why in scene.nobody(state, leaves).items():
        step = "it is not asked afterwards either; look at its server: field"
        told = f"the API sees nobody with it, and it has not expired{figure(f': {why}')}"
        yield cautioned(f"{state.name}: {path}", told, step)


def of_leaders(scene: RotationScene) -> Iterator[Finding]:
    """A proof that wants a lease to be renewed needs one that is."""
    for leader in scene.unled:
        step = f"`kubectl -n kube-system get lease {leader}`; that one leads is not part of the proof"
        yield cautioned(leader, "none has renewed its lease in the last two minutes", step)


def _not_ready(scene: RotationScene) -> Iterator[tuple[str, str]]:
    """Nodes of the run that are not Ready, though their kubelet's certificate is good."""
    touched = {
        state.name for state in scene.control_planes if state.is_touched and not state.kubelet and not state.begun
    }
    ended = {one.node for one in scene.expired}
    yield from (
        (node.name, node.ready_message) for node in scene.facts.nodes if not node.ready and node.name in touched - ended
    )


def _of_proofs(scene: RotationScene) -> Iterator[Finding]:
    for state in scene.control_planes:
        yield from of_proofs(scene, state, tuple(state.restarts), tuple(state.due))
    if any(state.restarts for state in scene.control_planes):
        yield from of_leaders(scene)
    for name, message in _not_ready(scene):
        yield cautioned(
            name,
            f"it is not Ready before anything is changed{figure(f': {message}')}",
            "that it is, is not part of the proof",
        )


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


def _of_names(scene: RotationScene) -> Iterator[Finding]:
    """Names that kubeadm's configuration has and no certificate can get, or that certificates have and it does not know."""
    for state in scene.control_planes:
        for leaf, change in scene.name_changes(state.node).items():
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


def _of_workers(scene: RotationScene) -> Iterator[Finding]:
    """Keys are not carried from node to node, so a copy of a kubeconfig that its node does not have stays as it is."""
    for state in scene.workers:
        for one in state.node.certificates:
            left = one.left(scene.now)
            copied = any(copy.path == one.path and copy.copy_of for copy in state.node.kubeconfigs)
            if copied and one.kind is Kind.KUBECONFIG and left is not None and left <= scene.options.renew_before:
                yield cautioned(
                    one.label, f"it {figure(in_words(left))}, and is not refreshed from another node", "copy it there"
                )


def _of_kubelets(scene: RotationScene) -> Iterator[Finding]:
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


def _of_authorities(scene: RotationScene) -> Iterator[Finding]:
    """kubeadm signs leaves that live longer than their authority: that is ours to see to."""
    for state in scene.control_planes:
        ends = {name: state.node.named(name) for name in dict.fromkeys(LEAVES[leaf].authority for leaf in state.due)}
        for one in filter(None, ends.values()):
            yield from _of_authority(scene, state, one)


def _of_authority(scene: RotationScene, state: RotationState, one: Certificate) -> Iterator[Finding]:
    left = one.left(scene.now) or timedelta()
    told = f"{one.name} {figure(in_words(left))}"
    step = "rotate this authority (docs/ca-rotation.md)"
    if state.stuck and left - MARGIN <= timedelta(hours=state.hours):
        yield refused(one.label, f"{told}: what it signs now would end no later than what is there", step)
    elif left - MARGIN < timedelta(hours=state.hours + 1):
        yield cautioned(one.label, f"{told}: what it signs is made for {figure(state.hours)} h, to end before it", step)
    elif left <= scene.rules.warn_before_ca:
        yield cautioned(one.label, told, step)


def _by_ssh_alone(scene: RotationScene) -> Iterator[Finding]:
    problem = scene.facts.api_problem
    begun = [state.name for state in scene.control_planes if state.begun]
    if not scene.expired and not begun:
        yield refused(
            "API",
            f"it cannot be used, and no certificate has ended that would explain it: {problem}",
            "look at it first",
        )
        return
    ended = listed([one.label for one in scene.expired])
    why = f"these have ended: {ended}" if ended else f"a run has died on {listed(begun)}"
    yield cautioned("API", f"it cannot be used: {figure(problem)}; {why}", BY_SSH)
    disturbed = [state.name for state in scene.control_planes if state.restarts]
    if scene.serving and disturbed:
        yield refused(
            "API",
            f"the API servers of {listed(list(scene.serving))} serve, and do not let the worker in: {problem}; all at once "
            f"would be restarted on {listed(disturbed)}",
            "renew what restarts nothing, then all else: only=[admin.conf], or look at kubernetes.kubeconfig",
        )
    elif scene.options.only and scene.expired and not scene.serving:
        yield refused("options.only", "there is no API: all that has ended has to be renewed", "leave it out")
    yield cautioned(
        "kubeadm-config",
        "it cannot be read: names of certificates stay as they are, and new ones live as long as the old ones did",
        "run it again once the cluster is back, for other names",
    )


def _of_cluster(scene: RotationScene) -> Iterator[Finding]:
    """Nobody may be missing when one of them is away."""
    for said in scene.facts.gates:
        yield refused("gates", said, "wait until it lets the run go on, or change gates: of the profile")
    disturbed = [state for state in scene.control_planes if state.restarts]
    if len(scene.control_planes) == 1 and any({ETCD, API_SERVER} & set(state.restarts) for state in disturbed):
        problem = "the only control plane node: the API is away for a minute or two"
        if scene.options.allow_downtime:
            yield cautioned(disturbed[0].name, problem, "allow_downtime says that this is fine")
        else:
            yield refused(disturbed[0].name, problem, "say allow_downtime=true at a time when that is fine")
    if scene.facts.etcd_problem and disturbed:
        step = "renew its client certificate first, for which nothing is restarted: only=[etcd-healthcheck-client]"
        yield refused("etcd", f"its members are not known: {scene.facts.etcd_problem}", step)
    yield from _of_etcd(scene, disturbed)


def _of_etcd(scene: RotationScene, disturbed: list[RotationState]) -> Iterator[Finding]:
    members = scene.facts.etcd.members if scene.facts.etcd else ()
    begun = {state.member.id for state in scene.control_planes if state.begun and state.member}
    ill = unhealthy_members(members, besides=begun)
    for one, ails in ill if disturbed else ():
        yield refused(one.label, ails.text, "repair it first: while another one restarts it is needed")
    out = who_is_out(scene.facts.nodes, ours=())
    if ill or sum(not one.learner for one in members) == 1:
        return
    for state in disturbed:
        if state.member and ETCD in state.restarts and (kept := why_quorum_needs(state.member, members, out=out)):
            yield refused(state.name, kept.text, "bring the others back first")


def _requests(facts: RotationFacts, may_be: dict[str, tuple[str, ...]]) -> Iterator[Finding]:
    refused_ones: dict[tuple[str, str], list[str]] = {}
    for one in facts.requests:
        if problems := may_be[one.name]:
            refused_ones.setdefault((one.username, "; ".join(problems)), []).append(one.name)
    for (user, why), names in sorted(refused_ones.items()):
        problem = f"a request for a serving certificate{_by_name(names)} that is not approved: {why}"
        yield cautioned(user, problem, "`kubectl describe csr` shows it")
