"""`workload_status` on a real control plane with hollow nodes: kubectl is the judge of its answers, and it says why."""

from collections.abc import Callable
from typing import Any

import pytest

from flows.workload_status import workload_status
from tasks.core.errors import Refused
from tasks.core.models.report import Outcome, Report
from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import wait_until
from tests.servers.shop import LIMIT, Shop
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def status(two_workers: ControlPlane, site: Site, shop: Shop) -> Callable[..., Report]:
    """The runbook on that namespace."""
    site.use_api(two_workers.kubeconfig())
    return lambda *workloads: workload_status(site.name, shop.name, workloads)


def _answers(report: Report) -> dict[str, str]:
    """Of each workload: what we think that kubectl says."""
    observed: Any = next(one.evidence for one in report.done if one.step == "observe status")
    return {one["workload"]: one["standing"]["kubectl"] for one in observed["workloads"]}


def _kubectl(shop: Shop, workload: str) -> str:
    """What it really says; its errors begin with the word."""
    try:
        said = shop.cluster.kubectl("-n", shop.name, "rollout", "status", "--watch=false", workload)
    except RuntimeError as error:
        return str(error).partition(": ")[2]
    return said.strip()


def test_its_answers_are_kubectls(shop: Shop, status: Callable[..., Report]) -> None:
    """Of all kinds: rolled out, in the middle, paused, OnDelete, with a partition."""
    shop.run("deployment/web")
    shop.run("statefulset/db")
    shop.run("daemonset/agent")
    shop.run("statefulset/half", podManagementPolicy="Parallel", updateStrategy={"rollingUpdate": {"partition": 1}})
    shop.run("statefulset/slow", updateStrategy={"type": "OnDelete"})
    shop.run("deployment/stopped")
    shop.change("deployment/stopped", paused=True)
    report = status()
    assert report.outcome is Outcome.COMPLETED
    assert report.summary[0] == f"6 of 6 workloads of {shop.name} are rolled out and available"
    answers = _answers(report)
    assert {one: _kubectl(shop, one) for one in answers} == answers
    for one in ("deployment/web", "daemonset/agent", "statefulset/db", "statefulset/half", "statefulset/slow"):
        shop.annotate_pods(one, ready="false")
    shop.annotate_pods("deployment/stopped", ready="false")
    wait_until(lambda: "observed" not in "".join(_kubectl(shop, one) for one in answers), LIMIT, "all are seen")
    wait_until(
        lambda: "1 out of 2 new replicas" in _kubectl(shop, "deployment/web"), LIMIT, "a new pod of web is there"
    )
    wait_until(lambda: "pods to be ready" in _kubectl(shop, "statefulset/db"), LIMIT, "one of db is not ready")
    wait_until(lambda: "pods to be ready" in _kubectl(shop, "statefulset/half"), LIMIT, "one of half is not ready")
    report = status()
    answers = _answers(report)
    assert {one: _kubectl(shop, one) for one in answers} == answers
    assert report.plan
    found = {caution.subject.partition("/")[2]: caution.problem for caution in report.plan.cautions}
    assert "it is paused: changes are stored and not rolled out" in found["deployment/stopped"]
    assert "its strategy is OnDelete: somebody has to delete the others" in found["statefulset/slow"]
    assert "it runs and is not ready" in found["deployment/web"]


def test_a_cause_that_is_final_is_refused_with_it(shop: Shop, status: Callable[..., Report]) -> None:
    """kubectl only says that it waits."""
    shop.make("deployment/crash", 1, notes={"hollow/waits": "CrashLoopBackOff: back-off 10s"})
    shop.make("deployment/never", 1, notes={"hollow/waits": "ErrImageNeverPull: image is not present"})
    shop.make(
        "deployment/init",
        1,
        notes={"hollow/waits-init": "CrashLoopBackOff: back-off", "hollow/waits": "PodInitializing: "},
        pod={"initContainers": [{"name": "migrate", "image": "m:1"}]},
    )
    names = ("crash", "never", "init")

    def is_stuck(name: str) -> bool:
        return any(pod["status"].get("containerStatuses") for pod in shop.pods(f"deployment/{name}"))

    wait_until(lambda: all(map(is_stuck, names)), LIMIT, "the kubelet says what is wrong with each")
    with pytest.raises(Refused) as refused:
        status()
    said = refused.value.problem
    assert "container main: it ended with exit code 3 (Error), 2 times" in said
    assert "container migrate: this init container ended with exit code 3 (Error), 2 times" in said
    assert "ErrImageNeverPull: image web:1: image is not present" in said
    assert "--previous" in refused.value.hint
    assert _kubectl(shop, "deployment/crash").startswith("Waiting for deployment")


def test_what_keeps_pods_from_being_created_or_scheduled_is_quoted(shop: Shop, status: Callable[..., Report]) -> None:
    """The scheduler, the quota, the admission; with a probe's answer."""
    shop.make("deployment/big", 1, pod={"nodeSelector": {"nowhere": "x"}})
    shop.make("deployment/probed", 1, notes={"hollow/ready": "false"})
    shop.make("deployment/pulls", 1, notes={"hollow/waits": "ErrImagePull: dial tcp: i/o timeout"})
    wait_until(lambda: shop.pods("deployment/probed"), LIMIT, "its pod is there")
    shop.warn(
        shop.pods("deployment/probed")[0], "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"
    )
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "3"}}}
    shop.api.create(f"/api/v1/namespaces/{shop.name}/resourcequotas", quota)
    wait_until(
        lambda: shop.api.get(f"/api/v1/namespaces/{shop.name}/resourcequotas/q").get("status", {}).get("used"),
        LIMIT,
        "counted",
    )
    shop.make("deployment/more", 1)
    shop.make("statefulset/more", 1)
    shop.make("daemonset/account", 1, pod={"serviceAccountName": "nobody"})
    names = (
        "deployment/big",
        "deployment/probed",
        "deployment/pulls",
        "deployment/more",
        "statefulset/more",
        "daemonset/account",
    )

    def causes() -> dict[str, str]:
        report = status(*names)
        assert report.plan
        return {caution.subject.partition("/")[2]: caution.problem for caution in report.plan.cautions}

    wait_until(lambda: all(": " in said for said in causes().values()), LIMIT, "each has a cause")
    found = causes()
    assert "no node takes it: 0/3 nodes are available" in found["deployment/big"]
    assert "Readiness probe failed: HTTP probe failed with statuscode: 503" in found["deployment/probed"]
    assert "ErrImagePull: image web:1: dial tcp: i/o timeout" in found["deployment/pulls"]
    assert "exceeded quota: q" in found["deployment/more"]
    assert "exceeded quota: q" in found["statefulset/more"]
    assert 'serviceaccount "nobody" not found' in found["daemonset/account"]


def test_what_is_not_there_is_refused_by_name(two_workers: ControlPlane, site: Site, shop: Shop) -> None:
    """A workload, and a namespace."""
    site.use_api(two_workers.kubeconfig())
    with pytest.raises(Refused, match=f"{shop.name}/deployment/wbe: no workload with this name"):
        workload_status(site.name, shop.name, ("deployment/wbe",))
    with pytest.raises(Refused, match="nowhere: no namespace with this name"):
        workload_status(site.name, "nowhere")
    with pytest.raises(Exception, match="is no workload; write deployment/NAME"):
        workload_status(site.name, shop.name, ("pod/web",))
