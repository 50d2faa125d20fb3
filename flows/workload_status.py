"""Says how far workloads are rolled out. It changes nothing."""

from prefect import flow

from tasks.backup.backups import check_store
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook
from tasks.workloads.models.names import NamespaceName, WorkloadName
from tasks.workloads.policy.status import judge_status
from tasks.workloads.steps import observe_status
from tasks.workloads.summary import summarize_status


@ends_in_words
@flow(name="workload_status", flow_run_name="status-{cluster}-{namespace}", **RUNBOOK)
def workload_status(
    cluster: ClusterName, namespace: NamespaceName, workloads: tuple[WorkloadName, ...] = (), logs: bool = False
) -> Report:
    """Says how far workloads are rolled out, and why one is not finished. The run is refused if one cannot finish.

    Args:
        cluster: name of the cluster's profile
        namespace: name of the namespace
        workloads: workloads, for example deployment/web; empty checks all of the namespace
        logs: also show the last lines of the log of a container that ended; they are masked, but may still hold secrets
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        found = run.step(observe_status, cluster, namespace, workloads, logs=logs)
        run.settle(judge_status(found))
        return run.finish(*summarize_status(found))
