"""Runbook: which certificates does the cluster have, and do they hold? Reads only."""

from datetime import UTC, datetime

from prefect import flow

from tasks.backup.backups import check_store
from tasks.certificates.observe import observe_certificates, read_certificate_rules
from tasks.certificates.policy.inventory import judge_inventory
from tasks.certificates.steps import publish_certificates
from tasks.certificates.summary import summarize_inventory
from tasks.core.models.profile import ClusterName
from tasks.core.models.report import Report
from tasks.run.runbook import RUNBOOK, runbook


@flow(name="certificate_inventory", flow_run_name="certificates-{cluster}", **RUNBOOK)
def certificate_inventory(cluster: ClusterName) -> Report:
    """Looks at every certificate and kubeconfig, on disk, on the wire and in the API; fails where one does not hold.

    It fails, too, when one ends within the profile's certificates.warn_before, so that somebody is told in time.

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
