"""Plans of an upgrade for made-up clusters, and what tests compare of them."""

from collections.abc import Mapping
from typing import Any

from tasks.core.models.plan import Caution, Refusal
from tasks.core.models.profile import UpgradeRules
from tasks.upgrade.models.upgrade import ClusterFacts, UpgradeOptions, UpgradePlan
from tasks.upgrade.policy.plan import plan_upgrade
from tests.facts.upgrade import ALL, NEW, NOW, cluster, kube_proxy, static_pods, upgraded

Facts = Mapping[str, Any]
"""Of machines, nodes or the API, by name."""

FLAG = "pod-infra-container-image"


def plan(facts: ClusterFacts, version: str = NEW, rules: UpgradeRules | None = None, **options: object) -> UpgradePlan:
    """For these facts, with the safe options unless others are given."""
    return plan_upgrade(facts, version, UpgradeOptions.model_validate(options), rules or UpgradeRules(), now=NOW)


def told(items: tuple[Refusal, ...] | tuple[Caution, ...]) -> list[tuple[str, str, str]]:
    """As tuples."""
    return [(item.subject, item.problem, item.next_step) for item in items]


def acts(planned: UpgradePlan) -> list[tuple[str, str]]:
    """Who, what."""
    return [(step.subject, step.act) for step in planned.steps]


APPLY = f"kubeadm upgrade apply v{NEW}, drain, kubelet v{NEW}"
NODE = f"kubeadm upgrade node to v{NEW}, drain, kubelet v{NEW}"
MOVE_LEADER = f"move etcd's leadership away, {NODE}"


DONE: Facts = {
    "machines": upgraded(*ALL),
    "nodes": upgraded(*ALL),
    "api": {"kubeadm_version": NEW, "workloads": (kube_proxy(NEW),), "version": NEW},
}


def changed(facts: Facts, **changes: Facts) -> ClusterFacts:
    """These facts of a cluster, with changes to machines, nodes or the API."""
    merged = dict(facts)
    for part, change in changes.items():
        before = facts.get(part, {})
        merged[part] = {
            **before,
            **{key: {**before.get(key, {}), **value} if part != "api" else value for key, value in change.items()},
        }
    return cluster(**merged)


def half(**changes: object) -> Facts:
    """What a machine says whose control plane is new, and whose kubelet is old."""
    return {"static_pods": static_pods(NEW, "3.7.0"), "api_version": NEW, "kubeadm": NEW} | changes
