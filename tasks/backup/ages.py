"""Saves the times of the newest backups to the bucket, for the alert rules in deployments/alerts/backups.yaml."""

from collections.abc import Iterable
from datetime import UTC, datetime

from tasks.backup.policy.ages import newest_of, to_prometheus
from tasks.cluster import Cluster
from tasks.core.logs import log_about


def publish_ages(handle: Cluster, kind: str, taken: Iterable[tuple[str, datetime]]) -> None:
    """Saves the file of a kind of backups: the series and the time of each complete backup, in any order."""
    cluster, store = handle.profile.name, handle.store
    text = to_prometheus(cluster, kind, newest_of(taken, now=datetime.now(UTC)), handle.profile.backup.rpo)
    key = store.key(cluster, "metrics", f"{kind}-backup.prom")
    store.put(key, text.encode(), "text/plain; version=0.0.4")
    log_about(cluster).info("for Prometheus: %s", store.uri(key))
