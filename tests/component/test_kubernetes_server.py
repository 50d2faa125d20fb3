"""The tests' control plane is a real one: it schedules, guards budgets, and ends with the test."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.binaries import ROOT
from tests.servers.kubernetes import ControlPlane
from tests.servers.processes import answers, wait_until

APPS, PODS = "/apis/apps/v1/namespaces/default/deployments", "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One for the module."""
    with ControlPlane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


def ready(plane: ControlPlane) -> dict[str, str]:
    """Pods that are Ready, and on which node."""
    return {
        pod["metadata"]["name"]: pod["spec"]["nodeName"]
        for pod in plane.get(PODS)["items"]
        if {"type": "Ready", "status": "True"}.items()
        <= next((c for c in pod["status"].get("conditions", []) if c["type"] == "Ready"), {}).items()
        and "deletionTimestamp" not in pod["metadata"]
    }


def test_pods_are_scheduled_and_a_budget_that_is_used_up_refuses_an_eviction(plane: ControlPlane) -> None:
    """An eviction that the budget allows is followed by a new pod."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "none"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    with plane.hollow_nodes("n1", "n2"):
        plane.create(APPS, {"metadata": {"name": "web"}, "spec": spec})
        wait_until(lambda: len(ready(plane)) == 3, 60.0, "three pods are Ready")
        assert set(ready(plane).values()) <= {"n1", "n2"}
        budget = {"minAvailable": 3, "selector": {"matchLabels": labels}}
        plane.create(BUDGETS, {"metadata": {"name": "web"}, "spec": budget})
        wait_until(
            lambda: plane.get(f"{BUDGETS}/web").get("status", {}).get("desiredHealthy"), 30.0, "the budget is read"
        )
        name = next(iter(ready(plane)))
        eviction = {"metadata": {"name": name}, "apiVersion": "policy/v1", "kind": "Eviction"}
        with pytest.raises(httpx.HTTPStatusError) as refused:
            plane.create(f"{PODS}/{name}/eviction", eviction)
        assert refused.value.response.status_code == 429
        plane.client.delete(f"{BUDGETS}/web").raise_for_status()
        plane.create(f"{PODS}/{name}/eviction", eviction)
        wait_until(lambda: len(ready(plane)) == 3 and name not in ready(plane), 60.0, "another pod has come")


def test_a_kubeconfig_is_of_one_user(plane: ControlPlane, tmp_path: Path) -> None:
    """Who may nothing is told so by RBAC."""
    config = tmp_path / "config"
    kubectl = str(plane.processes["kube-apiserver"].command[0]).replace("kube-apiserver", "kubectl")
    for user, group, told in (("boss", "system:masters", "yes"), ("nobody", "", "no")):
        config.write_text(plane.kubeconfig(user, group))
        words = [kubectl, f"--kubeconfig={config}", "auth", "can-i", "delete", "nodes"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)})
        assert done.stdout.splitlines()[-1] == told


def test_nothing_is_left_of_a_control_plane_whose_test_was_killed(tmp_path: Path) -> None:
    """Neither the API server nor etcd."""
    script = (
        "import sys, time; from pathlib import Path; from tests.servers.kubernetes import ControlPlane\n"
        "with ControlPlane(Path(sys.argv[1])) as plane:\n"
        "    print(plane.port, plane.etcd.members[0].port, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        ports = [int(word) for word in owner.stdout.readline().split()]
        assert [answers(port) for port in ports] == [True, True]
        owner.kill()
    wait_until(lambda: not any(answers(port) for port in ports), 10.0, "all have ended")
