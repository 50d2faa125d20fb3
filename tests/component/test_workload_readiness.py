"""A readiness probe that fails has until the deadline; meanwhile and then, the run says what the probe answers."""

from typing import Any

import pytest

from tests.servers.apart import run_apart, says
from tests.servers.hollow import PROBE
from tests.servers.kubernetes import ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.shop import Shop
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

STANDING = "1 of 2 pods have the new template"


@pytest.mark.parametrize(
    ("deadline", "timeout", "why"),
    [
        (600, 25, f"{STANDING} ({{answer}}) (waited 25 s for the rollout to finish)"),
        pytest.param(12, 300, "it made no progress in time: ReplicaSet ", marks=pytest.mark.full),
    ],
)
def test_the_answer_of_the_probe_is_said_while_it_waits_and_when_it_fails(  # noqa: PLR0913, PLR0917 - servers, and the case
    two_workers: ControlPlane,
    site: Site,
    shop: Shop,
    prefect_server: PrefectServer,
    deadline: int,
    timeout: int,
    why: str,
) -> None:
    """The first time long before: the run ends at its own limit, or at that of the controller."""
    site.use_api(two_workers.kubeconfig())
    shop.run("deployment/web", progressDeadlineSeconds=deadline)
    change = {"namespace": shop.name, "workload": "deployment/web", "images": {"main": "web:unready"}}
    options: dict[str, Any] = {"stable_for": 1, "timeout": timeout}
    parameters = {"changes": [change], "reason": "new prices", "mode": "apply", "options": options}
    with run_apart(site, prefect_server, "workload_rollout", **parameters) as run:
        said = says(run, "waiting for the rollout to finish")
        while PROBE not in said:
            said = says(run, "waiting for the rollout to finish")
        assert ": it runs and is not ready: " in said
        run.communicate()
    (pod,) = [part for part in said.split("pod ")[1:] if PROBE in part]
    answer = f"pod {pod.partition(PROBE)[0]}{PROBE}"
    problem = site.reports()[-1]["problem"]
    assert problem.startswith(f"{shop.name}/deployment/web: {why.format(answer=answer)}")
    assert answer in problem
    assert problem.endswith(f"{shop.name}/deployment/web is back, and runs main=web:1")
