"""Real clusters, one at a time in each process: each test says which shape it needs, and whether nobody may have touched it before."""

import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Self

import pytest

from tasks.cluster import close_clusters
from tests.e2e.site import TOLD, LabSite
from tests.lab.clusters import ETCD, FIRST, SHAPES
from tests.lab.host import what_is_missing
from tests.lab.lab import Lab
from tests.lab.shape import Shape
from tests.servers.binaries import KUBERNETES_VERSION
from tests.servers.prefect_server import PrefectServer

HA = Shape(name="e2e-ha", network=100, control_planes=3, workers=2, etcd=ETCD, leaf_hours=90 * 24)
SMALL = Shape(name="e2e-small", network=101, control_planes=1, workers=1, etcd=ETCD)
TARGET = "1.37.2"
PATCH = Shape(name="e2e-patch", network=103, control_planes=1, workers=1, etcd=ETCD, kubernetes="1.36.1")
CHAIN = Shape(name="e2e-chain", network=104, control_planes=1, workers=1, etcd=ETCD, kubernetes="1.35.4")
EXTERNAL = Shape(name="e2e-external", network=102, control_planes=1, workers=1, external_etcd=1, bastion=True)

AGENT = Shape(name="e2e-agent", network=109, control_planes=1, workers=2, etcd=ETCD)


LABS = {
    "small": ("small", "used_small", "offered_small", "fresh_small", "upgradable_small"),
    "external": ("fresh_external",),
    "patch": ("patchable",),
    "chain": ("chained",),
    "agent": ("two_workers",),
    "odd": ("odd", "other_odd"),
    "ha": ("whole_ha", "used_ha", "fresh_ha", "upgradable_ha"),
}
"""Fixtures by the lab that they use, in an order that thaws it as seldom as can be. Two labs run beside each other."""

PLACES = {fixture: (group, number) for group, fixtures in LABS.items() for number, fixture in enumerate(fixtures)}


def place_of(item: pytest.Item) -> tuple[str, int]:
    """The lab of a test, and when it gets it; those without one are first."""
    names = item.fixturenames if isinstance(item, pytest.Function) else []
    return next((PLACES[name] for name in names if name in PLACES), ("", 0))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Each lab is for one process."""
    if group := place_of(item)[0]:
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """By their labs; among the tests of one fixture the order stays random."""
    items.sort(key=place_of)


def pytest_sessionstart() -> None:
    """What tests print is seen: xdist shows only the standard errors of its processes."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        sys.stdout = sys.stderr


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what its last runs reported: the comparison of two outcomes does not say why."""
    report = yield
    if report.failed and TOLD:
        report.sections.append((f"the last reports before the end of {item.name}", "\n".join(TOLD)))
    return report


def pytest_runtest_setup() -> None:
    """Each test has reports of its own."""
    TOLD.clear()


class Labs:
    """The lab of this process that runs now."""

    def __init__(self) -> None:
        self._lab: Lab | None = None
        self._state = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lab:
            self._lab.down()

    def fresh(self, shape: Shape) -> Lab:
        """As it was frozen; its test may destroy it."""
        return self._get(shape, {"clean"}, "destroyed")

    def shared(self, shape: Shape) -> Lab:
        """Whole, and to be left whole."""
        return self._get(shape, {"clean", "whole"}, "whole")

    def used(self, shape: Shape) -> Lab:
        """Whole, or as a test brought it back; its test may destroy it, and says so when it has brought it back."""
        return self._get(shape, {"clean", "brought back"}, "destroyed")

    def brought_back(self) -> None:
        """At the end of a test that went well."""
        self._state = "brought back"

    def _get(self, shape: Shape, good: set[str], then: str) -> Lab:
        if self._lab is None or self._lab.shape != shape:
            if self._lab:
                self._lab.down()
            self._lab = Lab(shape)
            self._lab.up()
            self._state = "clean"
            print("".join(f"\n{shape.name}: {what} in {seconds:.1f} s" for what, seconds in self._lab.times.items()))
        if self._state not in good:
            self._lab.thaw()
            print(f"\n{shape.name}: thawed in {self._lab.times['thaw']:.1f} s")
        self._state = then
        return self._lab


@pytest.fixture(scope="session")
def labs() -> Iterator[Labs]:
    """Where no lab can be started, nothing here can be proven: in CI that is a failure."""
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    with Labs() as labs:
        yield labs


@pytest.fixture
def new_site(prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Lab], LabSite]]:
    """A worker's environment for a lab, with an empty bucket."""

    def make(lab: Lab) -> LabSite:
        site = LabSite(lab, prefect_server)
        site.empty_bucket()
        for name, value in site.environment.items():
            monkeypatch.setenv(name, value)
        return site

    yield make
    close_clusters()


