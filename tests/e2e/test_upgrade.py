"""`rolling_upgrade` on real clusters: nothing is lost meanwhile, and wherever it is killed, it goes on."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.e2e.observers import Seen, observed, start_service
from tests.e2e.site import LabSite
from tests.lab.host import LabError
from tests.lab.images import WORKLOAD
from tests.lab.services import Fault, Mirror
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(1800)

BEFORE, TARGET = "1.36.3", "1.37.2"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-runbooks"
QUICK = {"settle": "3s", "allow_downtime": True, "etcd_image_tag": "default"}
"""Options for a small cluster."""

STUCK = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: stuck, namespace: kube-system}
spec: {maxUnavailable: 0, selector: {matchLabels: {k8s-app: kube-dns}}}
"""


BLOCKED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: blocked, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: blocked}}
  template:
    metadata: {labels: {app: blocked}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists, key: node-role.kubernetes.io/control-plane}]
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: blocked}}}
      containers: [{name: web, image: IMAGE, command: [/bin/busybox, sleep, "100000"]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: blocked, namespace: default}
spec: {minAvailable: 2, selector: {matchLabels: {app: blocked}}}
"""


GATES = [
    {"name": "maintenance", "command": "test ! -e /root/maintenance || { echo closed; exit 1; }", "on": "cp1"},
    {"name": "dns", "object": "/apis/apps/v1/namespaces/kube-system/deployments/coredns"},
    {"name": "none", "object": "/apis/apps/v1/namespaces/default/deployments/nobody"},
]


def test_a_cluster_goes_to_the_next_minor_and_no_request_is_lost(upgradable_ha: LabSite) -> None:
    """With etcd 3.6 to 3.7, a client that reads and writes, a service under a budget, and rollouts meanwhile."""
    lab = upgradable_ha.lab
    address = start_service(lab)
    start_service(lab, "rolled")
    began = time.monotonic()
    with observed(lab, address) as seen, rollouts(upgradable_ha):
        report = upgrade(upgradable_ha, options={"etcd_image_tag": "default"}, limit=1500)
    print(f"\n{report['outcome']} after {time.monotonic() - began:.0f} s; {seen}\ncordons: {seen.cordons}")
    assert report["outcome"] == "completed"
    assert_upgraded(upgradable_ha)
    assert_nobody_was_hurt(seen)
    assert seen.most_cordoned == 1
    control_planes, workers = {machine.name for machine in lab.control_planes}, {"w1", "w2"}
    order = [name for _, name, cordoned in seen.cordons if cordoned]
    assert set(order[:3]) == control_planes
    assert set(order[3:]) == workers
    steps = report["plan"]["steps"]
    assert [step["subject"] for step in steps if step["act"].startswith("move etcd's leadership away")] == [order[2]]
    proof = next(step["evidence"] for step in report["done"] if step["step"] == "prove upgraded")
    assert set(proof["etcd"].values()) == {"3.7.0"}
    assert set(proof["service_paths"]) == control_planes | workers
    assert "prefect deployment run etcd_restore_from_s3/etcd-restore" in " ".join(report["summary"])
    again = upgrade(upgradable_ha, options={"etcd_image_tag": "default"})
    assert again["outcome"] == "completed"
    assert "nothing to do" in again["summary"][0]


def test_what_is_in_the_way_is_told_before_anything_is_touched(offered_small: LabSite) -> None:
    """A pod that could never go, a version that is no version, a repository without it; the lock of another run."""
    site, before = offered_small, state(offered_small)
    assert "is not a version of Kubernetes" in upgrade(site, version="latest")["problem"]
    assert "1.37.9" in upgrade(site, version="1.37.9")["problem"]
    assert "older" in upgrade(site, version="1.36.1")["problem"]
    assert "allow_downtime" in upgrade(site, options={})["next_step"]
    site.lab.kubectl("apply", "-f", "-", text=STUCK)
    stuck = upgrade(site)
    assert stuck["outcome"] == "refused"
    assert "stuck" in stuck["problem"]
    site.lab.kubectl("delete", "pdb", "--namespace=kube-system", "stuck")
    site.write_profile(gates=GATES)
    site.lab["cp1"].run("touch /root/maintenance")
    assert "gate maintenance: its command ended with status 1 on cp1: closed" in upgrade(site)["problem"]
    assert "there is no /apis/apps/v1/namespaces/default/deployments/nobody" in upgrade(site)["problem"]
    site.write_profile()
    site.lab.services.fail(Mirror.PACKAGES, Fault.ERROR)
    away = upgrade(site)
    assert away["outcome"] == "refused"
    assert "cp1" in away["problem"]
    site.lab.heal()
    assert state(site) == before


def test_images_that_cannot_be_pulled_stop_it_before_the_first_disruption(offered_small: LabSite) -> None:
    """The node is named; nothing was cordoned, nothing that runs was changed."""
    site, before = offered_small, state(offered_small)
    site.lab.services.fail(Mirror.REGISTRY, Fault.ERROR)
    report = upgrade(site)
    site.lab.heal()
    assert report["outcome"] == "failed"
    assert "job stage-1-37-2" in report["problem"]
    assert state(site) == before


def test_killed_at_boundaries_in_kubeadm_and_in_a_drain_it_goes_on(upgradable_small: LabSite) -> None:
    """No act is done twice: kubeadm ran once on each node, the kubelet was restarted once."""
    site, lab = upgradable_small, upgradable_small.lab
    upgrade(site, die="after stage upgrade")
    assert_lock_is_told(site)
    running = "ls /var/lib/kube-runbooks/jobs/kubeadm-*/output 2> /dev/null"
    with killed_when(site, lambda: lab["cp1"].run(f"{running} || true")) as run:
        run()
    upgrade(site, die="after upgrade control plane node")
    assert lab.kubectl("get", "node", "cp1", "--output=jsonpath={.status.nodeInfo.kubeletVersion}") == f"v{TARGET}"
    start_blocked(site)
    with killed_when(site, lambda: is_cordoned(site, "w1")) as run:
        run()
    assert lab.kubectl("get", "node", "w1", "--output=jsonpath={.status.nodeInfo.kubeletVersion}") == f"v{BEFORE}"
    lab.kubectl("delete", "pdb", "blocked")
    report = upgrade(site, options=QUICK | {"nodes": ["w1"]})
    assert report["outcome"] == "completed"
    assert_upgraded(site)
    for machine in lab.nodes:
        jobs = machine.run("cd /var/lib/kube-runbooks/jobs; ls -d kubeadm-* install-kubelet-*").split()
        assert [job.split("-1-37")[0] for job in jobs] == ["install-kubelet", "kubeadm"], machine.name


@pytest.mark.full
@pytest.mark.parametrize(
    "die",
    [
        f"{when} {step}"
        for step in (
            "stage upgrade",
            "pin etcd",
            "upgrade control plane node",
            "prove control plane",
            "upgrade wave",
            "prove upgraded",
        )
        for when in ("before", "after")
    ],
)
def test_killed_at_a_boundary_it_goes_on(upgradable_small: LabSite, die: str) -> None:
    """Every boundary of a step, on a fresh cluster each."""
    upgrade(upgradable_small, die=die)
    assert upgrade(upgradable_small)["outcome"] == "completed"
    assert_upgraded(upgradable_small)


@pytest.mark.full
def test_kubeadm_puts_the_old_control_plane_back_which_is_told_and_gone_on_with(upgradable_small: LabSite) -> None:
    """An API server that does not start with what kubeadm-config says: after five minutes it is the old one that runs."""
    site, lab = upgradable_small, upgradable_small.lab
    change_configuration(site, "s/^    apiServer: {}/    apiServer: {extraArgs: [{name: no-such-flag, value: x}]}/")
    report = upgrade(site)
    assert report["outcome"] == "failed"
    assert "cp1: kubeadm put the old control plane back" in report["problem"]
    assert "cp1 stays cordoned" in report["next_step"]
    assert [key for key in site.keys(f"{site.name}/reports/rolling_upgrade/evidence/") if key.endswith("-cp1.txt")]
    [node] = [one for one in lab.get("nodes") if one["metadata"]["name"] == "cp1"]
    assert node["spec"]["unschedulable"]
    assert "kubeadm put the old control plane back" in node["metadata"]["annotations"]["kube-runbooks.io/failed"]
    assert f"kube-apiserver:v{BEFORE}" in lab["cp1"].read("/etc/kubernetes/manifests/kube-apiserver.yaml")
    assert not is_cordoned(site, "w1")
    change_configuration(site, "s/^    apiServer: {extraArgs.*/    apiServer: {}/")
    assert upgrade(site)["outcome"] == "completed"
    assert_upgraded(site)


@pytest.mark.full
def test_a_control_plane_that_somebody_cordons_stops_the_next_gate(upgradable_ha: LabSite) -> None:
    """Of three, one more may not be disturbed then: the gate waits, and refuses; the rest is done when the cordon is gone."""
    site, lab = upgradable_ha, upgradable_ha.lab

    def cordon() -> None:
        wait_until(lambda: is_cordoned(site, "cp1"), 600.0, "the first node is at work")
        lab.kubectl("cordon", "cp2")

    somebody = threading.Thread(target=cordon)
    somebody.start()
    report = upgrade(site, options={"etcd_image_tag": "default", "settle": "3s"}, limit=1500)
    somebody.join()
    assert report["outcome"] == "refused"
    assert "cp2 is cordoned or not Ready" in report["problem"]
    assert not is_cordoned(site, "cp1")
    lab.kubectl("uncordon", "cp2")
    again = upgrade(site, options={"etcd_image_tag": "default", "settle": "3s"}, limit=1500)
    assert again["outcome"] == "completed"
    assert_upgraded(site)


def upgrade(
    site: LabSite, die: str = "", version: str = TARGET, limit: float = 900, **parameters: object
) -> dict[str, Any]:
    """A run that asks nobody."""
    given: dict[str, Any] = {"mode": "apply", "version": version, "options": QUICK} | parameters
    return site.run("rolling_upgrade", die=die, limit=limit, **given)


def change_configuration(site: LabSite, expression: str) -> None:
    """Of kubeadm, by sed."""
    config = "export KUBECONFIG=/etc/kubernetes/admin.conf; kubectl -n kube-system"
    site.lab["cp1"].run(
        f"{config} get configmap kubeadm-config -o yaml | sed '{expression}' | {config.partition('; ')[2]} replace -f -"
    )


def assert_upgraded(site: LabSite) -> None:
    """By kubectl's own word: versions, nothing cordoned, no annotation of ours, the lock free; holds as they were."""
    lab = site.lab
    for node in lab.get("nodes"):
        assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{TARGET}"
        assert not node["spec"].get("unschedulable")
        assert not [name for name in node["metadata"]["annotations"] if name.startswith("kube-runbooks.io/")]
    for pod in lab.get("pods", "--namespace=kube-system", "--selector=tier=control-plane"):
        image = pod["spec"]["containers"][0]["image"]
        assert image.endswith((f":v{TARGET}", "etcd:3.7.0-0")), image
    assert not json.loads(lab.kubectl("get", "--raw", LEASE))["spec"].get("holderIdentity")
    for machine in lab.nodes:
        assert machine.run("apt-mark showhold").split() == ["kubeadm", "kubectl", "kubelet"]
        assert f"/v{TARGET.rpartition('.')[0]}/" in machine.read("/etc/apt/sources.list.d/kubernetes.list")


def assert_nobody_was_hurt(seen: Seen) -> None:
    """By independent observers."""
    assert seen.service.total > 100
    assert seen.service.lost == []
    assert seen.reads.lost == seen.writes.lost == []
    assert seen.fewest_members >= 2
    assert seen.violations == []


def assert_lock_is_told(site: LabSite) -> None:
    """The run that was killed holds it for some seconds more: its Lease names it."""
    assert json.loads(site.lab.kubectl("get", "--raw", LEASE))["spec"]["holderIdentity"]


def state(site: LabSite) -> dict[str, str]:
    """Of each machine: its packages, its manifests, the processes of its control plane and whether it is cordoned."""
    told = "dpkg-query -W 'kube*'; cat /etc/apt/sources.list.d/*; sha256sum /etc/kubernetes/manifests/* || true; pgrep -x 'kubelet|etcd'"
    cordoned = {name: str(is_cordoned(site, name)) for name in ("cp1", "w1")}
    return cordoned | {f"{machine.name} machine": machine.run(told) for machine in site.lab.nodes}


def is_cordoned(site: LabSite, name: str) -> bool:
    """By kubectl."""
    with suppress(LabError):
        return site.lab.kubectl("get", "node", name, "--output=jsonpath={.spec.unschedulable}") == "true"
    return False


def start_blocked(site: LabSite) -> None:
    """Three pods, each on a node of its own, and there are two: the budget of two lets none go now, and may later."""
    site.lab.kubectl("apply", "-f", "-", text=BLOCKED.replace("IMAGE", WORKLOAD))
    site.wait(lambda: _healthy(site) == "2", 90, "two of the pods run")


def _healthy(site: LabSite) -> str:
    return site.lab.kubectl("get", "pdb", "blocked", "--output=jsonpath={.status.currentHealthy}")


@contextmanager
def killed_when(site: LabSite, question: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Runs the upgrade in a process that is killed with SIGKILL as soon as it is so."""

    def run() -> None:
        process = site.start("rolling_upgrade", mode="apply", version=TARGET, options=QUICK)
        try:
            wait_until(question, 400.0, "the moment has come", every=0.3)
        finally:
            process.kill()
            process.wait()

    yield run


@contextmanager
def rollouts(site: LabSite) -> Iterator[None]:
    """`kubectl rollout restart` of a deployment, again and again."""
    end = threading.Event()

    def restart() -> None:
        while not end.wait(20):
            with suppress(LabError, subprocess.TimeoutExpired):
                site.lab.kubectl("rollout", "restart", "deployment/rolled")

    thread = threading.Thread(target=restart, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
