"""Runbook: is etcd healthy? Reads only."""

from prefect import flow

from tasks.core.models.profile import ClusterName, RouteChoice
from tasks.core.models.report import Report
from tasks.etcd.observe import observe_etcd
from tasks.etcd.policy.health import plan_health
from tasks.etcd.summary import summarize_health
from tasks.run.runbook import RUNBOOK, runbook


@flow(name="etcd_health", flow_run_name="health-{cluster}", **RUNBOOK)
def etcd_health(cluster: ClusterName, route: RouteChoice = "auto") -> Report:
    """Looks at every member; fails with what is wrong and the next step unless all of them are healthy.

    Args:
        cluster: name of the cluster's profile
        route: how to reach etcd; auto takes the direct way where it works, else the tunnel through SSH
    """
    with runbook(cluster) as run:
        facts = run.step(observe_etcd, cluster, route)
        plan = run.settle(plan_health(facts))
        return run.finish(*summarize_health(facts, plan))
