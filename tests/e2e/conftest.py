"""Real clusters, shared by the tests of a module; each begins from a known state."""

from collections.abc import Callable, Iterator

import pytest

from tasks.cluster import close_clusters
from tests.e2e.site import LabSite
from tests.lab.host import what_is_missing
from tests.lab.lab import Lab
from tests.lab.shape import Shape
from tests.servers.prefect_server import PrefectServer

HA = Shape(name="e2e-ha", network=100, control_planes=3, workers=2)
SMALL = Shape(name="e2e-small", network=101, control_planes=1, workers=1)
EXTERNAL = Shape(name="e2e-external", network=102, control_planes=1, workers=1, external_etcd=1, bastion=True)

NewSite = Callable[[Lab], LabSite]


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    """Where no lab can be started, nothing here can be proven: that is a failure in CI."""
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))


@pytest.fixture(scope="module")
def ha() -> Iterator[Lab]:
    """Three control planes and two workers."""
    yield from _lab(HA)


@pytest.fixture(scope="module")
def small() -> Iterator[Lab]:
    """One control plane and one worker."""
    yield from _lab(SMALL)


@pytest.fixture(scope="module")
def external() -> Iterator[Lab]:
    """A control plane with its etcd on a machine of its own, and a bastion before all of them."""
    yield from _lab(EXTERNAL)


@pytest.fixture(scope="module")
def fresh() -> Callable[[Lab], None]:
    """Puts a lab back to its frozen state, unless it has just been started from it."""
    used: set[str] = set()

    def thaw(lab: Lab) -> None:
        if lab.shape.name in used:
            lab.thaw()
            print(f"thawed in {lab.times['thaw']:.1f} s")
        used.add(lab.shape.name)

    return thaw


@pytest.fixture
def new_site(prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewSite]:
    """A worker's environment for a lab, with an empty bucket."""

    def make(lab: Lab) -> LabSite:
        site = LabSite(lab, prefect_server)
        site.empty_bucket()
        for name, value in site.environment.items():
            monkeypatch.setenv(name, value)
        return site

    yield make
    close_clusters()


def _lab(shape: Shape) -> Iterator[Lab]:
    with Lab(shape) as lab:
        for what, seconds in lab.times.items():
            print(f"{shape.name}: {what}: {seconds:.1f} s")
        yield lab
