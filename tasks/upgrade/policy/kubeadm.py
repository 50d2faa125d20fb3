"""kubeadm of the target, right before it acts on a node: what it replaces there, and what it must not take away."""

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
    """A static pod of Kubernetes is not of the version that kubeadm of the target wants."""
    wanted = dict(map(name_and_version, images))
    pods = {pod.name: pod.version for pod in machine.static_pods}
    return any(pods[name] != wanted[name] for name in pods.keys() & wanted.keys() - {ETCD})


def moves_etcd(machine: NodeFacts, images: Sequence[str]) -> bool:
    """kubeadm of the target replaces the member of this node; it never moves one back."""
    runs = next((pod.version for pod in machine.static_pods if pod.name == ETCD), "")
    before, after = EtcdVersion.observed(runs), etcd_among(images)
    return bool(before and after and before < after)


def etcd_among(images: Sequence[str]) -> EtcdVersion | None:
    """The version of etcd among these images."""
    tag = next((version for name, version in map(name_and_version, images) if name == ETCD), "")
    return EtcdVersion.observed(tag)


def what_forbids_brought_etcd(members: Sequence[Member], brought: EtcdVersion) -> Problem | None:
    """The rule of the plan, with the etcd that this kubeadm does bring."""
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
        text="; ".join(problems), next_step="move etcd first: options.etcd_image_tag, with the version of now"
    )


def what_kubeadm_must_not_take(seen: NodeManifests) -> Problem | None:
    """The rule of the plan, with the manifests of this moment and what kubeadm of the target writes: an hour may have passed."""
    if strange := [f"{one.component}: {one.problem}" for one in seen.manifests if one.problem]:
        told = f"a manifest could not be parsed, so nobody knows what kubeadm would take away: {'; '.join(strange)}"
        return Problem(text=told, next_step="repair it in /etc/kubernetes/manifests")
    if harmful := [loss for manifest in seen.manifests for loss in losses_of(manifest) if loss.harm]:
        told = "; ".join(f"{one.component} without {one.words}: {one.harm}" for one in harmful)
        return Problem(text=f"kubeadm would write {told}", next_step=GIVE_IT)
    dear = [flag for manifest in seen.manifests for flag in flags_not_to_lose(manifest)]
    if seen.problem and dear:
        told = f"kubeadm could not render its manifests: {seen.problem}; it may take {', '.join(dear)} away"
        return Problem(text=told, next_step=GIVE_IT)
    return None
