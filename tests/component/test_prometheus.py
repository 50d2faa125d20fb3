"""A query of a real Prometheus, which scrapes itself, and our alert rules as its own tool evaluates them."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import yaml

from tasks.backup.policy.ages import TAKEN, to_prometheus
from tasks.clients.prometheus import ask_prometheus
from tasks.core.errors import NotYet, Refused
from tasks.core.models.profile import AlertRules, MaintenanceRules
from tasks.node_work.blockers import alerts_that_fire
from tests.servers.processes import Process, free_port, wait_until

CONFIG = """\
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: itself
    static_configs: [{targets: ["127.0.0.1:PORT"]}]
"""


RULES = """\
groups:
  - name: test
    rules:
      - {alert: DiskFull, expr: 'up{job="itself"} == 1', labels: {severity: page}}
      - {alert: Watchdog, expr: 'up{job="itself"} == 1'}
      - {alert: Quiet, expr: 'up{job="itself"} == 0'}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that has scraped itself once."""
    if not shutil.which("prometheus"):
        pytest.skip("not here: prometheus; on Debian: apt-get install prometheus")
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "config.yml").write_text(CONFIG.replace("PORT", str(port)))
    (folder / "rules.yml").write_text(RULES)
    command: list[str | Path] = ["prometheus", f"--config.file={folder / 'config.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    with Process(command, folder=folder, cwd=folder) as server:
        url = f"http://127.0.0.1:{port}"
        server.wait_until(lambda: _is_up(url), 60, "Prometheus has scraped itself")
        yield url


def test_values_come_with_their_labels(url: str) -> None:
    """A vector, a scalar, and a query that nothing matches."""
    [(labels, value)] = ask_prometheus(url, 'up{job="itself"}').items()
    assert value == 1
    assert "job=itself" in labels
    assert ask_prometheus(url, "scalar(vector(3))") == {"": 3.0}
    assert ask_prometheus(url, 'up{job="nobody"}') == {}


def test_alerts_that_fire_are_told_by_name_and_labels(url: str) -> None:
    """Not the one that always does; a Prometheus that is away is as good as one that fires."""
    wait_until(lambda: alerts_of(url) != (), 30.0, "an alert fires")
    [told] = alerts_of(url)
    assert told.startswith("alertname=DiskFull, ")
    assert "severity=page" in told
    [away] = alerts_of(f"http://127.0.0.1:{free_port()}")
    assert "whether one does is not known" in away


def alerts_of(url: str) -> tuple[str, ...]:
    """Of a cluster whose profile names this Prometheus, and no query of its own."""
    maintenance = MaintenanceRules(alerts=AlertRules(url=url))
    handle: Any = SimpleNamespace(profile=SimpleNamespace(maintenance=maintenance))
    return alerts_that_fire(handle)


def test_a_query_that_is_none_is_refused_with_its_own_words(url: str) -> None:
    """It would never be another."""
    with pytest.raises(Refused, match="parse error"):
        ask_prometheus(url, "up{")


def test_a_server_that_is_away_may_come_back() -> None:
    """It is tried again."""
    with pytest.raises(NotYet, match="does not answer"):
        ask_prometheus(f"http://127.0.0.1:{free_port()}", "up")


ALERTS = Path(__file__).parents[2] / "deployments/alerts/backups.yaml"
TAKEN_AT = datetime(1970, 1, 1, 1, tzinfo=UTC)
"""An hour after the clock of a test of rules begins."""


def samples(newest: dict[str, datetime]) -> list[tuple[str, str]]:
    """What a backup of volumes publishes: the series with its labels, and the value."""
    text = to_prometheus("prod", "volumes", newest, timedelta(hours=26))
    return [(name, value) for name, _, value in (one.rpartition(" ") for one in text.splitlines() if one[0] != "#")]


@pytest.mark.skipif(not shutil.which("promtool"), reason="not here: promtool; on Debian: apt-get install prometheus")
def test_the_rules_tell_backups_that_stop_and_a_metric_that_is_gone(tmp_path: Path) -> None:
    """As promtool evaluates them on what the runbooks write: an old one, one that is made again, and a file that nobody copies."""
    old, renewed = samples({"a": TAKEN_AT}), samples({"b": TAKEN_AT})
    gone = [(name.replace("prod", "gone"), value) for name, value in samples({"c": TAKEN_AT})]
    day = 24 * 60
    series = [{"series": name, "values": f"{value}x{3 * day}"} for name, value in old]
    for name, value in renewed:
        later = int(value) + 28 * 3600 if name.startswith(TAKEN) else value
        series.append({"series": name, "values": f"{value}x{29 * 60 - 1} {later}x{day}"})
    series += [{"series": name, "values": f"{value}x{2 * 60}"} for name, value in gone]
    aged = {"severity": "critical", "cluster": "prod", "kind": "volumes"}
    lost = aged | {"cluster": "gone"}

    def fires(at: str, *, old: tuple[str, ...] = (), unknown: tuple[dict[str, str], ...] = ()) -> list[dict[str, Any]]:
        alerts = [{"exp_labels": aged | {"series": one}} for one in old]
        found = {
            "KubeRunbooksBackupTooOld": alerts,
            "KubeRunbooksBackupUnknown": [{"exp_labels": one} for one in unknown],
        }
        return [{"eval_time": at, "alertname": name, "exp_alerts": told} for name, told in found.items()]

    expected = [
        *fires("2h"),
        *fires("3h", unknown=(lost,)),
        *fires("26h", unknown=(lost,)),
        *fires("27h30m", old=("a", "b"), unknown=(lost,)),
        *fires("29h30m", old=("a",), unknown=(lost,)),
    ]
    rules = yaml.safe_load(ALERTS.read_text())
    for rule in rules["groups"][0]["rules"]:
        del rule["annotations"]  # promtool compares them whole
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": expected}],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    for words in (("check", "rules", str(ALERTS)), ("test", "rules", str(tmp_path / "tests.yaml"))):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/query", params={"query": "up == 1"}, trust_env=False).text.find('"value"') > 0
    except httpx.HTTPError:
        return False
