"""Puts one node back in service once it is proven healthy."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.core.models.request import Reason, Ticket
from tasks.drain.models import DrainOptions
from tasks.node_service.models import Request
from tasks.node_service.observe import observe_node
from tasks.node_service.policy.plan import plan_uncordon
from tasks.node_service.steps import uncordon_node
from tasks.node_service.summary import summarize_service, summarize_uncordon
from tasks.nodes.models.nodes import NodeName
from tasks.run.end_states import ends_in_words
from tasks.run.locks import locked
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@ends_in_words
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
    """Proves one node healthy and uncordons it. It undoes node_drain.

    Args:
        cluster: name of the cluster's profile
        node: name of the node
        reason: why; kept in the report
        ticket: id of the incident or the change, kept beside the reason
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        any_cordon: also remove a cordon that somebody else set, or that an unfinished run set
        allow_unhealthy: uncordon although the plan names something unhealthy, for example a DaemonSet pod that is not ready
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
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
