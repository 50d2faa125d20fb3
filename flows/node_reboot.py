"""Drains and reboots one node, proves it healthy, and puts it back in service."""

from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.core.models.request import Reason, Ticket
from tasks.node_service.models import RebootOptions, Request
from tasks.node_service.policy.plan import options_of, plan_reboot
from tasks.node_service.steps import note_reboot
from tasks.node_service.summary import summarize_reboot, summarize_service
from tasks.nodes.models.nodes import NodeName
from tasks.os_patch.models.plan import PatchOrders
from tasks.os_patch.observe import observe_patch, read_maintenance
from tasks.os_patch.steps import patch_node
from tasks.run.end_states import ends_in_words
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@ends_in_words
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
    """Drains one node, reboots it, proves it healthy and uncordons it. It runs at any time, even if other workers are unhealthy.

    Args:
        cluster: name of the cluster's profile
        node: name of the node
        reason: why; kept in the node's annotations and in the report
        ticket: id of the incident or the change, kept beside the reason
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what the drain may do, and how long the reboot may take
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
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
