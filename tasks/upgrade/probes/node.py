"""Asks a node what an upgrade needs while it works on it, in addition to the general facts of the node."""

from tasks.core.models.shape import KubeletShape
from tasks.core.shell import script
from tasks.nodes.probes.node_facts import FLAG_FILES
from tasks.upgrade.models.folders import upgraded_file

UNIT_LINES = 150
"""Limits the lines of the kubelet's journal that are shown to a person."""


def is_upgraded(version: str) -> str:
    """Returns the script that exits with status 0 when kubeadm has finished on this node."""
    return script(__file__, "is_upgraded", upgraded=upgraded_file(version))


def evidence(kubelet: KubeletShape) -> str:
    """Returns the script that prints diagnostics of a failed node.

    They are the kubelet's journal, containers, and manifests compared with kubeadm's copy of the old ones.
    """
    return script(
        __file__,
        "evidence",
        unit_lines=UNIT_LINES,
        flag_files=FLAG_FILES,
        manifests=kubelet.manifests,
        endpoint=kubelet.runtime_endpoint,
    )
