"""Runbook: one node rebooted in order: drained, rebooted, proven well, and back in service."""

from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.node_service.models import Reason, RebootOptions, Request, Ticket
from tasks.node_service.policy.plan import options_of, plan_reboot
from tasks.node_service.steps import note_reboot
from tasks.node_service.summary import summarize_reboot, summarize_service
from tasks.nodes.models.nodes import NodeName
from tasks.os_patch.models.plan import PatchOrders
from tasks.os_patch.observe import observe_patch, read_maintenance
from tasks.os_patch.steps import patch_node
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@flow(name="node_reboot", flow_run_name="reboot-{cluster}-{node}", **RUNBOOK)
def node_reboot(
    cluster: ClusterName,
    node: NodeName,
    reason: Reason,
    ticket: Ticket = "",
    mode: Mode = Mode.APPROVE,
    options: RebootOptions = RebootOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Drains one node, reboots it, proves it well and gives it back; at any time, whatever ails other workers.

    Args:
        cluster: name of the cluster's profile
        node: its name
        reason: for its annotations and the report
        ticket: of the incident or the change, for the same
        mode: plan shows what would be done; approve waits for a person's word on it, and then does it; apply does it at once
        options: what the drain may do, and how long the node may take to come back
        approve_within: how long mode approve waits, for example 24h; then the run fails, and nothing was touched
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        request = Request(node=node, reason=reason, ticket=ticket, run_id=run.run_id)
        asked = options_of(options, request)
        facts = run.step(observe_patch, cluster, asked, run.run_id)
        rules, now = read_maintenance(cluster), datetime.now(UTC)
        records = run.step(observe_records, cluster)
        wanted = plan_reboot(facts, options, request, rules, now=now)
        wanted = mind_records(wanted, records, "node_reboot", cluster, nodes=(node,))
        plan = run.settle(wanted, mode, approve_within)
        if mode is Mode.PLAN or not plan.nodes:
            return run.finish(*summarize_service(request, plan))
        orders = PatchOrders(
            options=asked,
            run_id=run.run_id,
            runbook="node_reboot",
            reason=request.in_words,
            ticket=ticket,
            urgent=True,
        )
        with locked(cluster, run.run_id, run.holder) as check:
            run.step(check_records, cluster, "node_reboot", nodes=(node,))
            done = run.step(patch_node, cluster, plan.nodes[0], orders, check)
            run.step(note_reboot, cluster, request, check)
        return run.finish(*summarize_reboot(request, done.nodes))
