"""Updates the operating system of every node and reboots where needed."""

from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.os_patch.models.options import PatchOptions
from tasks.os_patch.models.outcome import NodePatched, Waits, WavePatched
from tasks.os_patch.models.plan import PatchOrders, PatchPlan
from tasks.os_patch.observe import observe_patch, read_maintenance
from tasks.os_patch.policy.plan import plan_patch
from tasks.os_patch.steps import patch_node, patch_wave
from tasks.os_patch.summary import summarize_patch, summarize_patch_plan
from tasks.run.end_states import ends_in_words
from tasks.run.locks import Check, locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.reports import progress
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, Run, runbook


@ends_in_words
@flow(name="node_os_patch", flow_run_name="patch-{cluster}", **RUNBOOK)
def node_os_patch(
    cluster: ClusterName,
    mode: Mode = Mode.APPROVE,
    options: PatchOptions = PatchOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Patches control plane nodes one at a time and workers in waves, within the maintenance window. It proves each node.

    It never touches Kubernetes' own packages, containerd and runc. Outside of a window it skips.

    Args:
        cluster: name of the cluster's profile
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what is installed, when a node is rebooted, and how many nodes at once
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        facts = run.step(observe_patch, cluster, options, run.run_id)
        now = datetime.now(UTC)
        records = run.step(observe_records, cluster)
        wanted = plan_patch(facts, options, read_maintenance(cluster), now=now)
        plan = run.settle(mind_records(wanted, records, "node_os_patch", cluster), mode, approve_within)
        if plan.is_postponed:
            return run.skip(*summarize_patch_plan(plan))
        if mode is Mode.PLAN or not plan.nodes:
            return run.finish(*summarize_patch_plan(plan))
        with locked(cluster, run.run_id, run.holder) as check:
            run.step(check_records, cluster, "node_os_patch")
            return run.finish(*_patch(run, plan, options, cluster, check))


def _patch(run: Run, plan: PatchPlan, options: PatchOptions, cluster: str, check: Check) -> tuple[str, ...]:
    """Does every act of the plan and returns the lines that an operator reads first."""
    begun = tuple(node.name for node in plan.nodes if node.begun)
    orders = PatchOrders(options=options, run_id=run.run_id, until=plan.until, ours=begun)
    done: list[NodePatched] = []
    waiting: list[Waits] = []
    failed: dict[str, str] = {}

    def gather(came: WavePatched) -> None:
        done.extend(came.nodes)
        waiting.extend(came.waiting)
        failed.update(came.failed)

    with progress(f"{cluster}-node-os-patch", "nodes patched", len(plan.nodes)) as nodes:
        for node in plan.control_plane:
            gather(run.step(patch_node, cluster, node, orders, check))
            nodes.advance(1)
        for wave in plan.waves:
            mine = orders.model_copy(update={"ours": (*begun, *failed)})
            gather(run.step(patch_wave, cluster, wave, mine, check, len(failed)))
            nodes.advance(len(wave))
    return summarize_patch(plan, done, waiting, failed)
