"""Decides which nodes may become unavailable at any moment."""

from collections.abc import Sequence

from tasks.nodes.models.nodes import KubeNode


def nodes_that_may_be_away(nodes: Sequence[KubeNode], ours: Sequence[str]) -> dict[str, str]:
    """Maps each node that may become unavailable at any moment to the reason.

    Such a node is not Ready or is cordoned. A cordon by the run whose nodes are `ours` does not count.
    """
    found = {}
    for node in nodes:
        if not node.ready:
            found[node.name] = f"not Ready: {node.ready_message}"
        elif node.cordoned and node.name not in ours:
            found[node.name] = "cordoned"
    return found
