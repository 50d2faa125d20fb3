"""Whether kubeadm's last act is proven: its configuration, CoreDNS and kube-proxy, and Services from every node."""

from collections.abc import Mapping, Sequence

from tasks.core.models.findings import Problem
from tasks.nodes.models.workloads import Workload
from tasks.nodes.probes.api_facts import name_and_version
from tasks.upgrade.models.upgrade import Staged, UpgradePlan

OUTPUT = "look at kubeadm's output"


def what_addons_lack(plan: UpgradePlan, staged: Staged, configured: str, addons: Sequence[Workload]) -> Problem | None:
    """kubeadm-config has the target, and the addons are rolled out with its images; pods that only a person replaces may be old."""
    if configured != f"v{staged.version}":
        return Problem(text=f"kubeadm-config has {configured}, not v{staged.version}", next_step=OUTPUT)
    wanted = {name_and_version(image) for image in staged.images}
    for one in addons:
        images = ", ".join(one.images)
        if not plan.left_behind and not wanted.issuperset(map(name_and_version, one.images)):
            return Problem(text=f"{one.name} has the image {images}", next_step=OUTPUT)
        if not one.rolled_out and not one.by_hand:
            return Problem(text=f"{one.name}: not all pods are of {images} yet", next_step="look at its rollout")
        if one.ready < one.desired:
            return Problem(text=f"{one.name}: {one.ready} of {one.desired} pods are ready", next_step="look at them")
    return None


def what_services_lost(failing: Mapping[str, Mapping[str, str]], before: Mapping[str, Sequence[str]]) -> Problem | None:
    """Services do not answer a node that they answered before: by node, and of each node Service to what is wrong."""
    wrong = [
        f"{name}: {problem}"
        for name, found in failing.items()
        for service, problem in found.items()
        if f"Service {service}" not in before.get(name, ())
    ]
    if not wrong:
        return None
    return Problem(
        text=f"Services do not answer from every node, whatever their pods say: {'; '.join(wrong)}",
        next_step="look at the log of kube-proxy there; deleting its pod makes a new one that reads all rules anew",
    )
