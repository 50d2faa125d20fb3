"""Converts the times of the newest backups to a Prometheus text file, so that an alert fires when backups stop."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from tasks.backup.policy.freshness import CLOCK_TOLERANCE
from tasks.certificates.policy.metrics import head, line

TAKEN = "kube_runbooks_backup_taken_seconds"
RPO = "kube_runbooks_backup_rpo_seconds"


def newest_of(taken: Iterable[tuple[str, datetime]], *, now: datetime) -> dict[str, datetime]:
    """Returns when the newest backup of each series was taken. One from the future does not count: nobody knows its age."""
    newest: dict[str, datetime] = {}
    for series, at in taken:
        if at - now <= CLOCK_TOLERANCE:
            newest[series] = max(at, newest.get(series, at))
    return newest


def to_prometheus(cluster: str, kind: str, newest: Mapping[str, datetime], rpo: timedelta) -> str:
    """Returns the text for node_exporter's textfile collector or a Pushgateway; without a backup it has no sample."""
    labels = [{"cluster": cluster, "kind": kind, "series": series} for series in sorted(newest)]
    lines = head(TAKEN, "when the newest complete backup was taken, Unix time")
    lines += [line(TAKEN, one, newest[one["series"]].timestamp()) for one in labels]
    lines += head(RPO, "greatest allowed age of that backup, the profile's backup.rpo")
    lines += [line(RPO, one, rpo.total_seconds()) for one in labels]
    return "\n".join([*lines, ""])
