"""Evaluates before the act if the proof that a new API server reads Secrets is possible."""

from collections.abc import Iterator

from tasks.core.models.findings import Finding, cautioned
from tasks.core.models.plan import figure
from tasks.upgrade.models.manifests import SecretRead
from tasks.upgrade.policy.scope import Scene


def rules_of_secret(scene: Scene) -> Iterator[Finding]:
    """Yields findings for each API server that is replaced.

    If it reads no Secret now, nobody can ask that of the new one.
    """
    told = {one.node: one for one in scene.facts.secrets}
    for node in scene.control_planes:
        if not node.is_due or not node.needs_kubeadm or node.machine.unreached:
            continue
        read = told.get(node.name, SecretRead(node=node.name, problem="it was not asked"))
        if not read.secret:
            problem = f"its API server reads no Secret now, so nothing proves that the new one does{figure(f': {read.problem}')}"
            yield cautioned(node.name, problem, f"read one through it: `kubectl get secrets -A` on {node.name}")
