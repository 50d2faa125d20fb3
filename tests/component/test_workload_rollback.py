"""`workload_rollback` on a real control plane: kubectl's undo is the judge, and what undo leaves behind goes back, too."""

import json
import os
import signal
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from flows.workload_rollback import workload_rollback
from flows.workload_rollout import workload_rollout
from tasks.core.errors import FailedForGood, Refused
from tasks.core.models.plan import Mode
from tasks.core.models.report import Outcome, Report
from tasks.workloads.models.changes import Change, RolloutOptions
from tasks.workloads.models.rollback import RollbackOptions
from tests.servers.binaries import ROOT
from tests.servers.kubernetes import ControlPlane, Resource
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.shop import LIMIT, Shop
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

QUICK: dict[str, Any] = {"stable_for": 1, "timeout": 60}


@pytest.fixture
def back(two_workers: ControlPlane, site: Site, shop: Shop) -> Callable[..., Report]:
    """The runbook on that namespace."""
    site.use_api(two_workers.kubeconfig())

    def rolled(*workloads: str, to: str = "previous", mode: Mode = Mode.APPLY, **options: Any) -> Report:  # noqa: ANN401 - fields of the options
        given = RollbackOptions.model_validate(QUICK | options)
        return workload_rollback(
            site.name, shop.name, workloads, "errors", ticket="INC-7", to=to, mode=mode, options=given
        )

    return rolled


@pytest.fixture
def release(site: Site, shop: Shop) -> Callable[..., Report]:
    """A rollout of an image, proven."""

    def rolled(*workloads: str, tag: str) -> Report:
        changes = tuple(Change(namespace=shop.name, workload=one, images={"main": f"web:{tag}"}) for one in workloads)
        given = RolloutOptions.model_validate(QUICK | {"check_images": False})
        return workload_rollout(site.name, changes, "release", mode=Mode.APPLY, options=given)

    return rolled


def config(shop: Shop, name: str, **data: str) -> None:
    """Creates or replaces a ConfigMap."""
    path = f"/api/v1/namespaces/{shop.name}/configmaps"
    body: Resource = {"metadata": {"name": name}, "data": data}
    if shop.api.is_fine(f"{path}/{name}"):
        shop.api.replace(f"{path}/{name}", body)
    else:
        shop.api.create(path, body)


def data_of(shop: Shop, name: str) -> dict[str, str]:
    """What a ConfigMap has."""
    return dict(shop.api.get(f"/api/v1/namespaces/{shop.name}/configmaps/{name}")["data"])


def template(shop: Shop, workload: str) -> Resource:
    """Its pod template."""
    return dict(shop.get(workload)["spec"]["template"])


def test_it_ends_where_kubectls_undo_ends(shop: Shop, back: Callable[..., Report]) -> None:
    """For each kind, two twins: one goes back by kubectl, the other by us; so do their revisions."""
    kinds = {"deployment": ("a", "b"), "statefulset": ("c", "d"), "daemonset": ("e", "f")}
    for kind, names in kinds.items():
        for name in names:
            shop.run(f"{kind}/{name}")
            for tag in ("2", "3"):
                shop.cluster.kubectl("-n", shop.name, "set", "image", f"{kind}/{name}", f"main=web:{tag}")
                shop.wait_available(f"{kind}/{name}", 2)
    for kind, (theirs, ours) in kinds.items():
        shop.cluster.kubectl("-n", shop.name, "rollout", "undo", f"{kind}/{theirs}")
        shop.wait_available(f"{kind}/{theirs}", 2)
        report = back(f"{kind}/{ours}")
        assert report.outcome is Outcome.COMPLETED
        assert template(shop, f"{kind}/{theirs}")["spec"] == template(shop, f"{kind}/{ours}")["spec"]
        history = [
            shop.cluster.kubectl("-n", shop.name, "rollout", "history", f"{kind}/{name}").split("\n")[2:]
            for name in (theirs, ours)
        ]
        numbers = [[line.split()[0] for line in lines if line.strip()] for lines in history]
        assert numbers[0] == numbers[1] == ["1", "3", "4"]
        assert shop.images(f"{kind}/{ours}") == {"web:2"}
        again = back(f"{kind}/{ours}", to="1", mode=Mode.PLAN)
        assert again.plan
        assert "containers[main].image: web:2 -> web:1" in again.plan.steps[0].reason


