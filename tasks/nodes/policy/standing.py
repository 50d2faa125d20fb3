"""Which nodes may be away any moment."""

from collections.abc import Sequence

from tasks.nodes.models.nodes import KubeNode


def nodes_that_may_be_away(nodes: Sequence[KubeNode], ours: Sequence[str]) -> dict[str, str]:
    """Nodes that may be away any moment: not Ready, or cordoned, but not by the run whose nodes are `ours`."""
    found = {}
    for node in nodes:
        if not node.ready:
            found[node.name] = f"not Ready: {node.ready_message}"
        elif node.cordoned and node.name not in ours:
            found[node.name] = "cordoned"
    return found
