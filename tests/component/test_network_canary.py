"""The canary of `access_audit`: what it makes, what it shows, what keeps it from that, and that nothing of it stays."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.access_audit import access_audit
from tasks.access.models.options import AuditOptions
from tasks.access.steps import try_network
from tasks.core.models.report import Outcome
from tasks.network_policy import canary
from tasks.network_policy.models import UNTIL, Canary, Seen, Verdict
from tasks.network_policy.policy.canary import OURS
from tasks.run.models.lock import Holder
from tests.facts.user_access import NOW
from tests.servers.binaries import ROOT
from tests.servers.etcd import EtcdCluster
from tests.servers.hollow import HollowNodes
from tests.servers.kubernetes import ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.site import Site
from tests.servers.sshd import Sshd
from tests.servers.walled import PodNetwork

pytestmark = pytest.mark.usefixtures("prefect")

SPACES = "/api/v1/namespaces"
COREDNS = "registry.example/coredns/coredns:v1.14.6"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With two nodes that take pods."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as made, HollowNodes(made, ("w1", "w2")):
        yield made


class Trial:
    """A site whose nodes are this computer, and the canary in it."""

    def __init__(self, cluster: ControlPlane, site: Site) -> None:
        self.cluster, self.site = cluster, site

    def run(self, image: str = COREDNS, timeout: float = 60, run_id: str = "r1") -> Canary:
        """The step alone."""
        options = AuditOptions(canary=True, canary_image=image, canary_timeout=timedelta(seconds=timeout))
        holder = Holder(runbook="access_audit", run_name="a run", started_at=NOW)
        return try_network.fn(self.site.name, options, run_id, holder)

    def spaces(self) -> list[str]:
        """Namespaces of canaries."""
        return [one["metadata"]["name"] for one in self.cluster.api.get(SPACES, labelSelector=OURS)["items"]]


@pytest.fixture
def trial(cluster: ControlPlane, new_site: Callable[[EtcdCluster], Site], tmp_path: Path) -> Iterator[Trial]:
    """It ends without a namespace of a canary."""
    site = new_site(cluster.etcd)
    site.use_api(cluster.kubeconfig())
    with Sshd(tmp_path / "sshd") as sshd:
        site.through(sshd)
        ways = {"address": "127.0.0.1", "port": sshd.port}
        site.profile["nodes"] = [{"name": name, **ways} for name in ("cp1", "w1", "w2")]
        site.write()
        made = Trial(cluster, site)
        yield made
        assert made.spaces() == []


@as_root
def test_a_network_with_an_agent_enforces_and_one_without_does_not(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By two pods on two nodes that nothing but the policy keeps apart. The API server itself takes them as restricted."""
    with PodNetwork(trial.cluster, tmp_path / "with", agent=True):
        found = trial.run()
    assert (found.enforcement.verdict, found.enforcement.reason) == (Verdict.ENFORCED, "")
    assert sorted(found.nodes) == ["w1", "w2"]
    assert {one.seen for one in found.enforcement.denied} == {Seen.DROPPED}
    assert found.seconds > 0
    monkeypatch.setattr(canary, "CLOSE", timedelta(seconds=3))
    with PodNetwork(trial.cluster, tmp_path / "without", agent=False):
        found = trial.run()
    assert found.enforcement.verdict is Verdict.NOT_ENFORCED
    assert [one.seen for one in found.enforcement.leaks] == [Seen.OPEN, Seen.OPEN]
    assert (found.left, found.removed) == ("", ())


@as_root
@pytest.mark.full
def test_a_connection_that_stays_closed_without_the_policy_shows_nothing(trial: Trial, tmp_path: Path) -> None:
    """The network may be broken."""
    with PodNetwork(trial.cluster, tmp_path, agent=True, is_stuck=True):
        found = trial.run()
    assert found.enforcement.verdict is Verdict.UNKNOWN
    assert "stayed closed after its policy was deleted" in found.enforcement.reason


