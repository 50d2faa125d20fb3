"""For all tests."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from prefect.events.worker import EventsWorker
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)

from tasks.cluster import close_clusters
from tests.servers.prefect_server import PrefectServer

hypothesis.settings.register_profile("without a clock", deadline=None)
hypothesis.settings.load_profile("without a clock")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure: a test that cannot run there runs nowhere. `may_skip` says what CI need not have."""
    del call
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not item.get_closest_marker("may_skip"):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """One Prefect server for all."""
    with PrefectServer(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def prefect(prefect_server: PrefectServer) -> Iterator[PrefectServer]:
    """Flows that are called in the test run against the real server; without the second that a heartbeat costs each."""
    settings: dict[Any, Any] = {
        PREFECT_API_URL: prefect_server.api_url,
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_LOGGING_TO_API_ENABLED: False,
    }
    with temporary_settings(settings):
        yield prefect_server
        EventsWorker.drain_all()  # its pings use the global `random`, which breaks a property test that comes later
    close_clusters()


@pytest.fixture
def browser() -> str:
    """Debian's Chromium."""
    found = shutil.which("chromium")
    if not found:
        pytest.skip("no chromium: apt-get install chromium")
    return found


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where they stay: $KUBE_RUNBOOKS_SCREENSHOTS, or else with the test's files."""
    folder = Path(os.environ.get("KUBE_RUNBOOKS_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