def test_the_config_map_of_the_release_before_comes_back(
    shop: Shop, back: Callable[..., Report], release: Callable[..., Report]
) -> None:
    """`kubectl rollout undo` leaves the one of the bad release. Here somebody changes it right before that release."""
    uses = {"containers": [{"name": "main", "image": "web:1", "envFrom": [{"configMapRef": {"name": "c"}}]}]}
    config(shop, "c", level="info")
    shop.run("deployment/web", pod=uses)
    release("deployment/web", tag="2")
    config(shop, "c", level="wrong", more="x")
    release("deployment/web", tag="3")
    report = back("deployment/web")
    assert data_of(shop, "c") == {"level": "info"}
    assert shop.images("deployment/web") == {"web:2"}
    assert f"{shop.name}/deployment/web: with their content of then: ConfigMap c" in report.summary
    assert report.plan
    assert "ConfigMap c: level, more" in report.plan.steps[0].reason
    proven = back("deployment/web", to=report.run_id, mode=Mode.PLAN)
    assert proven.plan
    assert "web:2 -> web:3" in proven.plan.steps[0].reason


def test_config_alone_restarts_the_pods(
    shop: Shop, site: Site, back: Callable[..., Report], release: Callable[..., Report]
) -> None:
    """A template that stays the same restarts nothing by itself."""
    uses = {"containers": [{"name": "main", "image": "web:1", "envFrom": [{"configMapRef": {"name": "c"}}]}]}
    config(shop, "c", level="info")
    shop.run("deployment/web", pod=uses)
    release("deployment/web", tag="2")
    proven = next(key for key in site.keys(f"{site.name}/workloads/{shop.name}/") if key.endswith("-proven.json"))
    config(shop, "c", level="wrong")
    before = {pod["metadata"]["uid"] for pod in shop.pods("deployment/web")}
    report = back("deployment/web", to=proven.rpartition("/")[2].removesuffix(".json"))
    assert report.plan
    assert report.plan.steps[0].act.startswith("restart for ConfigMaps of the snapshot of ")
    assert data_of(shop, "c") == {"level": "info"}
    wait_until(lambda: not before & {pod["metadata"]["uid"] for pod in shop.pods("deployment/web")}, LIMIT, "new pods")


@pytest.mark.full
def test_the_secret_of_the_release_before_comes_back_if_the_profile_can_decrypt_it(
    shop: Shop, site: Site, tmp_path: Path, back: Callable[..., Report], release: Callable[..., Report]
) -> None:
    """With the name of its entry in the plan, and its value nowhere but in the Secret."""
    identity, file = x25519.Identity.generate(), tmp_path / "identity.txt"
    file.write_text(f"{identity}\n")
    file.chmod(0o600)
    recipients = [str(identity.to_public())]
    site.write(backup={"recipients": recipients})
    path = f"/api/v1/namespaces/{shop.name}/secrets"
    old = {"metadata": {"name": "s"}, "stringData": {"password": "correct-horse-battery"}}
    shop.api.create(path, old)
    uses = {"containers": [{"name": "main", "image": "web:1", "envFrom": [{"secretRef": {"name": "s"}}]}]}
    shop.run("deployment/web", pod=uses)
    release("deployment/web", tag="2")
    shop.api.replace(f"{path}/s", {"metadata": {"name": "s"}, "stringData": {"password": "wrong-and-secret-too"}})
    release("deployment/web", tag="3")
    without = back("deployment/web", mode=Mode.PLAN)
    assert without.plan
    assert "no backup.identity that decrypts them" in without.plan.cautions[0].problem
    assert without.plan.cautions[0].next_step.startswith("set backup.identity of the profile, or decrypt")
    other = tmp_path / "other.txt"
    other.write_text(str(x25519.Identity.generate()))
    other.chmod(0o600)
    site.write(backup={"recipients": recipients, "identity": f"file:{other}"})
    wrong = back("deployment/web", mode=Mode.PLAN)
    assert wrong.plan
    assert "it is not encrypted for this identity" in wrong.plan.cautions[0].problem
    assert wrong.plan.cautions[0].next_step == "correct backup.identity of the profile"
    site.write(backup={"recipients": recipients, "identity": f"file:{file}"})
    report = back("deployment/web")
    assert report.plan
    assert "Secret s: password" in report.plan.steps[0].reason
    assert report.plan.cautions == ()
    assert f"{shop.name}/deployment/web: with their content of then: Secret s" in report.summary
    assert b64decode(shop.api.get(f"{path}/s")["data"]["password"]) == b"correct-horse-battery"
    assert shop.images("deployment/web") == {"web:2"}
    for text in site.texts():
        for secret in ("correct-horse-battery", "wrong-and-secret-too", str(identity)):
            assert secret not in text
            assert b64encode(secret.encode()).decode() not in text


