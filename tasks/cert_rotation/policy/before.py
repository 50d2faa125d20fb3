"""Proofs before anything is changed: what fails already would fail afterwards, and prove nothing."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from tasks.cert_rotation.policy.scope import RotationScene
from tasks.cert_rotation.policy.state import RotationState
from tasks.cert_rotation.policy.static_pods import what_pod_lacks, why_silent
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, SCHEDULER
from tasks.core.models.plan import figure

LEADS = timedelta(minutes=2)
"""After which nobody leads: a lease is renewed each two seconds, those of nodes each ten."""

KUBECONFIG_OF = {CONTROLLER_MANAGER: "controller-manager.conf", SCHEDULER: "scheduler.conf"}
"""By which a controller renews its lease."""


def ails(scene: RotationScene, state: RotationState, pods: Iterable[str]) -> dict[str, str]:
    """Of these static pods, those that are not well for a reason that this run does not remove."""
    if scene.facts.api_problem or state.begun or scene.explains_failure(state.node, LEAVES):
        return {}
    found = scene.proofs_on(state.name).ails
    return {
        pod: found[pod]
        for pod in pods
        if pod in found and not what_pod_lacks(state.node, pod) and not why_silent(state.node, pod)
    }


def nobody(scene: RotationScene, state: RotationState, leaves: Iterable[str]) -> dict[str, str]:
    """Kubeconfigs of these leaves with which the API sees nobody, though their certificates are good."""
    if scene.facts.api_problem or state.begun:
        return {}
    found = scene.proofs_on(state.name).nobody
    ends = {path: leaf for path in found for leaf in leaves if path.endswith(f"/{leaf}")}
    return {path: found[path] for path, leaf in ends.items() if not scene.explains_failure(state.node, [leaf])}


def unled(scene: RotationScene) -> tuple[str, ...]:
    """Controllers of which none has renewed its lease lately, by the clock of the others; not where a certificate explains it."""
    times = {name: moment for name, text in scene.facts.leases.items() if (moment := _moment(text))}
    if not times or any(state.begun for state in scene.control_planes):
        return ()
    newest = max(times.values())
    nodes = [state.node for state in scene.control_planes]
    return tuple(
        leader
        for leader, leaf in KUBECONFIG_OF.items()
        if (leader not in times or newest - times[leader] > LEADS)
        and not any(scene.explains_failure(node, [leaf]) for node in nodes)
    )


def unproven(scene: RotationScene, state: RotationState, pods: Iterable[str], leaves: Iterable[str]) -> tuple[str, ...]:
    """Static pods and kubeconfigs of a node whose proof fails already; an API server that does is a refusal."""
    failing = (pod for pod in ails(scene, state, pods) if pod != API_SERVER)
    return (*failing, *nobody(scene, state, leaves))


def of_proofs(
    scene: RotationScene, state: RotationState, pods: Iterable[str], leaves: Sequence[str]
) -> Iterator[Finding]:
    """What a proof would say if it was asked now: what fails already would fail afterwards, and prove nothing."""
    seen = scene.proofs_on(state.name)
    if not seen.curl and pods:
        yield refused(state.name, "it has no curl: nothing could be proven", "install curl there")
        return
    for pod, said in ails(scene, state, pods).items():
        problem = f"{pod} is not well before anything is changed: it says {said}"
        if pod == API_SERVER:
            step = "`kubectl get --raw '/readyz?verbose'` at that API server says why; repair it first"
            yield refused(state.name, problem, step)
        else:
            step = f"its health is not part of the proof; look at the log of {pod} there"
            yield cautioned(state.name, problem, step, lasting=f"{pod} is not well before anything is changed")
    if not seen.kubectl and any(leaf.endswith(".conf") for leaf in leaves):
        yield cautioned(state.name, "it has no kubectl: who the API sees with a new kubeconfig is not asked")
    for path, why in nobody(scene, state, leaves).items():
        step = "it is not asked afterwards either; look at its server: field"
        told = f"the API sees nobody with it, and it has not expired{figure(f': {why}')}"
        yield cautioned(f"{state.name}: {path}", told, step)


def of_leaders(scene: RotationScene) -> Iterator[Finding]:
    """A proof that wants a lease to be renewed needs one that is."""
    for leader in unled(scene):
        step = f"`kubectl -n kube-system get lease {leader}`; that one leads is not part of the proof"
        yield cautioned(leader, "none has renewed its lease in the last two minutes", step)


def not_ready(scene: RotationScene) -> Iterator[tuple[str, str]]:
    """Nodes of the run that are not Ready, though their kubelet's certificate is good."""
    touched = {
        state.name for state in scene.control_planes if state.is_touched and not state.kubelet and not state.begun
    }
    ended = {one.node for one in scene.expired}
    yield from (
        (node.name, node.ready_message) for node in scene.facts.nodes if not node.ready and node.name in touched - ended
    )


def of_all_proofs(scene: RotationScene) -> Iterator[Finding]:
    """Of every control plane node, of leaders, and of nodes."""
    for state in scene.control_planes:
        yield from of_proofs(scene, state, tuple(state.restarts), tuple(state.due))
    if any(state.restarts for state in scene.control_planes):
        yield from of_leaders(scene)
    for name, message in not_ready(scene):
        yield cautioned(
            name,
            f"it is not Ready before anything is changed{figure(f': {message}')}",
            "that it is, is not part of the proof",
        )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
