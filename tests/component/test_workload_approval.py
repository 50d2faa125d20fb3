"""The person who approves a rollout decides whether the run puts a failed one back by itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.etcd import EtcdCluster
from tests.servers.kubernetes import ControlPlane
from tests.servers.runbooks import ROLLOUT, Runbooks
from tests.servers.seaweedfs import S3Server
from tests.servers.shop import Shop
from tests.servers.site import Site

pytestmark = pytest.mark.timeout(600)  # the first test pays for a server, a worker and a deployment

APPROVED = {"decision": "approve", "who": "Ada"}


@pytest.fixture(scope="module")
def runbooks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runbooks]:
    """A server, a worker and the deployment."""
    folder = tmp_path_factory.mktemp("choices")
    with (
        EtcdCluster(tmp_path_factory.mktemp("etcd"), ("solo",)) as etcd,
        S3Server(folder / "s3") as s3,
        Runbooks(folder, etcd, s3, only=(ROLLOUT,)) as made,
    ):
        yield made


@pytest.fixture
def cluster(runbooks: Runbooks, two_workers: ControlPlane, shop: Shop) -> Site:
    """With a workload that runs."""
    site = runbooks.new_cluster()
    site.use_api(two_workers.kubeconfig())
    shop.run("deployment/web")
    return site


def asked(runbooks: Runbooks, site: Site, shop: Shop, *, rollback: bool) -> str:
    """The id of a run that waits with a bad release."""
    change = {"namespace": shop.name, "workload": "deployment/web", "images": {"main": "web:never"}}
    options = {"stable_for": "1s", "timeout": "60s", "rollback": rollback}
    run_id = runbooks.start(site, ROLLOUT, changes=[change], reason="new prices", options=options)
    runbooks.wait_until(lambda: runbooks.run(run_id)["state_name"] == "Suspended", "the run asks")
    return run_id


def inputs(runbooks: Runbooks, run_id: str) -> dict[str, Any]:
    """The fields of the form, and its text."""
    keys = runbooks.run(run_id)["state"]["state_details"]["run_input_keyset"]

    def read(kind: str) -> Any:  # noqa: ANN401 - any JSON
        path = f"/flow_runs/{run_id}/input/{keys[kind]}"
        runbooks.wait_until(lambda: runbooks.server.request("GET", path).is_success, f"the {kind} is there")
        return runbooks.server.api("GET", path)

    return {"text": read("description"), **read("schema")["properties"]}


def answered(runbooks: Runbooks, run_id: str, answer: dict[str, Any]) -> str:
    """What Prefect says to it."""
    body = {"run_input": answer}
    return str(runbooks.server.api("POST", f"/flow_runs/{run_id}/resume", body)["status"])


def ended(runbooks: Runbooks, site: Site, run_id: str) -> dict[str, Any]:
    """The report of a run that failed."""
    assert runbooks.end_of(run_id)["state_name"] == "Failed"
    return site.reports()[-1]


@pytest.mark.full
def test_a_person_may_keep_a_failed_rollout_for_a_look(runbooks: Runbooks, cluster: Site, shop: Shop) -> None:
    """The form has the option's value as its default; the report says who decided otherwise."""
    run_id = asked(runbooks, cluster, shop, rollback=True)
    form = inputs(runbooks, run_id)
    assert (form["rollback"]["type"], form["rollback"]["default"]) == ("boolean", True)
    asks = "if a workload fails, the run puts every workload back by itself"
    assert form["rollback"]["description"] == asks
    assert f"- rollback (yes, unless you choose otherwise): {asks}\n" in form["text"]
    assert answered(runbooks, run_id, APPROVED | {"rollback": "perhaps"}) == "REJECT"
    assert answered(runbooks, run_id, APPROVED | {"rollback": False}) == "ACCEPT"
    report = ended(runbooks, cluster, run_id)
    assert report["problem"].endswith("; nothing was put back, as Ada chose with the approval")
    assert report["approval"]["choices"] == {"rollback": False}
    assert "web:never" in shop.images("deployment/web")


def test_a_person_may_have_it_put_back(runbooks: Runbooks, cluster: Site, shop: Shop) -> None:
    """By the command, where the option says otherwise."""
    run_id = asked(runbooks, cluster, shop, rollback=False)
    assert inputs(runbooks, run_id)["rollback"]["default"] is False
    words = ("approve", run_id, "--yes", "--who", "Ada", "--rollback")
    environment = os.environ | {"PREFECT_API_URL": runbooks.server.api_url}
    subprocess.run([sys.executable, "-m", "kube_runbooks", *words], env=environment, check=True, capture_output=True)
    report = ended(runbooks, cluster, run_id)
    back = (
        f"{shop.name}/deployment/web is back, and runs main=web:1; Ada chose with the approval that the run puts back"
    )
    assert report["problem"].endswith(back)
    assert shop.images("deployment/web") == {"web:1"}


@pytest.mark.full
def test_without_a_choice_the_option_decides(runbooks: Runbooks, cluster: Site, shop: Shop) -> None:
    """Nobody is named for it."""
    run_id = asked(runbooks, cluster, shop, rollback=True)
    inputs(runbooks, run_id)
    assert answered(runbooks, run_id, APPROVED) == "ACCEPT"
    report = ended(runbooks, cluster, run_id)
    assert report["problem"].endswith(f"{shop.name}/deployment/web is back, and runs main=web:1")
    assert report["approval"]["choices"] == {}