def test_a_group_goes_back_to_before_a_run_in_reverse_order(
    shop: Shop, back: Callable[..., Report], release: Callable[..., Report]
) -> None:
    """A stuck StatefulSet among them; the second time there is nothing to do."""
    for workload in ("deployment/web", "statefulset/db"):
        shop.run(workload)
    run = release("deployment/web", "statefulset/db", tag="2")
    shop.cluster.kubectl("-n", shop.name, "set", "image", "statefulset/db", "main=web:crash")
    wait_until(lambda: "web:crash" in shop.images("statefulset/db"), LIMIT, "it is stuck")
    report = back("deployment/web", "statefulset/db", to=run.run_id)
    steps = [one.evidence["workload"] for one in report.done if one.step == "roll back workload"]
    assert steps == [f"{shop.name}/statefulset/db", f"{shop.name}/deployment/web"]
    assert shop.images("deployment/web") == shop.images("statefulset/db") == {"web:1"}
    assert f"{shop.name}/statefulset/db: pods that blocked it were deleted: db-1" in report.summary
    again = back("deployment/web", "statefulset/db", to=run.run_id)
    assert again.summary[0] == "there is nothing to do"


def test_a_killed_rollback_is_run_again_and_does_not_go_forth(
    shop: Shop, site: Site, back: Callable[..., Report], prefect_server: PrefectServer
) -> None:
    """It dies after the first of two: by then, the revision before the newest one is the bad one."""
    for workload in ("deployment/web", "deployment/api"):
        shop.run(workload)
        shop.cluster.kubectl("-n", shop.name, "set", "image", workload, "main=web:2")
        shop.wait_available(workload, 2)
    both = ["deployment/web", "deployment/api"]
    parameters = {
        "cluster": site.name,
        "namespace": shop.name,
        "workloads": both,
        "reason": "errors",
        "mode": "apply",
        "options": QUICK,
    }
    words = [sys.executable, "-m", "tests.servers.runner", "workload_rollback", json.dumps(parameters)]
    environment = os.environ | site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    died = subprocess.run(
        [*words, "after roll back workload"], env=environment, cwd=ROOT, capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    assert [shop.images(workload) for workload in both] == [{"web:2"}, {"web:1"}]
    report = back(*both)
    assert report.plan
    assert [skip.reason for skip in report.plan.skips] == ["an interrupted run of this rollback has proven it"]
    assert [shop.images(workload) for workload in both] == [{"web:1"}, {"web:1"}]
    forth = back(*both)
    assert [shop.images(workload) for workload in both] == [{"web:2"}, {"web:2"}]
    assert forth.outcome is Outcome.COMPLETED


def test_a_revision_that_cannot_run_any_more_is_told(shop: Shop, back: Callable[..., Report]) -> None:
    """The ones after it are not changed."""
    shop.run("deployment/api")
    shop.cluster.kubectl("-n", shop.name, "set", "image", "deployment/api", "main=web:2")
    shop.wait_available("deployment/api", 2)
    shop.make("deployment/web", notes={"hollow/waits": "ErrImageNeverPull: gone"})
    shop.annotate_pods("deployment/web", waits=None)
    shop.wait_available("deployment/web", 2)
    with pytest.raises(FailedForGood) as failed:
        back("deployment/api", "deployment/web")
    assert "ErrImageNeverPull: image web:1: gone" in failed.value.problem
    assert failed.value.problem.endswith(f"{shop.name}/deployment/api was not changed")
    assert failed.value.hint.startswith(
        "correct the cause, or roll back to another revision with --to: `kube-runbooks run workload-history "
    )
    assert shop.images("deployment/api") == {"web:2"}


def test_what_cannot_go_back_is_refused_before_anything_is_touched(shop: Shop, back: Callable[..., Report]) -> None:
    """Each with its field and what to do."""
    shop.run("deployment/web")
    shop.run("deployment/stopped")
    shop.change("deployment/stopped", paused=True)
    with pytest.raises(Refused) as refused:
        back("deployment/web", "deployment/stopped", "deployment/wbe")
    for problem in (
        "deployment/web: to: it has no revision before this one",
        "deployment/stopped: it is paused: a rollback would be stored and not rolled out",
        "deployment/wbe: no workload with this name",
    ):
        assert problem in refused.value.problem
    with pytest.raises(Refused, match="to: it has no revision 9"):
        back("deployment/web", to="9")
    with pytest.raises(Refused, match="to: revision 1 is the one that runs"):
        back("deployment/web", to="1")
    with pytest.raises(Refused, match="to: the bucket has no snapshot"):
        back("deployment/web", to="0a1b2c3d-0000-0000-0000-000000000000")
    with pytest.raises(Exception, match="is no goal; write previous"):
        back("deployment/web", to="yesterday")
