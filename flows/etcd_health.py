"""Checks the health of etcd. It changes nothing."""

from prefect import flow

from tasks.core.models.profile import ClusterName, RouteChoice
from tasks.core.models.report import Report
from tasks.etcd.observe import observe_etcd
from tasks.etcd.policy.health import plan_health
from tasks.etcd.summary import summarize_health
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook


@ends_in_words
@flow(name="etcd_health", flow_run_name="health-{cluster}", **RUNBOOK)
def etcd_health(cluster: ClusterName, route: RouteChoice = "auto") -> Report:
    """Checks every member. If one is unhealthy, the run is refused, with the reason and the next step.

    Args:
        cluster: name of the cluster's profile
        route: how to reach etcd; auto connects directly if that works, and through SSH otherwise
    """
    with runbook(cluster) as run:
        facts = run.step(observe_etcd, cluster, route)
        plan = run.settle(plan_health(facts))
        return run.finish(*summarize_health(facts, plan))
