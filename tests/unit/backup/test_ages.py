"""What Prometheus is told of the age of backups."""

from datetime import UTC, datetime, timedelta

from tasks.backup.policy.ages import newest_of, to_prometheus
from tasks.backup.policy.freshness import CLOCK_TOLERANCE

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_newest_of_each_series_counts_and_none_from_the_future() -> None:
    """In any order; clocks may differ a little."""
    taken = [("a", NOW - 2 * HOUR), ("b", NOW - HOUR), ("a", NOW - 3 * HOUR), ("b", NOW + HOUR), ("c", NOW + HOUR)]
    assert newest_of(taken, now=NOW) == {"a": NOW - 2 * HOUR, "b": NOW - HOUR}
    assert newest_of([("a", NOW + CLOCK_TOLERANCE)], now=NOW) == {"a": NOW + CLOCK_TOLERANCE}


def test_prometheus_is_told_the_time_and_the_limit() -> None:
    """The time and not the age, which grows although no run writes it."""
    lines = to_prometheus("prod", "volumes", {"b": NOW, "a": NOW - HOUR}, 26 * HOUR).splitlines()
    assert [one for one in lines if not one.startswith("#")] == [
        f'kube_runbooks_backup_taken_seconds{{cluster="prod",kind="volumes",series="a"}} {int(NOW.timestamp()) - 3600}',
        f'kube_runbooks_backup_taken_seconds{{cluster="prod",kind="volumes",series="b"}} {int(NOW.timestamp())}',
        'kube_runbooks_backup_rpo_seconds{cluster="prod",kind="volumes",series="a"} 93600',
        'kube_runbooks_backup_rpo_seconds{cluster="prod",kind="volumes",series="b"} 93600',
    ]


def test_without_a_backup_there_is_no_sample() -> None:
    """The rules tell a cluster that never had one from one whose metric is gone."""
    assert all(one.startswith("#") for one in to_prometheus("prod", "resources", {}, HOUR).splitlines())
