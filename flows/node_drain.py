"""Runbook: one node out of service, for a reason that a person or an incident has."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.drain.models import DrainOptions
from tasks.node_service.models import Reason, Request, Ticket
from tasks.node_service.observe import observe_node
from tasks.node_service.policy.plan import plan_drain
from tasks.node_service.steps import drain_node
from tasks.node_service.summary import summarize_drain, summarize_service
from tasks.nodes.models.nodes import NodeName
from tasks.run.locks import locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@flow(name="node_drain", flow_run_name="drain-{cluster}-{node}", **RUNBOOK)
def node_drain(
    cluster: ClusterName,
    node: NodeName,
    reason: Reason,
    ticket: Ticket = "",
    mode: Mode = Mode.APPROVE,
    options: DrainOptions = DrainOptions(),  # noqa: B008 - frozen
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Cordons and drains one node; it stays cordoned until node_uncordon, or a person, takes that away.

    Args:
        cluster: name of the cluster's profile
        node: its name
        reason: for its annotation and the report
        ticket: of the incident or the change, for the same
        mode: plan shows what would be done; approve waits for a person's word on it, and then does it; apply does it at once
        options: what the drain may do, and how long it may take
        approve_within: how long mode approve waits, for example 24h; then the run fails, and nothing was touched
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        request = Request(node=node, reason=reason, ticket=ticket, run_id=run.run_id)
        facts = run.step(observe_node, cluster, node, options)
        plan = run.settle(plan_drain(facts, request), mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_service(request, plan))
        with locked(cluster, run.run_id, run.holder) as check:
            drained = run.step(drain_node, cluster, request, options, check)
        return run.finish(*summarize_drain(request, drained, cluster))
