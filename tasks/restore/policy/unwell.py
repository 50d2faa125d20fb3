"""Finds what is unhealthy before a restore.

The plan names it, and the final proof leaves it out, because it is no worse afterwards.
"""

from collections.abc import Iterator, Sequence

from tasks.control_plane.models import ControlPlaneNode
from tasks.core.models.findings import cautioned
from tasks.core.models.plan import Caution
from tasks.restore.models import LEADERS, ControlPlaneFacts

LEFT_OUT = "the restore does not wait for it in the end"


def unwell_nodes(facts: ControlPlaneFacts, present: Sequence[ControlPlaneNode]) -> dict[str, str]:
    """Returns the unhealthy nodes by name, with the reason.

    The API's report counts only while the cluster works and no restore has begun. After that, its data is the backup's.
    """
    said = facts.not_ready if facts.serves and facts.under_way is None else {}
    told = {node.name: f"it is not Ready: {said[node.name]}" for node in present if node.name in said}
    return told | {node.name: node.kubelet_problem for node in present if node.kubelet_problem}


def electing(present: Sequence[ControlPlaneNode]) -> tuple[str, ...]:
    """Lists the leaders whose Lease somebody renews."""
    return tuple(name for name in LEADERS if any(name in node.electing for node in present))


def cautions_of_unwell(facts: ControlPlaneFacts, present: Sequence[ControlPlaneNode]) -> Iterator[Caution]:
    """Returns a caution for each unhealthy part, with the commands that help to repair it."""
    for name, why in unwell_nodes(facts, present).items():
        yield cautioned(name, f"{why}: {LEFT_OUT}", f"`systemctl status kubelet` and `journalctl -u kubelet` on {name}")
    controls = [node for node in present if node.is_control_plane]
    found = electing(present)
    for name in LEADERS if controls else ():
        if name not in found:
            problem = (
                f"no control plane node runs it with a leader election by the Lease kube-system/{name}: {LEFT_OUT}"
            )
            yield cautioned(name, problem, "check its log afterwards")
    for node in controls:
        if absent := [name for name in LEADERS if name not in node.manifests]:
            yield cautioned(node.name, f"it has no manifest of {' and '.join(absent)}: nothing of it is started")
