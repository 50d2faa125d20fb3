"""Defragments etcd and clears the NOSPACE alarm, one member at a time."""

from prefect import flow

from tasks.core.models.plan import Mode
from tasks.core.models.profile import ClusterName, RouteChoice
from tasks.core.models.report import Report
from tasks.etcd.models import Worth
from tasks.etcd.observe import check_control_plane, observe_etcd
from tasks.etcd.policy.maintenance import plan_maintenance
from tasks.etcd.steps import defragment_member, disarm_nospace
from tasks.etcd.summary import summarize_maintenance, summarize_maintenance_plan
from tasks.run.end_states import ends_in_words
from tasks.run.locks import locked
from tasks.run.policy.records import mind_records
from tasks.run.records import check_records, observe_records
from tasks.run.runbook import APPROVE_WITHIN, RUNBOOK, ApproveWithin, runbook


@ends_in_words
@flow(name="etcd_maintenance", flow_run_name="maintenance-{cluster}", **RUNBOOK)
def etcd_maintenance(
    cluster: ClusterName,
    mode: Mode = Mode.PLAN,
    worth: Worth = Worth(),  # noqa: B008 - frozen
    route: RouteChoice = "auto",
    allow_downtime: bool = False,
    approve_within: ApproveWithin = APPROVE_WITHIN,
) -> Report:
    """Defragments each member that has enough free space to gain; the leader is last, after leadership has moved. It clears the NOSPACE alarm.

    It does not compact: the API server does that every five minutes.

    Args:
        cluster: name of the cluster's profile
        mode: plan shows the plan and changes nothing; approve waits until someone approves the plan; apply acts without an approval
        worth: how much space a defragmentation must free
        route: how to reach etcd; auto connects directly if that works, and through SSH otherwise
        allow_downtime: defragment the only member of a cluster; the API server does not answer meanwhile
        approve_within: how long mode approve waits, for example 24h; then the run fails and nothing has been changed
    """
    with runbook(cluster) as run:
        facts = run.step(observe_etcd, cluster, route)
        seen = run.step(check_control_plane, cluster)
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
