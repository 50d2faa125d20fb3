"""Says where a cluster differs from its access policy. It changes nothing."""

from prefect import flow

from tasks.access_apply.models import ApplyOptions
from tasks.access_apply.policy.plan import judge_drift
from tasks.access_apply.steps import compare_with_policy
from tasks.access_apply.summary import summarize_drift
from tasks.backup.backups import check_store
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook


@ends_in_words
@flow(name="access_drift", flow_run_name="access-drift-{cluster}", **RUNBOOK)
def access_drift(cluster: ClusterName) -> Report:
    """Compares ServiceAccounts, roles and bindings with the access policy. The run is refused if one of them is different.

    Args:
        cluster: name of the cluster's profile
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        found = run.step(compare_with_policy, cluster, ApplyOptions())
        plan = run.settle(judge_drift(found))
        return run.finish(*summarize_drift(found, plan))
