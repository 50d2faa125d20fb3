"""Runbook: one node back in service, once it is proven well."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.drain.models import DrainOptions
from tasks.node_service.models import Reason, Request, Ticket
from tasks.node_service.observe import observe_node
from tasks.node_service.policy.plan import plan_uncordon
from tasks.node_service.steps import uncordon_node
from tasks.node_service.summary import summarize_service, summarize_uncordon
from tasks.nodes.models.nodes import NodeName
from tasks.run.locks import locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@flow(name="node_uncordon", flow_run_name="uncordon-{cluster}-{node}", **RUNBOOK)
def node_uncordon(
    cluster: ClusterName,
    node: NodeName,
    reason: Reason,
    ticket: Ticket = "",
    mode: Mode = Mode.APPROVE,
    any_cordon: bool = False,
    allow_unhealthy: bool = False,
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Proves one node well and uncordons it: what node_drain has taken out of service.

    Args:
        cluster: name of the cluster's profile
        node: its name
        reason: for the report
        ticket: of the incident or the change, for the same
        mode: plan shows what would be done; approve waits for a person's word on it, and then does it; apply does it at once
        any_cordon: also a cordon of somebody else, or of a run of ours that has not ended
        allow_unhealthy: also a node with something unhealthy that its plan names, for example a DaemonSet's pod that is not ready
        approve_within: how long mode approve waits, for example 24h; then the run fails, and nothing was touched
    """
    with runbook(cluster) as run:
        run.step(check_store, cluster)
        request = Request(node=node, reason=reason, ticket=ticket, run_id=run.run_id)
        facts = run.step(observe_node, cluster, node, DrainOptions())
        wanted = plan_uncordon(facts, request, any_cordon=any_cordon, allow_unhealthy=allow_unhealthy)
        plan = run.settle(wanted, mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_service(request, plan))
        with locked(cluster, run.run_id, run.holder) as check:
            done = run.step(uncordon_node, cluster, request, check, allow_unhealthy=allow_unhealthy)
        return run.finish(*summarize_uncordon(request, done))
