"""Static pods of control plane nodes, looked at together with what kubeadm would write in their place."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused
from tasks.upgrade.models.manifests import NodeManifests
from tasks.upgrade.probes import manifests

CALL = timedelta(seconds=90)


def look_at_manifests(
    handle: Cluster, names: Sequence[str], configuration: Mapping[str, Any]
) -> tuple[NodeManifests, ...]:
    """Of all these nodes at once, with the cluster's ClusterConfiguration; a node that does not answer is a fact, with the reason."""
    return tuple(on_all(lambda name: _look(handle, name, configuration), names))


def _look(handle: Cluster, name: str, configuration: Mapping[str, Any]) -> NodeManifests:
    node = handle.node(name)
    try:
        looked = node.run(manifests.look(), timeout=CALL, sudo=True).stdout
        try:
            given = manifests.configuration_for(name, looked, configuration)
        except ValueError as error:
            return manifests.compared(name, looked, b"", problem=str(error))
        rendered = node.run(manifests.render(), stdin=given.encode(), timeout=CALL, sudo=True).stdout
    except (NotYet, Refused) as error:
        return NodeManifests(node=name, problem=str(error))
    return manifests.compared(name, looked, rendered)
