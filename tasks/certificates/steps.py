"""Publishes an inventory as a table for people and as a file for Prometheus."""

from collections.abc import Callable

from prefect import task

from tasks.certificates.models.inventory import Inventory
from tasks.certificates.policy.metrics import to_prometheus
from tasks.certificates.tables import show_certificates
from tasks.cluster import Cluster, open_cluster
from tasks.core.logs import log_about
from tasks.core.retries import ACT

METRICS = "certificates.prom"


@task(**ACT, task_run_name="publish-certificates-{cluster}")
def publish_certificates(cluster: str, inventory: Inventory) -> None:
    """Publishes the table in the Prefect UI, and saves the text file for Prometheus to the bucket."""
    publish_inventory(open_cluster(cluster), inventory)


def publish_inventory(
    handle: Cluster, inventory: Inventory, show: Callable[[str, Inventory], None] = show_certificates
) -> None:
    """Publishes an inventory. `show` publishes the table."""
    cluster, store = handle.profile.name, handle.store
    show(cluster, inventory)
    key = store.key(cluster, "metrics", METRICS)
    store.put(key, to_prometheus(inventory, cluster).encode(), "text/plain; version=0.0.4")
    log_about(cluster).info("%d certificates; for Prometheus: %s", len(inventory.certificates), store.uri(key))
