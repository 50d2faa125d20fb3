"""Decides which conditions block disruption of a node for now, whatever the run does there."""

from collections.abc import Collection, Sequence

from tasks.core.models.findings import Problem
from tasks.drain.models import CORDONED_BY, FAILED, REASON
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.workloads import Workload


def what_blocks(
    nodes: Sequence[KubeNode],
    workloads: Sequence[Workload],
    alerts: Sequence[str],
    ours: Collection[str],
    *,
    allow_cordoned: bool,
) -> tuple[str, ...]:
    """Returns every condition that blocks disruption.

    These are other nodes that are unhealthy or out of service, rollouts under way, and firing alerts. `ours`
    names the nodes that this run has out of service, or has given up within max_failed.
    """
    others = (_of_node(node, allow_cordoned=allow_cordoned) for node in nodes if node.name not in ours)
    told = [problem.text for problem in others if problem]
    told += [f"{one.kind} {one.name} is being rolled out: {one.rollout}" for one in workloads if one.rollout]
    return (*told, *(f"an alert fires: {alert}" for alert in alerts))


def cordon_of_others(node: KubeNode) -> Problem | None:
    """Returns who else has cordoned a node. It is `None` if nobody has, or if a run of ours has."""
    if not node.cordoned or CORDONED_BY in node.annotations:
        return None
    reason = node.annotations.get(REASON)
    return Problem(text=f"somebody has cordoned {node.name}{f': {reason}' if reason else ''}")


def _of_node(node: KubeNode, *, allow_cordoned: bool) -> Problem | None:
    if not node.ready:
        return Problem(text=f"node {node.name} is not Ready: {node.ready_message}")
    if CORDONED_BY in node.annotations:
        reason = node.annotations.get(FAILED) or node.annotations.get(REASON, "no reason is known")
        return Problem(text=f"another run of ours has {node.name} out of service: {reason}")
    return None if allow_cordoned else cordon_of_others(node)


def alert_in_words(labels: str) -> str:
    """Returns an alert's labels without those that every alert has: `alertname=DiskFull, instance=w1:9100`."""
    parts = [part for part in labels.split(", ") if part not in {"__name__=ALERTS", "alertstate=firing"}]
    return ", ".join(parts) or "one without a name"
