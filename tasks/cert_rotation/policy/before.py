"""Evaluates the proofs before any change. What already fails would also fail afterwards, and would prove nothing."""

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
"""A controller has no leader if its Lease is older than this.

Controllers renew their Leases every two seconds, nodes every ten.
"""

KUBECONFIG_OF = {CONTROLLER_MANAGER: "controller-manager.conf", SCHEDULER: "scheduler.conf"}
"""Maps each controller to the kubeconfig that it uses to renew its Lease."""


def ails(scene: RotationScene, state: RotationState, pods: Iterable[str]) -> dict[str, str]:
    """Returns the unhealthy static pods among these, if this run does not remove the cause."""
    if scene.facts.api_problem or state.begun or scene.explains_failure(state.node, LEAVES):
        return {}
    found = scene.proofs_on(state.name).ails
    return {
        pod: found[pod]
        for pod in pods
        if pod in found and not what_pod_lacks(state.node, pod) and not why_silent(state.node, pod)
    }


def nobody(scene: RotationScene, state: RotationState, leaves: Iterable[str]) -> dict[str, str]:
    """Returns the kubeconfigs of these leaves that the API rejects although their certificates are good."""
    if scene.facts.api_problem or state.begun:
        return {}
    found = scene.proofs_on(state.name).nobody
    ends = {path: leaf for path in found for leaf in leaves if path.endswith(f"/{leaf}")}
    return {path: found[path] for path, leaf in ends.items() if not scene.explains_failure(state.node, [leaf])}


def unled(scene: RotationScene) -> tuple[str, ...]:
    """Returns the controllers for which no instance has renewed the Lease recently, or elects a leader by it at all.

    The newest Lease is the reference time. Controllers whose certificate explains it are left out.
    """
    silent = (*unelected(scene), *_stale(scene))
    return tuple(leader for leader in KUBECONFIG_OF if leader in silent)


def unelected(scene: RotationScene) -> dict[str, str]:
    """Maps the controllers of which no node elects a leader by the Lease of their own name to the reason on each node.

    The manifests say so, whatever the state of the run. Such a Lease is never renewed.
    """
    names = sorted(state.name for state in scene.control_planes)
    told = {name: scene.proofs_on(name).unelected for name in names}
    return {
        leader: "; ".join(f"{name}: {why[leader]}" for name, why in told.items())
        for leader in KUBECONFIG_OF
        if told and all(leader in why for why in told.values())
    }


def _stale(scene: RotationScene) -> tuple[str, ...]:
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
    """Returns the static pods and kubeconfigs of a node whose proof already fails.

    An API server that fails is not in the list; the rules refuse it.
    """
    failing = (pod for pod in ails(scene, state, pods) if pod != API_SERVER)
    return (*failing, *nobody(scene, state, leaves))


def of_proofs(
    scene: RotationScene, state: RotationState, pods: Iterable[str], leaves: Sequence[str]
) -> Iterator[Finding]:
    """Yields the findings of the proofs before any change. What already fails would prove nothing afterwards."""
    seen = scene.proofs_on(state.name)
    if seen.unasked and (pods or leaves):
        problem = f"what its proofs say before any change is not known: {seen.unasked}"
        yield refused(state.name, problem, "run it again when the node answers")
        return
    if not seen.curl and pods:
        yield refused(state.name, "it has no curl: nothing could be proven", "install curl there")
        return
    for pod, said in ails(scene, state, pods).items():
        problem = f"{pod} is unhealthy before any change: it reports {said}"
        if pod == API_SERVER:
            step = "`kubectl get --raw '/readyz?verbose'` at that API server says why; repair it first"
            yield refused(state.name, problem, step)
        else:
            step = f"its health is not part of the proof; check the log of {pod} there"
            yield cautioned(state.name, problem, step, lasting=f"{pod} is unhealthy before any change")
    if not seen.kubectl and any(leaf.endswith(".conf") for leaf in leaves):
        yield cautioned(state.name, "it has no kubectl: who the API sees with a new kubeconfig is not asked")
    for path, why in nobody(scene, state, leaves).items():
        step = "the proof does not ask it either; check its `server:` field"
        told = f"the API sees nobody with it, and it has not expired{figure(f': {why}')}"
        yield cautioned(f"{state.name}: {path}", told, step)


def of_leaders(scene: RotationScene) -> Iterator[Finding]:
    """Yields a caution for each controller without a renewed Lease. The proof needs a Lease that is renewed."""
    never = unelected(scene)
    for leader, why in never.items():
        problem = f"no control plane node elects its leader by the Lease kube-system/{leader}: {why}"
        yield cautioned(leader, problem, "that one leads is not part of the proof; check its log afterwards")
    for leader in unled(scene):
        if leader in never:
            continue
        step = f"`kubectl -n kube-system get lease {leader}`; that one leads is not part of the proof"
        yield cautioned(leader, "none has renewed its lease in the last two minutes", step)


def not_ready(scene: RotationScene) -> Iterator[tuple[str, str]]:
    """Yields the nodes of this run that are not Ready although their kubelet's certificate is good."""
    touched = {
        state.name
        for state in scene.control_planes
        if state.is_touched and not state.has_kubelet_step and not state.begun
    }
    ended = {one.node for one in scene.expired}
    yield from (
        (node.name, node.ready_message) for node in scene.facts.nodes if not node.ready and node.name in touched - ended
    )


def of_all_proofs(scene: RotationScene) -> Iterator[Finding]:
    """Yields the findings for every control plane node, the controllers' leaders and the nodes."""
    for state in scene.control_planes:
        yield from of_proofs(scene, state, tuple(state.restarts), tuple(state.due))
    if any(state.restarts for state in scene.control_planes):
        yield from of_leaders(scene)
    for name, message in not_ready(scene):
        yield cautioned(
            name,
            f"it is not Ready before any change{figure(f': {message}')}",
            "that it is, is not part of the proof",
        )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
