"""Checks the target's kubeadm right before it acts on a node.

It checks what kubeadm replaces there, and what it must not remove.
"""

from collections.abc import Sequence

from tasks.core.models.etcd import Member
from tasks.core.models.findings import Problem
from tasks.nodes.models.nodes import NodeFacts
from tasks.nodes.policy.versions import EtcdVersion, what_forbids_etcd
from tasks.nodes.probes.api_facts import name_and_version
from tasks.upgrade.models.manifests import NodeManifests
from tasks.upgrade.policy.losses import GIVE_IT
from tasks.upgrade.policy.manifests import flags_not_to_lose, losses_of

ETCD = "etcd"


def has_other_parts(machine: NodeFacts, images: Sequence[str]) -> bool:
    """Returns True if a static pod of Kubernetes has another version than the target's kubeadm wants."""
    wanted = dict(map(name_and_version, images))
    pods = {pod.name: pod.version for pod in machine.static_pods}
    return any(pods[name] != wanted[name] for name in pods.keys() & wanted.keys() - {ETCD})


def moves_etcd(machine: NodeFacts, images: Sequence[str]) -> bool:
    """Returns True if the target's kubeadm replaces the etcd member of this node. It never moves a member back."""
    runs = next((pod.version for pod in machine.static_pods if pod.name == ETCD), "")
    before, after = EtcdVersion.observed(runs), etcd_among(images)
    return bool(before and after and before < after)


def etcd_among(images: Sequence[str]) -> EtcdVersion | None:
    """Returns the version of etcd among these images, or `None`."""
    tag = next((version for name, version in map(name_and_version, images) if name == ETCD), "")
    return EtcdVersion.observed(tag)


def what_forbids_brought_etcd(members: Sequence[Member], brought: EtcdVersion) -> Problem | None:
    """Returns why members cannot be upgraded to the etcd that this kubeadm brings, or `None`.

    The rule is the one of the plan.
    """
    problems = [
        f"{one.label}: {no}"
        for one in members
        if one.status
        and (runs := EtcdVersion.observed(one.status.version))
        and (no := what_forbids_etcd(runs, brought.minor_name))
    ]
    if not problems:
        return None
    return Problem(
        text="; ".join(problems),
        next_step="move etcd first, by an upgrade to the version of now with --etcd-image-tag",
    )


def what_kubeadm_must_not_take(seen: NodeManifests) -> Problem | None:
    """Returns what kubeadm would remove but must not, or `None`.

    The rule is the one of the plan. The input is the current files and what the target's kubeadm writes,
    because an hour may have passed.
    """
    all_of_it = (*seen.manifests, seen.kubelet) if seen.kubelet else seen.manifests
    if strange := [f"{one.component}: {one.problem}" for one in all_of_it if one.problem]:
        told = f"what kubeadm replaces could not be parsed, so it is not known what kubeadm would remove: {'; '.join(strange)}"
        return Problem(
            text=told, next_step="repair it in /etc/kubernetes/manifests, or in /var/lib/kubelet/config.yaml"
        )
    if harmful := [loss for manifest in all_of_it for loss in losses_of(manifest) if loss.harm]:
        told = "; ".join(f"{one.component} without {one.words}: {one.harm}" for one in harmful)
        return Problem(text=f"kubeadm would write {told}", next_step=GIVE_IT)
    dear = [flag for manifest in seen.manifests for flag in flags_not_to_lose(manifest)]
    if seen.problem and dear:
        told = f"kubeadm could not render its manifests: {seen.problem}; it may remove {', '.join(dear)}"
        return Problem(text=told, next_step=GIVE_IT)
    return None
