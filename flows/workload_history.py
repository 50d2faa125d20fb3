"""Lists the revisions of workloads. It changes nothing."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.plan import Plan
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook
from tasks.workloads.models.names import NamespaceName, WorkloadName
from tasks.workloads.policy.status import judge_names
from tasks.workloads.steps import observe_history
from tasks.workloads.summary import summarize_history


@ends_in_words
@flow(name="workload_history", flow_run_name="history-{cluster}-{namespace}", **RUNBOOK)
def workload_history(
    cluster: ClusterName, namespace: NamespaceName, workloads: tuple[WorkloadName, ...] = ()
) -> Report:
    """Lists the revisions of workloads: when, by whom, which images, why, what each changed, and which one runs.

    Args:
        cluster: name of the cluster's profile
        namespace: name of the namespace
        workloads: workloads, for example deployment/web; empty lists all of the namespace
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        found = run.step(observe_history, cluster, namespace, workloads)
        run.settle(Plan(refusals=judge_names(namespace, found.absent, has_namespace=found.has_namespace)))
        return run.finish(*summarize_history(found))
