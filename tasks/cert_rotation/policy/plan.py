"""Plans a rotation: which leaves and why now, what is restarted for them, and which rules refuse."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tasks.cert_rotation.models.rotation import NodeRotation, RotationFacts, RotationOptions, RotationPlan
from tasks.cert_rotation.policy.before import not_ready, of_all_proofs, unled, unproven
from tasks.cert_rotation.policy.configuration import MARGIN, left_of_authority
from tasks.cert_rotation.policy.disturbance import of_cluster, without_api
from tasks.cert_rotation.policy.others import of_others, skips_of_others
from tasks.cert_rotation.policy.rules import (
    of_authorities,
    of_input,
    of_kubelets,
    of_machines,
    of_names,
    of_workers,
)
from tasks.cert_rotation.policy.scope import RotationScene
from tasks.cert_rotation.policy.serving_requests import what_forbids_approval
from tasks.cert_rotation.policy.state import RotationState
from tasks.cert_rotation.policy.unknown import of_unknown
from tasks.core.models.findings import Finding, cautioned, softened
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure, without_figures
from tasks.core.models.profile import CertificateRules


def plan_rotation(
    facts: RotationFacts, options: RotationOptions, rules: CertificateRules, *, now: datetime
) -> RotationPlan:
    """Plans a rotation.

    Control plane nodes follow one at a time, the etcd leader last. Then come kubelets whose certificate nothing renews.
    Requests that may be approved come last.
    If certificates have expired and there is no API, all control plane nodes are rotated at once.
    """
    scene = RotationScene(facts, options, rules, now)
    touched = [state for state in scene.control_planes if state.is_touched]
    kubelets = [state for state in scene.states if state.has_kubelet_step]
    may_be = {one.name: what_forbids_approval(one, facts.inventory.nodes, facts.identities) for one in facts.requests}
    approve = tuple(name for name, problems in may_be.items() if not problems)
    findings = [*_rules(scene), *_requests(facts, may_be)]
    refusals = tuple(one for one in findings if isinstance(one, Refusal))
    cautions = [one for one in findings if isinstance(one, Caution)]
    unreadable = any(state.left.unreadable for state in scene.control_planes)
    if not touched and not kubelets and not unreadable:  # whatever would speak against it stops nobody
        cautions, refusals = [*cautions, *map(softened, refusals)], ()
    unknown = [*of_unknown(scene), *of_others(scene)]
    refusals = (*refusals, *(one for one in unknown if isinstance(one, Refusal)))
    cautions += [one for one in unknown if isinstance(one, Caution)]
    return RotationPlan(
        steps=tuple(step for state in (*touched, *_others(kubelets, touched)) for step in _steps(state))
        + _approvals(facts, approve),
        skips=tuple(
            skip for state in scene.control_planes for skip in (*_skips(state), *skips_of_others(scene, state))
        ),
        cautions=tuple(cautions),
        refusals=refusals,
        control_plane=tuple(_work(scene, state) for state in touched),
        kubelets=tuple(_work(scene, state) for state in kubelets),
        approve=approve,
        machines=tuple(state.name for state in scene.control_planes),
        by_ssh_alone=bool(facts.api_problem),
        unled=unled(scene),
        not_ready=tuple(name for name, _ in not_ready(scene)),
    )


def _rules(scene: RotationScene) -> Iterator[Finding]:
    yield from of_input(scene)
    yield from of_machines(scene)
    yield from of_kubelets(scene)
    yield from of_names(scene)
    yield from of_all_proofs(scene)
    yield from of_workers(scene)
    yield from of_authorities(scene)
    yield from without_api(scene) if scene.facts.api_problem else of_cluster(scene)


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
        points=bool(state.pointed),
        kubelet_hours=_kubelet_hours(scene),
        configuration=scene.configuration(state) if state.due or state.begun else "",
        begun=state.begun,
        unproven=unproven(scene, state, state.restarts, state.due),
        unled=unled(scene),
        put_back=state.puts_back and not scene.facts.api_problem,
        by_ssh_alone=bool(scene.facts.api_problem),
    )


def _kubelet_hours(scene: RotationScene) -> int:
    """Returns the validity of a new kubelet certificate in hours.

    It is the controller manager's default, and never beyond the expiry of the CA.
    """
    lefts = [left_of_authority(state.node, "ca", scene.now) for state in scene.control_planes]
    most = min(lefts, default=timedelta()) - MARGIN
    return max(min(timedelta(days=365), most) // timedelta(hours=1), 0)


def _steps(state: RotationState) -> Iterator[Step]:
    if state.puts_back and state.left.record:
        yield Step(subject=state.name, act="restore the previous files", reason=state.left.record.reason)
        return
    for leaf, reason in state.due.items():
        change = state.anew.get(leaf)
        act = f"reissue {leaf} ({change.in_words})" if change else f"renew {leaf}"
        yield Step(subject=state.name, act=act, reason=reason)
    for pod, reason in state.restarts.items():
        yield Step(subject=state.name, act=f"restart {pod}", reason=reason)
    for path, reason in state.copies.items():
        yield Step(subject=state.name, act=f"refresh {path}", reason=reason)
    if state.kubelet:
        yield Step(
            subject=state.name, act="sign the kubelet's client certificate, restart kubelet", reason=state.kubelet
        )
    if state.pointed:
        act = f"point {state.node.kubelet.kubeconfig} at {state.node.kubelet.pki}/kubelet-client-current.pem, restart kubelet"
        yield Step(subject=state.name, act=act, reason=state.pointed)


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
            reason=f"its kubelet asks to serve as {', '.join(names)}; all requested names belong to this node{_by_name(requests)}",
        )
        for (user, names), requests in sorted(asked.items())
    )


def _by_name(requests: list[str]) -> str:
    """Returns the names of requests as a figure, which the digest of a plan ignores.

    A waiting kubelet asks again with a new request name every quarter of an hour.
    """
    return figure(f" ({', '.join(requests)})")


def _skips(state: RotationState) -> Iterator[Skip]:
    told: dict[str, dict[str, str]] = {}
    for leaf, reason in state.leaves.left_alone.items():
        told.setdefault(without_figures(reason), {})[leaf] = reason
    for leaves in told.values():
        first, *others = dict.fromkeys(leaves.values())
        apart = figure("".join(f"; or {one}" for one in others))
        yield Skip(subject=state.name, reason=f"{', '.join(leaves)}: {first}{apart}")


def _requests(facts: RotationFacts, may_be: dict[str, tuple[str, ...]]) -> Iterator[Finding]:
    refused_ones: dict[tuple[str, str], list[str]] = {}
    for one in facts.requests:
        if problems := may_be[one.name]:
            refused_ones.setdefault((one.username, "; ".join(problems)), []).append(one.name)
    for (user, why), names in sorted(refused_ones.items()):
        problem = f"a request for a serving certificate{_by_name(names)} that is not approved: {why}"
        yield cautioned(user, problem, "`kubectl describe csr` shows it")
