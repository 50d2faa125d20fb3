"""`workload_rollout` on a real control plane with hollow nodes: proven, failed early, put back, resumed, refused."""

import io
import json
import os
import subprocess
import sys
import tarfile
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from pyrage import decrypt, x25519

from flows.workload_rollout import workload_rollout
from tasks.core.errors import FailedForGood, Refused
from tasks.core.models.plan import Mode
from tasks.core.models.report import Outcome, Report
from tasks.workloads.models.changes import Change, RolloutOptions
from tasks.workloads.models.rollout import ROLLOUT
from tests.servers.binaries import ROOT
from tests.servers.kubernetes import ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.shop import LIMIT, Shop
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")

QUICK: dict[str, Any] = {"stable_for": 1, "timeout": 100, "check_images": False}
REASON = "new prices"


@pytest.fixture
def roll(two_workers: ControlPlane, site: Site, shop: Shop) -> Callable[..., Report]:
    """The runbook on that namespace."""
    site.use_api(two_workers.kubeconfig())

    def rolled(*changes: dict[str, Any], mode: Mode = Mode.APPLY, **options: Any) -> Report:  # noqa: ANN401 - fields of the options
        made = tuple(Change(**{"namespace": shop.name} | one) for one in changes)
        given = RolloutOptions.model_validate(QUICK | options)
        return workload_rollout(site.name, made, REASON, ticket="CHG-7", mode=mode, options=given)

    return rolled


