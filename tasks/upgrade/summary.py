"""Summarizes an upgrade: the lines that people read first."""

from collections.abc import Mapping, Sequence

from tasks.backup.models.backups import Backup
from tasks.backup.summary import restore_command
from tasks.core.commands import TO_DO_IT
from tasks.core.words import counted
from tasks.run.parts import times_of_parts, what_was_noticed
from tasks.upgrade.models.upgrade import NodeUpgrade, NodeUpgraded, Upgraded, UpgradePlan
from tasks.upgrade.policy.way_back import is_restore_the_way_back


def summarize_upgrade_plan(plan: UpgradePlan) -> tuple[str, ...]:
    """Returns the summary of an upgrade that was only planned, or that has no work."""
    if not plan.nodes:
        return (f"nothing to do: every node is at v{plan.version}",)
    return (
        f"nothing was done: this is the plan of an upgrade from v{plan.before} to v{plan.version} of {counted(len(plan.nodes), 'node')}",
        TO_DO_IT,
    )


def summarize_upgrade(
    plan: UpgradePlan, backup: Backup, done: Sequence[NodeUpgraded], failed: Mapping[str, str], proof: Upgraded
) -> tuple[str, ...]:
    """Returns the summary of an upgrade: its backup, what was proven, what each node took, and what is left."""
    return (
        f"v{plan.before} to v{plan.version}: {counted(len(done), 'node')} upgraded"
        + (f", {len(failed)} failed" if failed else ""),
        f"backup {backup.id} is from before the upgrade",
        f"proven: every upgraded kubelet is v{plan.version}; etcd: {', '.join(f'{name} {v}' for name, v in proof.etcd.items())}",
        f"proven: the ClusterIPs of kubernetes and kube-dns answer from {', '.join(proof.service_paths)}",
        f"rolled out: {', '.join(proof.addons)}",
        *(_node_line(one) for one in done),
        *(f"NOT upgraded: {name}: {why}" for name, why in failed.items()),
        *(f"{one.node} was cordoned before the run, and stays so" for one in done if one.stays_cordoned),
        *what_was_noticed(done),
    )


def way_back(node: NodeUpgrade, backup: Backup) -> str:
    """Returns what undoes the upgrade if it fails on this node; empty if a restore of etcd would not."""
    if not is_restore_the_way_back(node):
        return ""
    since = f"{backup.snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"only if etcd has lost its data: {restore_command(backup)}; it loses everything that was written since {since}"
    )


def _node_line(one: NodeUpgraded) -> str:
    moved = f"; {one.leader_moved_to} leads etcd since" if one.leader_moved_to else ""
    return f"{times_of_parts(one)}, {counted(len(one.evicted), 'pod')} evicted{moved}"
