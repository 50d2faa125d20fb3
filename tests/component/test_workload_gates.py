"""The profile's gates hold for a rollout: they are open before it, and stay open through its bake time."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flows.workload_rollback import workload_rollback
from flows.workload_rollout import workload_rollout
from tasks.core.errors import FailedForGood, Refused
from tasks.core.models.plan import Mode
from tasks.core.models.report import Outcome, Report
from tasks.workloads.models.changes import Change, RolloutOptions
from tasks.workloads.models.rollback import RollbackOptions
from tasks.workloads.models.rollout import ROLLOUT
from tests.servers.apart import run_apart, says
from tests.servers.kubernetes import ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.shop import Shop
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

QUICK: dict[str, Any] = {"stable_for": 1, "timeout": 60}
CHANGE: dict[str, Any] = {"workload": "deployment/web", "images": {"main": "web:2"}}


class Gate:
    """A condition of a Service, which says whether the shop takes orders."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._path = f"/api/v1/namespaces/{shop.name}/services/orders"
        shop.api.create(
            self._path.rpartition("/")[0], {"metadata": {"name": "orders"}, "spec": {"ports": [{"port": 1}]}}
        )
        self.says("True")

    @property
    def in_profile(self) -> dict[str, Any]:
        """The gates of workloads: this one, and one of another namespace, which nobody asks."""
        here = {"name": "orders", "object": self._path, "condition": "Taken", "namespaces": [self._shop.name]}
        return {"gates": [here, {"name": "elsewhere", "object": "/api/v1/nowhere", "namespaces": ["other"]}]}

    def says(self, status: str, message: str = "all are taken") -> None:
        """From now on."""
        condition = {"type": "Taken", "status": status, "reason": "Seen", "message": message}
        condition |= {"lastTransitionTime": "2026-12-01T12:00:00Z"}
        self._shop.api.patch(f"{self._path}/status", {"status": {"conditions": [condition]}})

    def closes(self) -> None:
        """Orders are lost."""
        self.says("False", "4 of 100 orders are lost")


CLOSED = "gate orders: /api/v1/namespaces/{name}/services/orders is not Taken: 4 of 100 orders are lost"


@pytest.fixture
def gate(two_workers: ControlPlane, site: Site, shop: Shop) -> Gate:
    """It is open, and the profile has it."""
    made = Gate(shop)
    site.use_api(two_workers.kubeconfig())
    site.write(workloads=made.in_profile)
    return made


@pytest.fixture
def roll(site: Site, shop: Shop) -> Callable[..., Report]:
    """A rollout of another image."""

    def rolled(mode: Mode = Mode.APPLY, **options: Any) -> Report:  # noqa: ANN401 - fields of the options
        change = Change(namespace=shop.name, **CHANGE)
        given = RolloutOptions.model_validate(QUICK | options)
        return workload_rollout(site.name, (change,), "new prices", mode=mode, options=given)

    return rolled


@contextmanager
def baking(site: Site, shop: Shop, server: PrefectServer) -> Iterator[subprocess.Popen[str]]:
    """The same rollout in a process of its own, once it has begun to bake."""
    changes, options = [{"namespace": shop.name} | CHANGE], QUICK | {"bake": 600}
    parameters = {"changes": changes, "reason": "new prices", "mode": "apply", "options": options}
    with run_apart(site, server, "workload_rollout", **parameters) as run:
        says(run, "waiting for the bake time to pass")
        yield run


def mark(shop: Shop) -> dict[str, Any]:
    """What a run has left at the workload."""
    return dict(json.loads(shop.get("deployment/web")["metadata"]["annotations"][ROLLOUT]))


def test_a_rollout_is_proven_by_gates_that_stay_open(shop: Shop, gate: Gate, roll: Callable[..., Report]) -> None:
    """The plan says which and for how long; the report says that they did. Without a word it is two minutes."""
    del gate
    shop.run("deployment/web")
    planned = roll(Mode.PLAN).plan
    assert planned
    assert planned.steps[0].reason.endswith("; then all gates (orders) have to stay open for 2 min")
    report = roll(bake=3)
    assert report.outcome is Outcome.COMPLETED
    assert report.summary[-1] == "group 1: all gates (orders) stayed open for 3 s"
    assert mark(shop)["state"] == "done"


