"""Real servers, shared by the tests of one pytest process; each test gets a cluster's profile and a bucket of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect import Task

from tasks.backup import backups, drills, pki, snapshots
from tasks.etcd import observe as etcd
from tasks.etcd import steps as maintenance
from tests.servers.etcd import EtcdCluster
from tests.servers.hollow import HollowNodes
from tests.servers.kubernetes import ControlPlane
from tests.servers.seaweedfs import S3Server
from tests.servers.shop import Shop
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


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as many as ever, but a fraction of a second apart."""
    for module in (backups, drills, etcd, maintenance, pki, snapshots):
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


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane, and two workers whose pods run or fail as they are told."""
    with (
        ControlPlane(tmp_path_factory.mktemp("kubernetes")) as control_plane,
        HollowNodes(control_plane, ("w1", "w2"), ("cp1",)),
    ):
        yield control_plane


@pytest.fixture
def shop(two_workers: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A namespace for one test."""
    made = Shop(two_workers, f"shop-{abs(hash(request.node.nodeid)) % 10**8}")
    yield made
    made.remove()
