"""What people read first of an upgrade."""

from collections.abc import Mapping, Sequence

from tasks.backup.models.backups import Backup
from tasks.backup.summary import restore_command
from tasks.run.parts import times_of_parts, what_was_noticed
from tasks.upgrade.models.upgrade import NodeUpgraded, Upgraded, UpgradePlan


def summarize_upgrade_plan(plan: UpgradePlan) -> tuple[str, ...]:
    """For the report of an upgrade that nobody has asked to do, or that has nothing to do."""
    if not plan.nodes:
        return (f"nothing to do: every node is at v{plan.version}",)
    return (
        f"nothing was done: this is the plan of an upgrade from v{plan.before} to v{plan.version} of {len(plan.nodes)} nodes",
        "to do it: the same parameters with mode=approve, or mode=apply",
    )


def summarize_upgrade(
    plan: UpgradePlan, backup: Backup, done: Sequence[NodeUpgraded], failed: Mapping[str, str], proof: Upgraded
) -> tuple[str, ...]:
    """For the report of an upgrade: the way back, what was proven, what each node took, what is left to do."""
    return (
        f"v{plan.before} to v{plan.version}: {len(done)} nodes upgraded"
        + (f", {len(failed)} failed" if failed else ""),
        f"backup {backup.id} was there before; back to it: {restore_command(backup)}",
        f"proven: every upgraded kubelet is v{plan.version}; etcd: {', '.join(f'{name} {v}' for name, v in proof.etcd.items())}",
        f"proven: the ClusterIPs of kubernetes and kube-dns answer from {', '.join(proof.service_paths)}",
        f"rolled out: {', '.join(proof.addons)}",
        *(_node_line(one) for one in done),
        *(f"NOT upgraded: {name}: {why}" for name, why in failed.items()),
        *(f"{one.node} was cordoned before the run, and stays so" for one in done if one.stays_cordoned),
        *what_was_noticed(done),
    )


def _node_line(one: NodeUpgraded) -> str:
    moved = f"; {one.leader_moved_to} leads etcd since" if one.leader_moved_to else ""
    return f"{times_of_parts(one)}, {len(one.evicted)} pods evicted{moved}"
