"""A query of a real Prometheus, which scrapes itself."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

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


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/query", params={"query": "up == 1"}, trust_env=False).text.find('"value"') > 0
    except httpx.HTTPError:
        return False