@pytest.mark.full
def test_what_keeps_a_canary_from_its_work_is_its_result(trial: Trial) -> None:
    """Pods that do not start, an admission that refuses them, no image, no node and no SSH. Its namespace is gone each time."""
    api, admission = trial.cluster.api, "/apis/admissionregistration.k8s.io/v1"
    assert "name an image of it with --canary-image" in trial.run("").enforcement.reason
    dns = {"metadata": {"name": "dns", "labels": {"k8s-app": "kube-dns"}}}
    spec = {"containers": [{"name": "coredns", "image": "registry.example/coredns:missing"}]}
    pods = f"{SPACES}/kube-system/pods"
    api.create(pods, {**dns, "spec": spec})
    try:
        found = trial.run("", timeout=2)
    finally:
        api.delete(f"{pods}/dns")
    assert "ErrImagePull: failed to resolve reference: not found" in found.enforcement.reason
    assert found.image == "registry.example/coredns:missing"
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    refuse = {"expression": "false", "message": "no pods today"}
    wall = {"matchConstraints": {"resourceRules": rules}, "validations": [refuse], "failurePolicy": "Fail"}
    binding = {"policyName": "nopods", "validationActions": ["Deny"]}
    api.create(f"{admission}/validatingadmissionpolicies", {"metadata": {"name": "nopods"}, "spec": wall})
    api.create(f"{admission}/validatingadmissionpolicybindings", {"metadata": {"name": "nopods"}, "spec": binding})
    try:
        wait_until(lambda: "no pods today" in trial.run(timeout=2).enforcement.reason, 60, "admission refuses pods")
    finally:
        api.delete(f"{admission}/validatingadmissionpolicybindings/nopods")
        api.delete(f"{admission}/validatingadmissionpolicies/nopods")
    nodes = trial.site.profile["nodes"]
    trial.site.profile["nodes"] = nodes[:1]
    trial.site.write()
    assert trial.run().enforcement.reason == "no node of the profile is Ready and takes pods"


@pytest.mark.full
def test_what_a_killed_audit_left_is_a_finding_until_an_audit_with_a_canary_removes_it(
    trial: Trial, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    """The audit without a canary leaves it. Another namespace is never touched."""
    site, api = trial.site, trial.cluster.api
    api.create(SPACES, {"metadata": {"name": "other", "labels": {"app.kubernetes.io/managed-by": "kube-runbooks"}}})
    options = {"canary": True, "canary_image": "registry.example/coredns:missing", "canary_timeout": "10m"}
    words = json.dumps({"cluster": site.name, "options": options})
    environment = os.environ | site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    with (tmp_path / "run.log").open("w") as log:
        command = [sys.executable, "-m", "tests.servers.runner", "access_audit", words]
        run = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)

        def has_pods() -> bool:
            return any(api.get(f"{SPACES}/{one}/pods")["items"] for one in trial.spaces())

        wait_until(has_pods, 150, "the pods of the canary exist", log=tmp_path / "run.log")
        run.kill()
        assert run.wait(30) == -signal.SIGKILL
    [left] = trial.spaces()
    api.patch(f"{SPACES}/{left}", {"metadata": {"annotations": {UNTIL: "2026-01-01T00:00:00Z"}}})
    report = access_audit(site.name)
    assert _ids(site, report) == [f"canary-left:{left}"]
    assert trial.spaces() == [left]
    quick = AuditOptions(canary=True, canary_image=options["canary_image"], canary_timeout=timedelta(seconds=1))
    report = access_audit(site.name, options=quick)
    assert report.outcome is Outcome.COMPLETED
    [done] = [one["evidence"] for one in site.reports()[-1]["done"] if one["step"] == "try network"]
    assert (done["removed"], done["left"]) == ([left], "")
    assert report.plan
    cautions = [one.problem for one in report.plan.cautions if one.problem.startswith("canary")]
    assert cautions == [f"canary of NetworkPolicies: {done['enforcement']['reason']}"]
    assert _ids(site, report) == []
    assert api.get(f"{SPACES}/other")["status"]["phase"] == "Active"


def _ids(site: Site, report: object) -> list[str]:
    """Findings about canaries of the newest run."""
    assert report
    done: list[dict[str, Any]] = site.reports()[-1]["done"]
    found = next(one["evidence"] for one in done if one["step"] == "audit access")
    return [one["id"] for one in found["findings"] if one["check"] == "canary-left"]
