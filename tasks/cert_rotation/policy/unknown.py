"""Reports what is not known of certificates: not found, not readable, or served from no known file.

This stops a run even if nothing else is due.
"""

from collections.abc import Iterator

from tasks.cert_rotation.policy.scope import RotationScene
from tasks.cert_rotation.policy.state import RotationState
from tasks.certificates.models.inventory import Certificate
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.certificates.policy.inventory import how_to_give_key, how_to_make, is_spare, of_served
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.kubeadm import KUBELET_CLIENT


def of_unknown(scene: RotationScene) -> Iterator[Finding]:
    """Yields findings about unknown certificates for all nodes of the rotation."""
    if unreached := [f"{one.name}: {one.unreached}" for one in scene.facts.inventory.nodes if one.unreached]:
        yield refused(
            "nodes", f"not reached: {listed(unreached)}", "bring them back, or remove them from nodes: in the profile"
        )
    for state in scene.control_planes:
        yield from _of_control_plane(scene, state)
    for state in scene.workers:
        yield from (_of_key(state, one) for one in state.node.certificates if one.key_problem)
    yield from of_unasked(scene)
    for state in scene.states:
        for copy in state.node.kubeconfigs:
            if copy.problem and not copy.missing:
                step = "write it as kubeadm does: each key with its value on one line"
                yield cautioned(f"{state.name}: {copy.path}", copy.problem, step)


def of_unasked(scene: RotationScene) -> Iterator[Finding]:
    """Yields a refusal for each node that does not report what earlier runs have left. No answer is not no record."""
    for state in scene.states:
        if state.left.unasked and not state.node.unreached:
            problem = f"what an earlier run has left there is not known: {state.left.unasked}"
            step = "a rotation may be under way there: have the node answer, then run this again"
            yield refused(state.name, problem, step)


def _of_control_plane(scene: RotationScene, state: RotationState) -> Iterator[Finding]:
    for problem in state.node.problems:
        step = "correct it: which certificates are used there is not known without it"
        yield refused(state.name, problem, step)
    for one in state.node.certificates:
        if one.problem and one.name != KUBELET_CLIENT:
            tell = cautioned if is_spare(one) or not (one.absent or one.name) else refused
            yield tell(one.label, one.problem, how_to_make(one))
        elif one.key_problem:
            yield _of_key(state, one)
    for served in state.node.served:
        yield from of_served(state.node, served, scene.now, scene.options.renew_before)


def _of_key(state: RotationState, one: Certificate) -> Finding:
    """Returns the finding for a certificate whose key is not known.

    Either this run makes a new certificate with a key, or nobody does.
    """
    if one.name in state.due or (one.name == KUBELET_CLIENT and state.kubelet):
        step = "this run makes another certificate with a key; find out who took the old one away"
        return cautioned(one.label, one.key_problem, step)
    tell = refused if one.name in LEAVES or one.name in AUTHORITIES else cautioned
    return tell(one.label, one.key_problem, how_to_give_key(one, state.node))
