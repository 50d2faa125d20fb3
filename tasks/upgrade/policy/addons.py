"""Decides if kubeadm's last act is proven.

It checks kubeadm's configuration, CoreDNS and kube-proxy, and Services from every node.
"""

from collections.abc import Mapping, Sequence

from tasks.core.models.findings import Problem
from tasks.nodes.models.workloads import Workload
from tasks.nodes.probes.api_facts import name_and_version
from tasks.upgrade.models.upgrade import Staged, UpgradePlan

OUTPUT = "check kubeadm's output"


def what_addons_lack(plan: UpgradePlan, staged: Staged, configured: str, addons: Sequence[Workload]) -> Problem | None:
    """Returns what the addons lack, or `None`.

    kubeadm-config must have the target, and the addons must be rolled out with its images. Pods that only a
    person replaces may be old.
    """
    if configured != f"v{staged.version}":
        return Problem(text=f"kubeadm-config has {configured}, not v{staged.version}", next_step=OUTPUT)
    if missing := [name for name in plan.addons if name not in {one.name for one in addons}]:
        return Problem(text=f"{', '.join(missing)} is not there any more", next_step=OUTPUT)
    wanted = {name_and_version(image) for image in staged.images}
    for one in addons:
        if one.name in plan.addons_left_alone:
            continue
        images = ", ".join(one.images)
        if not plan.left_behind and not wanted.issuperset(map(name_and_version, one.images)):
            return Problem(text=f"{one.name} has the image {images}", next_step=OUTPUT)
        if not one.rolled_out and not one.by_hand:
            return Problem(text=f"{one.name}: not all pods are of {images} yet", next_step=_describe(one))
        if one.ready < one.desired:
            return Problem(text=f"{one.name}: {one.ready} of {one.desired} pods are ready", next_step=_describe(one))
    return None


def _describe(addon: Workload) -> str:
    namespace, _, name = addon.name.partition("/")
    return f"`kubectl -n {namespace} describe {addon.kind.lower()} {name}`"


def what_services_lost(failing: Mapping[str, Mapping[str, str]], before: Mapping[str, Sequence[str]]) -> Problem | None:
    """Returns the Services that answered a node before and no longer do, or `None`.

    `failing` maps each node to its failing Services and their problems.
    """
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
        next_step="check the log of kube-proxy there; delete its pod, and the new one writes all rules again",
    )
