"""What an upgrade asks of a node while it works on it, beside what a look at the machine tells."""

from tasks.core.shell import script
from tasks.nodes.probes.node_facts import FLAG_FILES
from tasks.upgrade.models.folders import upgraded_file

UNIT_LINES = 150
"""Of the kubelet's journal, for a person."""


def is_upgraded(version: str) -> str:
    """Exit status 0 when kubeadm has come to its end on this node."""
    return script(__file__, "is_upgraded", upgraded=upgraded_file(version))


def evidence() -> str:
    """What a failed node has to say: kubelet's journal, containers, manifests against kubeadm's copy of the old ones."""
    return script(__file__, "evidence", unit_lines=UNIT_LINES, flag_files=FLAG_FILES)