def image(workload: str, tag: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a change
    """A change of the image of its container."""
    return {"workload": workload, "images": {"main": f"web:{tag}"}, **more}


def notes(shop: Shop, workload: str) -> dict[str, str]:
    """Its annotations."""
    return dict(shop.get(workload)["metadata"]["annotations"])


def mark(shop: Shop, workload: str) -> dict[str, Any]:
    """What a run has left there."""
    return dict(json.loads(notes(shop, workload)[ROLLOUT]))


def revision(shop: Shop) -> str:
    """The number of its newest template. A Deployment's generation grows with its annotations, too."""
    return notes(shop, "deployment/web")["deployment.kubernetes.io/revision"]


def evidence(report: Report, step: str) -> list[Any]:
    """Of each such step."""
    return [one.evidence for one in report.done if one.step == step]


def test_groups_go_one_after_the_other_and_are_proven(shop: Shop, site: Site, roll: Callable[..., Report]) -> None:
    """All kinds and all changes; what was there before and after is in the bucket; the same again has nothing to do."""
    config = {"metadata": {"name": "c"}, "data": {"level": "info"}}
    shop.api.create(f"/api/v1/namespaces/{shop.name}/configmaps", config)
    envs = [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s", "optional": True}}]
    container = {"name": "main", "image": "web:1", "envFrom": envs}
    shop.run("deployment/web", pod={"containers": [container]})
    shop.run("statefulset/db")
    shop.run("daemonset/agent")
    changes = (
        image("deployment/web", "2", group=2, env={"LEVEL": "debug"}, requests={"cpu": "10m"}, replicas=3),
        {"workload": "statefulset/db", "restart": True},
        image("daemonset/agent", "2"),
    )
    report = roll(*changes)
    assert report.outcome is Outcome.COMPLETED
    assert report.plan
    assert [step.subject.partition("/")[2] for step in report.plan.steps] == [
        "statefulset/db",
        "daemonset/agent",
        "deployment/web",
    ]
    assert "containers[main].image: web:1 -> web:2" in report.plan.steps[-1].reason
    assert report.summary[0] == "3 workloads are rolled out and proven, in 2 groups"
    assert shop.images("deployment/web") == shop.images("daemonset/agent") == {"web:2"}
    assert len(shop.pods("deployment/web")) == 3
    said = notes(shop, "deployment/web")
    assert said["kubernetes.io/change-cause"] == "kube-runbooks: CHG-7: new prices"
    assert (said["kube-runbooks.io/run"], said["kube-runbooks.io/ticket"]) == (report.run_id, "CHG-7")
    assert mark(shop, "deployment/web")["state"] == "done"
    kept = sorted(key for key in site.keys(f"{site.name}/workloads/{shop.name}/deployment/web/"))
    assert [key.rpartition("-")[2] for key in kept] == ["before.json", "proven.json"]
    before, after = (json.loads(site.read(key)) for key in kept)
    assert before["config_maps"]["c"]["data"] == {"level": "info"}
    assert (before["secrets"], before["sealed"]) == (["s"], False)
    assert before["body"]["spec"]["template"]["spec"]["containers"][0]["image"] == "web:1"
    assert after["revision"] != before["revision"]
    rolled = [one for group in evidence(report, "roll out group") for one in group["workloads"]]
    assert [one["left_out"] for one in rolled if "web" in one["workload"]] == [["s"]]
    lease = shop.api.get(f"/apis/coordination.k8s.io/v1/namespaces/{shop.name}/leases/kube-runbooks-deployment-web")
    assert not lease["spec"].get("holderIdentity")
    generation = shop.get("deployment/web")["metadata"]["generation"]
    again = roll(changes[0], changes[2])
    assert again.summary[0] == "there is nothing to do"
    assert shop.get("deployment/web")["metadata"]["generation"] == generation


def test_secrets_are_kept_encrypted_and_nowhere_else(shop: Shop, site: Site, roll: Callable[..., Report]) -> None:
    """Only the profile's recipients can read them."""
    identity = x25519.Identity.generate()
    site.write(backup={"recipients": [str(identity.to_public())]})
    secret = {"metadata": {"name": "s"}, "stringData": {"password": "correct-horse-battery"}}
    shop.api.create(f"/api/v1/namespaces/{shop.name}/secrets", secret)
    container = {"name": "main", "image": "web:1", "envFrom": [{"secretRef": {"name": "s"}}]}
    shop.run("deployment/web", pod={"containers": [container]})
    report = roll(image("deployment/web", "2"))
    assert report.plan
    assert report.plan.cautions == ()
    sealed = [key for key in site.keys(f"{site.name}/workloads/") if key.endswith(".secrets.age")]
    assert len(sealed) == 2
    with tarfile.open(fileobj=io.BytesIO(decrypt(site.read(sealed[0]), [identity]))) as tar:
        (name,) = tar.getnames()
        kept = json.loads(tar.extractfile(name).read())  # type: ignore[union-attr]
    assert (name, kept["data"]["password"]) == ("s.json", b64encode(b"correct-horse-battery").decode())
    assert not any("correct-horse-battery" in text or kept["data"]["password"] in text for text in site.texts())


def test_a_bad_release_is_told_early_and_all_groups_go_back(
    shop: Shop, site: Site, roll: Callable[..., Report]
) -> None:
    """In reverse order; the run ends failed, with the cause and what runs now, and offers no retry."""
    shop.run("deployment/web")
    shop.run("deployment/api")
    with pytest.raises(FailedForGood) as failed:
        roll(image("deployment/web", "2"), image("deployment/api", "crash", group=2))
    said = failed.value.problem
    assert "container main: it ended with exit code 3 (Error), 2 times" in said
    back = [f"{shop.name}/deployment/{name} is back, and runs main=web:1" for name in ("api", "web")]
    assert said.endswith("; ".join(back))
    assert failed.value.hint == "correct the cause, then start a new run; a retry of this run is refused"
    kept = site.reports()[-1]
    assert (kept["outcome"], kept["next_step"]) == ("failed", failed.value.hint)
    for workload in ("deployment/web", "deployment/api"):
        shop.wait_available(workload, 2)
        assert shop.images(workload) == {"web:1"}
        assert mark(shop, workload)["state"] == "undone"
        assert "put back by run" in notes(shop, workload)["kubernetes.io/change-cause"]


@pytest.mark.parametrize(
    ("tag", "cause"),
    [
        ("missing", "ErrImagePull: image web:missing"),
        ("never", "ErrImageNeverPull"),
        ("unready", "it runs and is not ready"),
    ],
)
@pytest.mark.full
def test_an_ordered_stateful_set_does_not_stay_stuck(
    shop: Shop, roll: Callable[..., Report], tag: str, cause: str
) -> None:
    """`kubectl rollout undo` alone would leave its broken pod there for ever. A probe has until the deadline."""
    shop.run("statefulset/db")
    with pytest.raises(FailedForGood) as failed:
        roll(image("statefulset/db", tag), timeout=20)
    assert cause in failed.value.problem
    assert f"{shop.name}/statefulset/db is back, and runs main=web:1" in failed.value.problem
    shop.wait_available("statefulset/db", 2)
    assert shop.images("statefulset/db") == {"web:1"}


def test_without_rollback_the_same_run_again_resumes(shop: Shop, roll: Callable[..., Report]) -> None:
    """The cause is corrected meanwhile; nothing is changed twice, and the snapshot is the one from before."""
    shop.run("deployment/web")
    blocked = image("deployment/web", "2", env={"LEVEL": "debug"})
    with pytest.raises(FailedForGood, match="nothing was put back") as failed:
        roll(image("deployment/web", "never"), rollback=False)
    assert "kube-runbooks run workload-rollback " in failed.value.hint
    first = mark(shop, "deployment/web")
    assert first["state"] == "open"
    number = revision(shop)
    with pytest.raises(FailedForGood):
        roll(image("deployment/web", "never"), rollback=False)
    assert revision(shop) == number
    assert mark(shop, "deployment/web")["snapshot"] == first["snapshot"]
    report = roll(blocked, mode=Mode.PLAN)
    assert report.plan
    assert any("has changed it otherwise, and has not finished" in one.problem for one in report.plan.cautions)


def test_a_run_that_is_killed_is_run_again_and_changes_nothing_twice(
    shop: Shop, site: Site, roll: Callable[..., Report], prefect_server: PrefectServer
) -> None:
    """It dies between the change and the proof."""
    shop.run("deployment/web")
    shop.run("deployment/api")
    changes = [
        {"namespace": shop.name} | image(f"deployment/{name}", "2", group=group)
        for group, name in ((1, "web"), (2, "api"))
    ]
    options = QUICK | {"stable_for": 60}
    parameters = {"cluster": site.name, "changes": changes, "reason": REASON, "mode": "apply", "options": options}
    words = [sys.executable, "-m", "tests.servers.runner", "workload_rollout", json.dumps(parameters)]
    environment = os.environ | site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    with subprocess.Popen(
        words, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        wait_until(lambda: ROLLOUT in notes(shop, "deployment/web"), LIMIT, "it has changed the first one")
        with pytest.raises(
            Refused, match=f"the Lease {shop.name}/kube-runbooks-deployment-(api|web): .* has had the lock"
        ):
            roll(*(image(f"deployment/{name}", "2", group=group) for group, name in ((1, "web"), (2, "api"))))
        run.kill()
    first, number = mark(shop, "deployment/web"), revision(shop)
    report = roll(*(image(f"deployment/{name}", "2", group=group) for group, name in ((1, "web"), (2, "api"))))
    assert report.outcome is Outcome.COMPLETED
    web, api = (group["workloads"][0] for group in evidence(report, "roll out group"))
    assert (web["changed"], api["changed"]) == (False, True)
    assert (web["snapshot"], mark(shop, "deployment/web")["run"]) == (first["snapshot"], report.run_id)
    assert revision(shop) == number
    assert report.plan
    assert any(f"run {first['run']} has changed it so" in one.problem for one in report.plan.cautions)


def test_somebody_elses_change_is_never_overwritten(
    shop: Shop, site: Site, roll: Callable[..., Report], prefect_server: PrefectServer
) -> None:
    """Meanwhile: the run stops, and puts nothing back."""
    shop.run("deployment/web")
    parameters = {
        "cluster": site.name,
        "changes": [{"namespace": shop.name} | image("deployment/web", "unready")],
        "reason": REASON,
        "mode": "apply",
        "options": QUICK,
    }
    del roll
    environment = os.environ | site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    words = [sys.executable, "-m", "tests.servers.runner", "workload_rollout", json.dumps(parameters)]
    with subprocess.Popen(
        words, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        wait_until(lambda: ROLLOUT in notes(shop, "deployment/web"), LIMIT, "it has changed it")
        shop.cluster.kubectl("-n", shop.name, "set", "image", "deployment/web", "main=web:3")
        output = run.communicate(timeout=5 * LIMIT)[0]
    assert "somebody else changed its template during the rollout; nothing is put back" in output
    shop.wait_available("deployment/web", 2)
    assert shop.images("deployment/web") == {"web:3"}


def test_what_cannot_be_rolled_out_is_refused_before_anything_is_touched(
    shop: Shop, roll: Callable[..., Report]
) -> None:
    """All reasons at once, each with its field and what to do."""
    shop.run("deployment/web")
    shop.run("deployment/stopped")
    shop.change("deployment/stopped", paused=True)
    shop.run("statefulset/slow", updateStrategy={"type": "OnDelete"})
    helm = {"annotations": {"meta.helm.sh/release-name": "shop"}, "labels": {"app.kubernetes.io/managed-by": "Helm"}}
    shop.run("deployment/chart", metadata=helm)
    shop.run("deployment/scaled")
    scaler = {
        "metadata": {"name": "scaled"},
        "spec": {"maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}},
    }
    shop.api.create(f"/apis/autoscaling/v2/namespaces/{shop.name}/horizontalpodautoscalers", scaler)
    budget = {"metadata": {"name": "web"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    shop.api.create(f"/apis/policy/v1/namespaces/{shop.name}/poddisruptionbudgets", budget)
    shop.api.patch(
        f"/api/v1/namespaces/{shop.name}",
        {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
    )
    with pytest.raises(Refused) as refused:
        roll(
            {"workload": "deployment/web", "images": {"mian": "web:2"}},
            {"workload": "deployment/wbe", "restart": True},
            {"workload": "deployment/stopped", "restart": True},
            {"workload": "statefulset/slow", "restart": True},
            {"workload": "deployment/chart", "restart": True},
            {"workload": "deployment/scaled", "replicas": 3},
            {"workload": "deployment/web", "env": {"DB_PASSWORD": "x"}},
            {"workload": "deployment/web", "namespace": "nowhere", "restart": True},
        )
    said = refused.value.problem
    for problem in (
        "deployment/web: images: it has no container mian",
        "deployment/web: it is named 2 times, in group 1",
        "env: DB_PASSWORD looks like a secret",
        "deployment/wbe: no workload with this name",
        "deployment/stopped: it is paused: the change would be stored and not rolled out",
        "statefulset/slow: its strategy is OnDelete: nothing replaces its pods",
        "deployment/chart: Helm (meta.helm.sh/release-name: shop) owns it",
        "deployment/scaled: replicas: HorizontalPodAutoscaler scaled sets them",
        "deployment/stopped: the API refuses a pod of the new template:",
        "nowhere/deployment/web: no namespace nowhere",
    ):
        assert problem in said, problem
    assert all(
        ROLLOUT not in shop.get(f"deployment/{name}")["metadata"].get("annotations", {}) for name in ("web", "chart")
    )


def test_it_respects_the_lock_of_the_cluster_if_asked_to(
    two_workers: ControlPlane, shop: Shop, roll: Callable[..., Report]
) -> None:
    """An upgrade may hold it; by default work in a namespace goes on meanwhile."""
    shop.run("deployment/web")
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    two_workers.api.create(leases, {"metadata": {"name": "kube-runbooks"}, "spec": {"holderIdentity": "an-upgrade"}})
    try:
        with pytest.raises(Refused, match=r"the lock of the cluster is held: .*run an-upgrade"):
            roll(image("deployment/web", "2"), respect_cluster_lock=True)
        assert ROLLOUT not in shop.get("deployment/web")["metadata"].get("annotations", {})
        assert roll(image("deployment/web", "2")).outcome is Outcome.COMPLETED
    finally:
        two_workers.api.delete(f"{leases}/kube-runbooks")
