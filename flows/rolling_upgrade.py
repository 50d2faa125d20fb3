"""Upgrades a kubeadm cluster to another version of Kubernetes without losing a request or quorum."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from prefect import flow
from pydantic import StringConstraints

from flows.etcd_backup_to_s3 import etcd_backup_to_s3
from tasks.backup.backups import check_store, recent_backup
from tasks.backup.models.backups import Backup
from tasks.core.errors import Refused
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.reports import progress
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, Run, runbook
from tasks.upgrade.models.upgrade import NodeUpgraded, Orders, UpgradeOptions, UpgradePlan
from tasks.upgrade.policy.plan import plan_upgrade
from tasks.upgrade.steps import (
    observe_upgrade,
    pin_etcd,
    prove_control_plane,
    prove_upgraded,
    read_rules,
    stage_upgrade,
    trim_kubeadm_backups,
    upgrade_control_plane_node,
    upgrade_wave,
)
from tasks.upgrade.summary import summarize_upgrade, summarize_upgrade_plan, way_back


@ends_in_words
@flow(name="rolling_upgrade", flow_run_name="upgrade-{cluster}-{version}", **RUNBOOK)
def rolling_upgrade(
    cluster: ClusterName,
    version: Annotated[str, StringConstraints(max_length=40)],
    mode: Mode = Mode.APPROVE,
    options: UpgradeOptions = UpgradeOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Upgrades control plane nodes one at a time and workers in waves. A gate stands before each node and a proof after it.

    Args:
        cluster: name of the cluster's profile
        version: the target version, for example 1.37.2
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what the upgrade may do, and how many nodes at once
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        summary: tuple[str, ...] = ()
        approved: UpgradePlan | None = None
        while True:  # once, but for a chain: each of its steps is observed, planned and asked for on its own
            facts = run.step(observe_upgrade, cluster, version, options)
            records = run.step(observe_records, cluster)
            wanted = plan_upgrade(facts, version, options, read_rules(cluster), now=datetime.now(UTC))
            wanted = mind_records(wanted, records, "rolling_upgrade", cluster)
            plan = run.settle(wanted, mode, approve_within, after=approved)
            if mode is Mode.PLAN or not plan.nodes:
                return run.finish(*summary, *summarize_upgrade_plan(plan))
            if options.approve_chain_at_once:
                approved = plan  # the chain stands in it; what is worse later is asked about
            with locked(cluster, run.run_id, run.holder) as check:
                run.step(check_records, cluster, "rolling_upgrade")
                summary += _upgrade(run, plan, options, cluster, check)
            if not plan.hops[1:]:
                return run.finish(*summary)


def _upgrade(
    run: Run, plan: UpgradePlan, options: UpgradeOptions, cluster: str, check: Callable[[], None]
) -> tuple[str, ...]:
    """Does every act of one plan and returns the lines that an operator reads first."""
    backup = _back_up(run, cluster, options)
    staged = run.step(stage_upgrade, cluster, plan, options, run.run_id, check)
    orders = Orders(staged=staged, options=options, run_id=run.run_id, patches=plan.patches)
    if options.etcd_image_tag:
        run.step(pin_etcd, cluster, options.etcd_image_tag, check)
    done: list[NodeUpgraded] = []
    failed: dict[str, str] = {}
    with progress(f"{cluster}-rolling-upgrade", f"nodes at v{plan.version}", len(plan.nodes)) as nodes:
        for node in plan.control_plane:
            run.way_back(way_back(node, backup))
            done.append(run.step(upgrade_control_plane_node, cluster, node, orders, check))
            nodes.advance(1)
        run.way_back("")
        run.step(prove_control_plane, cluster, plan, staged)
        for wave in plan.waves:
            came = run.step(upgrade_wave, cluster, wave, orders, check, len(failed))
            nodes.advance(len(wave))
            done += came.nodes
            failed |= came.failed
    proof = run.step(prove_upgraded, cluster, plan, staged, tuple(failed))
    run.step(trim_kubeadm_backups, cluster, plan, options.keep_kubeadm_backups, check)
    return summarize_upgrade(plan, backup, done, failed, proof)


def _back_up(run: Run, cluster: str, options: UpgradeOptions) -> Backup:
    """Finds a verified backup that is young enough, or makes one, in case that the upgrade damages etcd's data."""
    backup = run.step(recent_backup, cluster, options.backup_age)
    if backup is None:
        etcd_backup_to_s3(cluster)
        backup = run.step(recent_backup, cluster, options.backup_age)
    if backup is None:
        raise Refused("the backup that was just made is not in the bucket", hint=f"kube-runbooks reports {cluster}")
    return backup
