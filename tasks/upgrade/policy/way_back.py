"""Decides when a restore of etcd is the way back from an upgrade."""

from tasks.upgrade.models.upgrade import NodeUpgrade


def is_restore_the_way_back(node: NodeUpgrade) -> bool:
    """Checks whether the work on a node can damage etcd's data, which a restore of etcd then brings back.

    Only kubeadm on a control plane node can: it replaces etcd, and the API server that writes to it. A restore brings
    back nothing of downloads, addons, kubelets or workers. It would only lose what was written since the backup.
    """
    return node.control_plane and node.needs_kubeadm
