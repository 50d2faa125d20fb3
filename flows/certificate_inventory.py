"""Lists and checks every certificate of a cluster. It changes nothing."""

from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.certificates.observe import observe_certificates, read_certificate_rules
from tasks.certificates.policy.inventory import judge_inventory
from tasks.certificates.steps import publish_certificates
from tasks.certificates.summary import summarize_inventory
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.end_states import ends_in_words
from tasks.run.runbook import RUNBOOK, runbook


@ends_in_words
@flow(name="certificate_inventory", flow_run_name="certificates-{cluster}", **RUNBOOK)
def certificate_inventory(cluster: ClusterName) -> Report:
    """Checks every certificate and kubeconfig, on disk, on the wire and in the API. The run is refused if one is not valid.

    It is also refused if one expires within the profile's certificates.warn_before, so that you know in time.

    Args:
        cluster: name of the cluster's profile
    """
    with runbook(cluster, needs_etcd_client=False) as run:
        run.step(check_store, cluster)
        inventory = run.step(observe_certificates, cluster)
        run.step(publish_certificates, cluster, inventory)
        rules, now = read_certificate_rules(cluster), datetime.now(UTC)
        plan = run.settle(judge_inventory(inventory, rules, now=now))
        return run.finish(*summarize_inventory(inventory, plan))
