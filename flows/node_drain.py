"""Takes one node out of service."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.core.models.request import Reason, Ticket
from tasks.drain.models import DrainOptions
from tasks.node_service.models import Request
from tasks.node_service.observe import observe_node
from tasks.node_service.policy.plan import plan_drain
from tasks.node_service.steps import drain_node
from tasks.node_service.summary import summarize_drain, summarize_service
from tasks.nodes.models.nodes import NodeName
from tasks.run.end_states import ends_in_words
from tasks.run.locks import locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@ends_in_words
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
    """Cordons and drains one node. The node stays cordoned until node_uncordon, or somebody by hand, uncordons it.

    Args:
        cluster: name of the cluster's profile
        node: name of the node
        reason: why; kept in the node's annotation and in the report
        ticket: id of the incident or the change, kept beside the reason
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        options: what the drain may do, and how long it may take
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
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
