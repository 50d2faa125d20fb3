"""Runbook: free pages of etcd's databases given back, and the alarm NOSPACE ended, one member at a time."""

from prefect import flow

from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName, RouteChoice
from tasks.core.models.report import Report
from tasks.etcd.models import Worth
from tasks.etcd.observe import look_at_control_plane, observe_etcd
from tasks.etcd.policy.maintenance import plan_maintenance
from tasks.etcd.steps import defragment_member, disarm_nospace
from tasks.etcd.summary import summarize_maintenance, summarize_maintenance_plan
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@flow(name="etcd_maintenance", flow_run_name="maintenance-{cluster}", **RUNBOOK)
def etcd_maintenance(
    cluster: ClusterName,
    mode: Mode = Mode.PLAN,
    worth: Worth = Worth(),  # noqa: B008 - frozen
    route: RouteChoice = "auto",
    allow_downtime: bool = False,
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Defragments members where it is worth their pause, the leader last and moved away first; ends the alarm NOSPACE.

    Compaction stays with the API server, which does it every five minutes.

    Args:
        cluster: name of the cluster's profile
        mode: plan shows what would be done; approve waits for a person's word on it, and then does it; apply does it at once
        worth: how much a defragmentation has to free
        route: how to reach etcd; auto takes the direct way where it works, else the tunnel through SSH
        allow_downtime: defragment the only member of a cluster, which stops the API server meanwhile
        approve_within: how long mode approve waits, for example 24h; then the run fails, and nothing was touched
    """
    with runbook(cluster) as run:
        facts = run.step(observe_etcd, cluster, route)
        seen = run.step(look_at_control_plane, cluster)
        records = run.step(observe_records, cluster)
        wanted = plan_maintenance(facts, worth, seen, allow_downtime=allow_downtime)
        wanted = mind_records(wanted, records, "etcd_maintenance", cluster, no_api=bool(wanted.nospace))
        plan = run.settle(wanted, mode, approve_within)
        if mode is Mode.PLAN or not plan.steps:
            return run.finish(*summarize_maintenance_plan(plan))
        # An etcd that is full takes no Lease.
        with locked(cluster, run.run_id, run.holder, without_api=bool(plan.nospace)) as check:
            run.step(check_records, cluster, "etcd_maintenance", no_api=bool(plan.nospace))
            done = [
                run.step(defragment_member, cluster, member, worth, route, check, allow_downtime=allow_downtime)
                for member in plan.defragment
            ]
            disarmed = run.step(disarm_nospace, cluster, route, check) if plan.nospace else None
        return run.finish(*summarize_maintenance(done, disarmed))
