"""Real servers, shared by the tests of one pytest process; each test gets a cluster's profile and a bucket of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import Task
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    temporary_settings,
)

from tasks import backups, drills, etcd, snapshots
from tasks.cluster import close_clusters
from tests.servers.etcd import EtcdCluster
from tests.servers.prefect_server import PrefectServer
from tests.servers.seaweedfs import S3Server
from tests.servers.site import Site

KEYS = 3000
"""That the shared etcd holds: about 12 MB that do not compress, so that a stream is of two parts."""


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One store for all; a test that breaks it makes its own."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def etcd3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """Three members with some data; a test that breaks one starts it again."""
    with EtcdCluster(tmp_path_factory.mktemp("etcd3"), ("m1", "m2", "m3")) as cluster:
        cluster.seed(KEYS, 4000, ratio=1)
        yield cluster


@pytest.fixture(scope="session")
def etcd1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """A single member with some data."""
    with EtcdCluster(tmp_path_factory.mktemp("etcd1"), ("solo",)) as cluster:
        cluster.seed(KEYS, 4000, ratio=1)
        yield cluster


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
    close_clusters()


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as many as ever, but a fraction of a second apart."""
    for module in (backups, drills, etcd, snapshots):
        for found in vars(module).values():
            if isinstance(found, Task) and found.retries:
                monkeypatch.setattr(found, "retry_delay_seconds", [0.2])


@pytest.fixture
def new_site(
    tmp_path: Path, s3: S3Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[EtcdCluster], Site]:
    """Makes a site with a bucket and a worker's environment of its own."""

    def make(etcd: EtcdCluster, *, server: S3Server = s3, object_lock: bool = False) -> Site:
        name = f"site-{abs(hash(request.node.nodeid)) % 10**9}"
        server.create_bucket(name, object_lock=object_lock)
        site = Site(tmp_path / "site", name, etcd, server)
        for variable, value in site.environment.items():
            monkeypatch.setenv(variable, value)
        return site

    return make


@pytest.fixture
def site(new_site: Callable[[EtcdCluster], Site], etcd3: EtcdCluster) -> Site:
    """A site of the three shared members."""
    return new_site(etcd3)