@pytest.mark.parametrize("how", ["closed", "gone"])
def test_a_gate_that_is_not_open_before_stops_the_run(
    shop: Shop, gate: Gate, roll: Callable[..., Report], how: str
) -> None:
    """So its opening is not taken for the work of the release. Nothing is touched."""
    shop.run("deployment/web")
    said = CLOSED.format(name=shop.name)
    if how == "closed":
        gate.closes()
    else:
        shop.api.delete(f"/api/v1/namespaces/{shop.name}/services/orders")
        said = f"gate orders: there is no /api/v1/namespaces/{shop.name}/services/orders"
    with pytest.raises(Refused) as refused:
        roll()
    assert refused.value.problem == f"workloads.gates: {said}"
    assert refused.value.hint == "wait until it is open, or change workloads.gates of the profile"
    assert ROLLOUT not in shop.get("deployment/web")["metadata"].get("annotations", {})


def test_a_gate_that_closes_puts_the_release_back(
    shop: Shop, site: Site, gate: Gate, roll: Callable[..., Report], prefect_server: PrefectServer
) -> None:
    """All of its pods are available: only the gate knows. The run ends with what the gate says, also after that."""
    del roll
    shop.run("deployment/web")
    with baking(site, shop, prefect_server) as run:
        gate.closes()
        output = run.communicate()[0]
    said = CLOSED.format(name=shop.name)
    problem = site.reports()[-1]["problem"]
    assert problem == (
        f"{shop.name}/deployment/web: closed after the change: {said}; "
        f"{shop.name}/deployment/web is back, and runs main=web:1; 1 of 1 gates are closed now: {said}"
    )
    assert problem in output
    assert (shop.images("deployment/web"), mark(shop)["state"]) == ({"web:1"}, "undone")
    back = workload_rollback(
        site.name, shop.name, ("deployment/web",), "undo", mode=Mode.APPLY, options=RollbackOptions(stable_for=1)
    )
    assert back.summary[-1] == f"1 of 1 gates are closed now: {said}"
    gate.says("True")


@pytest.fixture
def killed(shop: Shop, site: Site, gate: Gate, prefect_server: PrefectServer) -> Gate:
    """Of a rollout that died while it baked: it has proven nothing."""
    shop.run("deployment/web")
    with baking(site, shop, prefect_server) as run:
        run.kill()
    assert mark(shop)["state"] == "open"
    assert not [key for key in site.keys(f"{site.name}/workloads/") if key.endswith("-proven.json")]
    return gate


@pytest.mark.usefixtures("killed")
def test_a_run_that_was_killed_while_it_baked_bakes_again(shop: Shop, roll: Callable[..., Report]) -> None:
    """The whole time; it changes nothing twice."""
    report = roll(bake=3)
    (group,) = [one.evidence for one in report.done if one.step == "roll out group"]
    assert [one["changed"] for one in group["workloads"]] == [False]  # type: ignore[union-attr, index, call-overload]
    assert group["baked"] == "PT3S"
    assert (shop.images("deployment/web"), mark(shop)["state"]) == ({"web:2"}, "done")


@pytest.mark.full
def test_a_gate_that_closed_after_the_run_was_killed_puts_the_release_back(
    shop: Shop, killed: Gate, roll: Callable[..., Report]
) -> None:
    """To refuse the run would leave the release there that may have closed it."""
    killed.closes()
    planned = roll(Mode.PLAN).plan
    assert planned
    assert planned.cautions[-1].problem == f"closed after the change: {CLOSED.format(name=shop.name)}"
    with pytest.raises(FailedForGood, match=r"is back, and runs main=web:1"):
        roll(bake=3)
    assert (shop.images("deployment/web"), mark(shop)["state"]) == ({"web:1"}, "undone")
