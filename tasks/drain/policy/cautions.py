"""What a drain may take long for, or hurt: nothing of it forbids one."""

from collections.abc import Sequence
from datetime import timedelta

from tasks.drain.policy.lookup import Lookup
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import Pod


def of_node(node: KubeNode, leaving: Sequence[Pod]) -> list[str]:
    """Its kubelet has to say that pods have stopped."""
    if node.ready or not leaving:
        return []
    return [
        f"{node.name} is not Ready: nobody there confirms that its pods have stopped; skip_deleting_after of the drain's "
        f"options does not wait for them"
    ]


def of_pods(leaving: Sequence[Pod], lookup: Lookup) -> list[str]:
    """Finalizers, and more time to stop than the drain has."""
    limit, given = lookup.options.limit, lookup.options.grace_period
    told = []
    for pod in leaving:
        grace = pod.grace_period if given is None else given
        if pod.finalizers:
            told.append(f"{pod.kin} stays until somebody removes its finalizers {', '.join(pod.finalizers)}")
        if grace >= limit and not pod.is_finished:
            told.append(f"{pod.kin} may take {_seconds(grace)} to stop, the limit of the drain is {_seconds(limit)}")
    return list(dict.fromkeys(told))


def of_services(node: KubeNode, leaving: Sequence[Pod], lookup: Lookup) -> list[str]:
    """What the whole cluster asks, and only this node answers: DNS, and webhooks."""
    told = []
    going = {pod.uid for pod in leaving}
    if lookup.dns and all(pod.uid in going for pod in lookup.dns):
        told.append(f"all ready pods of the cluster's DNS are on {node.name}: names fail for a moment")
    told += [
        f"webhook {hook.name}: all ready pods of {hook.service} are on {node.name}: what it checks is refused for a moment"
        for hook in lookup.facts.webhooks
        if leaving and hook.backends == (node.name,)
    ]
    return told


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} s"
