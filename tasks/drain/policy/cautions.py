"""Finds what may make a drain slow or harmful. None of it forbids a drain."""

from collections.abc import Sequence

from tasks.core.words import duration_in_words
from tasks.drain.policy.lookup import Lookup
from tasks.drain.policy.places import is_place_unknown
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import Pod


def of_node(node: KubeNode, leaving: Sequence[Pod]) -> list[str]:
    """Warns if the node is not Ready: its kubelet has to confirm that pods have stopped."""
    if node.ready or not leaving:
        return []
    return [
        f"{node.name} is not Ready: no kubelet confirms that its pods have stopped; --skip-wait-for-delete-timeout does "
        f"not wait for them"
    ]


def of_pods(leaving: Sequence[Pod], lookup: Lookup) -> list[str]:
    """Warns about finalizers, grace periods not shorter than the drain's timeout, and pods whose place is unknown."""
    limit, given = lookup.options.timeout, lookup.options.grace_period
    told = []
    for pod in leaving:
        grace = pod.grace_period if given is None else given
        if pod.finalizers:
            told.append(f"{pod.kin} stays until somebody removes its finalizers {', '.join(pod.finalizers)}")
        if is_place_unknown(pod, lookup):
            told.append(
                f"whether another node takes {pod.kin} is not known: its affinity, its volume or its tolerations use an operator of a newer API"
            )
        if grace >= limit and not pod.is_finished:
            told.append(
                f"{pod.kin} may take {duration_in_words(grace)} to stop, the drain's timeout is {duration_in_words(limit)}"
            )
    return list(dict.fromkeys(told))


def of_services(node: KubeNode, leaving: Sequence[Pod], lookup: Lookup) -> list[str]:
    """Warns about services of the whole cluster that only this node provides: DNS and webhooks."""
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