@pytest.fixture
def small(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """One control plane, one worker; shared."""
    return new_site(labs.shared(SMALL))


@pytest.fixture
def fresh_small(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """One control plane, one worker; fresh."""
    return new_site(labs.fresh(SMALL))


@pytest.fixture
def used_small(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """The same, as a test that had it before brought it back."""
    return new_site(labs.used(SMALL))


@pytest.fixture
def fresh_ha(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """Three control planes, two workers; fresh."""
    return new_site(labs.fresh(HA))


@pytest.fixture
def used_ha(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """The same, as a test that had it before brought it back; a test that fails leaves no cluster to the next one."""
    return new_site(labs.used(HA))


@pytest.fixture
def whole_ha(used_ha: LabSite) -> LabSite:
    """The same before anything was destroyed on it."""
    return used_ha


@pytest.fixture
def fresh_external(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """A control plane with its etcd on a machine of its own, a bastion before both; fresh."""
    return new_site(labs.fresh(EXTERNAL))


@pytest.fixture
def upgradable_ha(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """Three control planes, two workers, and the next minor to go to; fresh."""
    lab = labs.fresh(HA)
    lab.offer(TARGET)
    return new_site(lab)


@pytest.fixture
def upgradable_small(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """One control plane, one worker, and the next minor to go to; fresh."""
    lab = labs.fresh(SMALL)
    lab.offer(TARGET)
    return new_site(lab)


@pytest.fixture
def offered_small(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """The same for a test that leaves it whole; shared."""
    lab = labs.shared(SMALL)
    lab.wait_until_ready()  # a test before may have rebooted a machine of it
    lab.offer(TARGET)
    return new_site(lab)


@pytest.fixture
def patchable(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """One control plane, one worker, and a newer patch to go to; fresh."""
    lab = labs.fresh(PATCH)
    lab.offer(KUBERNETES_VERSION)
    return new_site(lab)


@pytest.fixture
def chained(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """One control plane, one worker, and two minors to go through; fresh."""
    lab = labs.fresh(CHAIN)
    for version in (KUBERNETES_VERSION, TARGET):
        lab.offer(version)
    return new_site(lab)


@pytest.fixture
def two_workers(labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """One control plane, two workers, for programs that a test installs; fresh."""
    return new_site(labs.fresh(AGENT))


@pytest.fixture(params=FIRST, ids=lambda shape: shape.name)
def odd(request: pytest.FixtureRequest, labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """One control plane, one worker, as odd as can be, and the next minor to go to; fresh."""
    return _odd(request, labs, new_site)


@pytest.fixture(params=[shape for shape in SHAPES if shape not in FIRST], ids=lambda shape: shape.name)
def other_odd(request: pytest.FixtureRequest, labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    """The same of each of the other shapes."""
    return _odd(request, labs, new_site)


def _odd(request: pytest.FixtureRequest, labs: Labs, new_site: Callable[[Lab], LabSite]) -> LabSite:
    lab = labs.fresh(request.param)
    lab.offer(TARGET)
    return new_site(lab)
