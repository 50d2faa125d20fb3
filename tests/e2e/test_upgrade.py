"""`rolling_upgrade` on real clusters: nothing is lost meanwhile, and wherever it is killed, it goes on."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.observers import Seen, observed, start_service
from tests.e2e.site import LabSite, meanwhile
from tests.lab.host import LabError
from tests.lab.images import WORKLOAD
from tests.lab.machine import Machine
from tests.lab.services import Fault, Mirror
from tests.servers.browser import Operator, chromium
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.runbooks import UPGRADE

pytestmark = pytest.mark.timeout(1800)

BEFORE, TARGET = "1.36.3", "1.37.2"
BOUNDARIES = {
    "before": (
        "stage upgrade",
        "pin etcd",
        "upgrade control plane node",
        "prove control plane",
        "upgrade wave",
        "prove upgraded",
    ),
    "after": ("stage upgrade", "pin etcd", "upgrade control plane node", "prove control plane", "prove upgraded"),
}
"""Of steps, in the order in which one run after the other can die there: once the wave is done, there is one more."""

PATIENCE = 300.0
"""Seconds for anything to appear in the browser: a wave, for example."""

QUICK = {"stable_for": "3s", "allow_downtime": True, "etcd_image_tag": "default"}
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
    assert "is from before the upgrade" in report["summary"][1]
    assert report["way_back"] == ""  # nothing is left to be undone by a restore
    assert sum("kubelet asks others" in line for line in report["summary"]) == len(control_planes)
    for machine in lab.control_planes:
        assert f"server: https://{machine.address}:6443\n" in machine.read("/etc/kubernetes/kubelet.conf")
    again = upgrade(upgradable_ha, options={"etcd_image_tag": "default"})
    assert again["outcome"] == "completed"
    assert "nothing to do" in again["summary"][0]


def test_what_is_in_the_way_is_told_before_anything_is_touched(offered_small: LabSite) -> None:
    """A pod that could never go, a version that is no version, a repository without it; the lock of another run."""
    site, before = offered_small, state(offered_small)
    assert "is not a version of Kubernetes" in upgrade(site, version="latest")["problem"]
    assert "1.37.9" in upgrade(site, version="1.37.9")["problem"]
    assert "older" in upgrade(site, version="1.36.1")["problem"]
    assert "--allow-downtime" in upgrade(site, options={})["next_step"]
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
    assert "pull image" in report["problem"]
    assert state(site) == before


def test_packages_that_are_gone_after_the_plan_stop_it_before_the_first_disruption(offered_small: LabSite) -> None:
    """The repository fails once the run has its lock; when it is mended, the staging goes on with what is there."""
    site, before = offered_small, state(offered_small)
    for machine in site.lab.nodes:
        machine.run("rm -rf /var/lib/kube-runbooks/upgrade")
    with meanwhile(
        lambda: site.wait(lambda: site.lock_holder, 120, "the lock is held"),
        lambda: site.lab.services.fail(Mirror.PACKAGES, Fault.ERROR),
    ):
        report = upgrade(site)
    site.lab.heal()
    assert report["outcome"] == "failed"
    assert "job stage-1-37-2" in report["problem"]
    assert state(site) == before


@pytest.mark.full
def test_killed_at_boundaries_in_kubeadm_and_in_a_drain_it_goes_on(
    upgradable_small: LabSite, browser: str, screenshots: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No act is done twice: kubeadm ran once on each node, the kubelet was restarted once. The last run is a person's."""
    site, lab = upgradable_small, upgradable_small.lab
    upgrade(site, die="after stage upgrade")
    assert site.lock_holder
    running = "ls /var/lib/kube-runbooks/jobs/kubeadm-*/output 2> /dev/null"
    kill_when(site, lambda: lab["cp1"].run(f"{running} || true"))
    upgrade(site, die="after upgrade control plane node")
    assert lab.kubectl("get", "node", "cp1", "--output=jsonpath={.status.nodeInfo.kubeletVersion}") == f"v{TARGET}"
    start_blocked(site)
    kill_when(site, lambda: site.is_cordoned("w1"))
    assert lab.kubectl("get", "node", "w1", "--output=jsonpath={.status.nodeInfo.kubeletVersion}") == f"v{BEFORE}"
    lab.kubectl("delete", "pdb", "blocked")
    upgrade_in_the_browser(site, browser, screenshots, tmp_path_factory.mktemp("ui"))  # a short name, for its sockets
    assert_upgraded(site)
    assert_done_once(site)


@pytest.mark.full
@pytest.mark.parametrize("when", BOUNDARIES)
def test_killed_at_every_boundary_one_after_the_other_it_goes_on(upgradable_small: LabSite, when: str) -> None:
    """Each run dies at the next one, the last of them completes. After a step is before the next one, apart from the journal."""
    for step in BOUNDARIES[when]:
        upgrade(upgradable_small, die=f"{when} {step}")
    last = upgrade(upgradable_small)
    assert "nothing to do" in last["summary"][0]  # so it took no lock: that of the dead one is over, and stands there
    assert_upgraded(upgradable_small, is_locked=True)
    assert_done_once(upgradable_small)


@pytest.mark.full
def test_what_was_edited_by_hand_is_named_and_a_kubelet_that_was_never_restarted_is_so(
    upgradable_small: LabSite,
) -> None:
    """Encryption at rest is refused until kubeadm-config gives it; Secrets are read afterwards. Another flag goes, as was said."""
    site, lab = upgradable_small, upgradable_small.lab
    flag = "--encryption-provider-config=/etc/kubernetes/pki/encryption.yaml"
    encrypt(lab["cp1"], flag)
    wait_until(lambda: encrypts(site, flag), PATIENCE, "the API server that encrypts is ready")
    lab.kubectl("create", "secret", "generic", "hidden", "--from-literal=a=b")
    lab["cp1"].run(
        "sed -i 's/- --leader-elect=true/&\\n    - --profiling=false/' /etc/kubernetes/manifests/kube-scheduler.yaml"
    )
    install_kubelet(lab["w1"])
    lab.wait_until_ready()
    assert kubelets(site) == dict.fromkeys(("cp1", "w1"), f"v{BEFORE}")
    refused = upgrade(site, mode="plan")
    assert refused["outcome"] == "refused"
    assert f"kubeadm would write kube-apiserver without {flag}" in refused["problem"]
    name, value = flag.removeprefix("--").split("=")
    change_configuration(site, {"extraArgs": [{"name": name, "value": value}]})
    report = upgrade(site)
    assert report["outcome"] == "completed"
    assert any("--profiling=false (cp1)" in one["problem"] for one in report["plan"]["cautions"])
    step = next(step for step in report["plan"]["steps"] if step["subject"] == "w1")
    assert "restart kubelet (v1.37.2 is installed)" in step["act"]
    assert_upgraded(site)
    assert lab.kubectl("get", "secret", "hidden", "-o", "jsonpath={.data.a}") == "Yg=="
    assert "profiling" not in lab["cp1"].read("/etc/kubernetes/manifests/kube-scheduler.yaml")


@pytest.mark.full
def test_patches_keep_encryption_and_the_kubelets_configuration(upgradable_small: LabSite) -> None:
    """Refused without them; with them in the profile all of it is there afterwards, and the Secret is read. kube-proxy's is named."""
    site, lab = upgradable_small, upgradable_small.lab
    flag = "--encryption-provider-config=/etc/kubernetes/pki/encryption.yaml"
    encrypt(lab["cp1"], flag)
    wait_until(lambda: encrypts(site, flag), PATIENCE, "the API server that encrypts is ready")
    lab.kubectl("create", "secret", "generic", "hidden", "--from-literal=a=b")
    for name in ("cp1", "w1"):
        lab[name].run("echo maxPods: 77 >> /var/lib/kubelet/config.yaml; systemctl restart kubelet")
    limits = '{"spec": {"template": {"spec": {"containers": [{"name": "kube-proxy", "resources": {"limits": {"memory": "1Gi"}}}]}}}}'
    lab.kubectl("patch", "daemonset", "kube-proxy", "--namespace=kube-system", "--patch", limits)
    lab.wait_until_ready()
    refused = upgrade(site, mode="plan")
    assert f"kubeadm would write kube-apiserver without {flag}" in refused["problem"]
    told = [one["problem"] for one in refused["plan"]["cautions"]]
    assert any("kubeadm removes maxPods: 77 (cp1, w1)" in one for one in told), "\n".join(told)
    assert any("kubeadm removes its own resources" in one for one in told), told
    rules = lab.profile["upgrade"] | {"patches": "/etc/kubernetes/patches"}
    site.write_profile(upgrade=rules)
    assert "there is no folder /etc/kubernetes/patches" in upgrade(site, mode="plan")["problem"]
    added = json.dumps([{"op": "add", "path": "/spec/containers/0/command/-", "value": flag}])
    for name in ("cp1", "w1"):
        lab[name].write("/etc/kubernetes/patches/kubeletconfiguration.yaml", "maxPods: 77\n")
    lab["cp1"].write("/etc/kubernetes/patches/kube-apiserver0+json.json", added)
    report = upgrade(site)
    assert report["outcome"] == "completed"
    assert not any("maxPods" in one["problem"] for one in report["plan"]["cautions"])
    assert_upgraded(site)
    assert lab.kubectl("get", "secret", "hidden", "-o", "jsonpath={.data.a}") == "Yg=="
    for name in ("cp1", "w1"):
        assert "maxPods: 77" in lab[name].read("/var/lib/kubelet/config.yaml")


@pytest.mark.full
def test_a_node_whose_power_is_cut_within_kubeadm_is_brought_to_its_end(upgradable_small: LabSite) -> None:
    """Its etcd is the new one, its API server is not: no process of the run, nor of kubeadm, is left."""
    site, machine = upgradable_small, upgradable_small.lab["cp1"]
    kill_when(site, lambda: machine.run("grep etcd:3.7 /etc/kubernetes/manifests/etcd.yaml || true"))
    machine.power_cut()
    machine.restart()
    site.lab.wait_until_ready(datetime.now(UTC))
    assert f"kube-apiserver:v{BEFORE}" in machine.read("/etc/kubernetes/manifests/kube-apiserver.yaml")
    assert upgrade(site)["outcome"] == "completed"
    assert_upgraded(site)


@pytest.mark.full
def test_a_patch_of_the_same_minor_the_control_plane_first_and_then_the_workers(patchable: LabSite) -> None:
    """Two runs with nodes of their own; etcd stays as it is."""
    site, lab = patchable, patchable.lab
    options = {"stable_for": "3s", "allow_downtime": True}
    first = upgrade(site, version=BEFORE, options=options | {"nodes": ["cp1"]})
    assert first["outcome"] == "completed"
    assert kubelets(site) == {"cp1": f"v{BEFORE}", "w1": "v1.36.1"}
    etcd = lab["cp1"].read("/etc/kubernetes/manifests/etcd.yaml")
    second = upgrade(site, version=BEFORE, options=options | {"nodes": ["w1"]})
    assert second["outcome"] == "completed"
    assert kubelets(site) == dict.fromkeys(("cp1", "w1"), f"v{BEFORE}")
    assert lab["cp1"].read("/etc/kubernetes/manifests/etcd.yaml") == etcd
    assert_upgraded(site, version=BEFORE, etcd="3.6.16")


@pytest.mark.full
def test_a_chain_goes_through_the_newest_patch_of_the_minor_between(
    chained: LabSite, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """1.35.4 to 1.37.2: refused without `chain`, and with it one run, asked for once."""
    assert "--chain" in upgrade(chained)["next_step"]
    report = upgrade_by_one_word(
        chained, tmp_path_factory.mktemp("api"), QUICK | {"chain": True, "approve_chain_at_once": True}
    )
    assert report["outcome"] == "completed"
    assert_upgraded(chained)
    staged = [one["evidence"]["version"] for one in report["done"] if one["step"] == "stage upgrade"]
    assert staged == [BEFORE, TARGET]


@pytest.mark.full
def test_kubeadm_puts_the_old_control_plane_back_which_is_told_and_gone_on_with(upgradable_small: LabSite) -> None:
    """An API server that does not start with what kubeadm-config says: after five minutes it is the old one that runs."""
    site, lab = upgradable_small, upgradable_small.lab
    change_configuration(site, {"extraArgs": [{"name": "no-such-flag", "value": "x"}]})
    report = upgrade(site)
    assert report["outcome"] == "failed"
    assert "the static pods on cp1 are still the previous ones" in report["problem"]
    assert "cp1 stays cordoned" in report["next_step"]
    assert [key for key in site.keys(f"{site.name}/reports/rolling_upgrade/evidence/") if key.endswith("-cp1.txt")]
    [node] = [one for one in lab.get("nodes") if one["metadata"]["name"] == "cp1"]
    assert node["spec"]["unschedulable"]
    assert (
        "the static pods on cp1 are still the previous ones"
        in node["metadata"]["annotations"]["kube-runbooks.io/failed"]
    )
    assert f"kube-apiserver:v{BEFORE}" in lab["cp1"].read("/etc/kubernetes/manifests/kube-apiserver.yaml")
    assert not site.is_cordoned("w1")
    change_configuration(site, {})
    assert upgrade(site)["outcome"] == "completed"
    assert_upgraded(site)


@pytest.mark.full
def test_one_node_alone_and_what_stops_the_gates_of_the_others(upgradable_ha: LabSite) -> None:
    """An API server that is away, a cordon of somebody else: the gate waits, and refuses; the next run goes on."""
    site, lab = upgradable_ha, upgradable_ha.lab
    options: dict[str, Any] = {"etcd_image_tag": "default", "stable_for": "3s"}
    alone = upgrade(site, options=options | {"nodes": ["cp1"]}, limit=1500)
    assert alone["outcome"] == "completed"
    assert kubelets(site) == dict.fromkeys(("cp2", "cp3", "w1", "w2"), f"v{BEFORE}") | {"cp1": f"v{TARGET}"}
    assert f"kube-proxy:v{BEFORE}" in json.dumps(lab.get("daemonsets", "--namespace=kube-system"))
    manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    with meanwhile(
        lambda: site.wait(lambda: kubeadm_is_at_work(site, ("cp2", "cp3")), 600, "kubeadm is at work on another node"),
        lambda: lab["cp1"].run(f"mv {manifest} /root/"),
    ):
        away = upgrade(site, options=options, limit=1500)
    assert away["outcome"] == "refused"
    assert "not to be disturbed now" in away["problem"]
    assert "cp1" in away["problem"].partition("not to be disturbed now")[2]
    assert not any(site.is_cordoned(name) for name in ("cp1", "cp2", "cp3"))
    lab["cp1"].run(f"mv /root/kube-apiserver.yaml {manifest}")
    lab.wait_until_ready()
    lab.kubectl("cordon", "w1")
    lab.kubectl("cordon", "cp1")
    stopped = upgrade(site, options=options, limit=1500)
    assert stopped["outcome"] == "refused"
    assert "cp1 is cordoned or not Ready" in stopped["problem"]
    lab.kubectl("uncordon", "cp1")
    again = upgrade(site, options=options, limit=1500)
    assert again["outcome"] == "completed"
    assert site.is_cordoned("w1")
    lab.kubectl("uncordon", "w1")
    assert_upgraded(site)


def upgrade(
    site: LabSite, die: str = "", version: str = TARGET, limit: float = 900, **parameters: object
) -> dict[str, Any]:
    """A run that asks nobody."""
    given: dict[str, Any] = {"mode": "apply", "version": version, "options": QUICK} | parameters
    return site.run("rolling_upgrade", die=die, limit=limit, **given)


def kill_when(site: LabSite, question: Callable[[], object]) -> None:
    """A run that asks nobody, killed as soon as it is so."""
    site.kill_when(question, "rolling_upgrade", mode="apply", version=TARGET, options=QUICK)


def change_configuration(site: LabSite, api_server: dict[str, Any]) -> None:
    """What kubeadm is told of the API server."""
    found = json.loads(
        site.lab.kubectl("get", "configmap", "kubeadm-config", "--namespace=kube-system", "--output=json")
    )
    configuration = yaml.safe_load(found["data"]["ClusterConfiguration"]) | {"apiServer": api_server}
    found["data"]["ClusterConfiguration"] = yaml.safe_dump(configuration)
    site.lab.kubectl("replace", "--namespace=kube-system", "--filename=-", text=json.dumps(found))


ENCRYPTION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - aescbc: {keys: [{name: k, secret: c2l4dGVlbiBieXRlcyBvaw==}]}
      - identity: {}
"""


def encrypt(machine: Machine, flag: str) -> None:
    """By hand, in the manifest alone; below a folder that is mounted anyway."""
    manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    machine.write(flag.partition("=")[2], ENCRYPTION)
    machine.run(f"sed -i 's|    - --allow-privileged=true|&\\n    - {flag}|' {manifest}")


def encrypts(site: LabSite, flag: str) -> bool:
    """An API server that does so is Ready; there is none for a moment."""
    with suppress(LabError):
        pods = site.lab.get("pods", "--namespace=kube-system", "--selector=component=kube-apiserver")
        ready = [one["ready"] for pod in pods for one in pod["status"].get("containerStatuses", [])]
        return all(flag in pod["spec"]["containers"][0]["command"] for pod in pods) and ready == [True]
    return False


def install_kubelet(machine: Machine) -> None:
    """The target's package, as a person's apt does it; nobody restarts what runs."""
    machine.run(
        "sed -i s/v1.36/v1.37/ /etc/apt/sources.list.d/kubernetes.list; apt-get -qq update; "
        f"apt-get -qq -y --allow-change-held-packages install kubelet={TARGET}-1.1; sed -i s/v1.37/v1.36/ "
        "/etc/apt/sources.list.d/kubernetes.list; apt-mark hold kubelet > /dev/null"
    )
    assert machine.run("kubelet --version").strip() == f"Kubernetes v{TARGET}"


def kubelets(site: LabSite) -> dict[str, str]:
    """Node to its kubelet's version, by kubectl."""
    return {one["metadata"]["name"]: one["status"]["nodeInfo"]["kubeletVersion"] for one in site.lab.get("nodes")}


def kubeadm_is_at_work(site: LabSite, names: Iterable[str]) -> bool:
    """On one of them."""
    return any(site.lab[name].run("pgrep -xo kubeadm || true").strip() for name in names)


def upgrade_by_one_word(site: LabSite, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """By the deployment and Prefect's API, as incident tooling does it; the report."""
    with PrefectServer(folder / "prefect") as server:
        server.worker("runbooks", env=site.environment)
        server.cli("--no-prompt", "deploy", "--name", "rolling-upgrade")
        deployment = server.api("GET", f"/deployments/name/{UPGRADE}")["id"]
        parameters = {"cluster": site.name, "version": TARGET, "mode": "approve", "options": options}
        run = server.api("POST", f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})["id"]

        def state() -> str:
            return str(server.api("GET", f"/flow_runs/{run}")["state_name"])

        site.wait(lambda: state() == "Suspended", PATIENCE, "the run asks")
        answer = {"run_input": {"decision": "approve", "who": "Ada", "reason": "INC-4711"}}
        site.wait(
            lambda: server.api("POST", f"/flow_runs/{run}/resume", answer)["status"] == "ACCEPT",
            PATIENCE,
            "it is heard",
        )
        site.wait(lambda: state() in {"Completed", "Refused", "Failed", "Crashed"}, 1500, "the run ends")
    newest = max(key for key in site.keys(f"{site.name}/reports/rolling_upgrade/") if key.endswith(".json"))
    report: dict[str, Any] = json.loads(site.read(newest))
    return report


def upgrade_in_the_browser(site: LabSite, executable: str, screenshots: Path, folder: Path) -> None:
    """What is left, by the deployment's form: read, approved, watched, and its report read."""
    with (
        PrefectServer(folder / "prefect", ui=True) as server,
        chromium(executable, folder / "profile", PATIENCE) as page,
    ):
        server.worker("runbooks", env=site.environment)
        server.cli("--no-prompt", "deploy", "--name", "rolling-upgrade")
        operator = Operator(page, server, screenshots, PATIENCE)
        operator.start(UPGRADE, "by-hand", {"cluster": site.name, "version": TARGET}, mode="approve")
        run = operator.wait_for_question(f"upgrade-{site.name}-{TARGET}")
        form = operator.read_plan("w1")
        assert kubelets(site)["w1"] == f"v{BEFORE}"
        operator.approve(form, "Ada", "read in a browser")
        operator.watch(run, f"nodes at v{TARGET}")
        operator.read_report(run, f"{site.name}-rolling-upgrade-report", "was approved by Ada: read in a browser")


def assert_done_once(site: LabSite) -> None:
    """On each node kubeadm has run once, and its kubelet was installed once."""
    for machine in site.lab.nodes:
        jobs = machine.run("cd /var/lib/kube-runbooks/jobs; ls -d kubeadm-* install-kubelet-*").split()
        assert [job.split("-1-37")[0] for job in jobs] == ["install-kubelet", "kubeadm"], machine.name


def assert_upgraded(site: LabSite, version: str = TARGET, etcd: str = "3.7.0", *, is_locked: bool = False) -> None:
    """By kubectl's own word: versions, nothing cordoned, no annotation of ours, the lock free; holds as they were."""
    lab = site.lab
    for node in lab.get("nodes"):
        assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{version}"
        assert not node["spec"].get("unschedulable")
        assert not [name for name in node["metadata"]["annotations"] if name.startswith("kube-runbooks.io/")]
    for pod in lab.get("pods", "--namespace=kube-system", "--selector=tier=control-plane"):
        image = pod["spec"]["containers"][0]["image"]
        assert image.endswith((f":v{version}", f"etcd:{etcd}-0")), image
    assert bool(site.lock_holder) is is_locked
    for machine in lab.nodes:
        assert machine.run("apt-mark showhold").split() == ["kubeadm", "kubectl", "kubelet"]
        assert f"/v{version.rpartition('.')[0]}/" in machine.read("/etc/apt/sources.list.d/kubernetes.list")


def assert_nobody_was_hurt(seen: Seen) -> None:
    """By independent observers."""
    assert seen.service.total > 100
    assert seen.service.lost == []
    assert seen.reads.lost == seen.writes.lost == []
    assert seen.fewest_members >= 2, "\n".join(seen.ailing)
    assert seen.violations == []


def state(site: LabSite) -> dict[str, str]:
    """Of each machine: its packages, its manifests, the processes of its control plane and whether it is cordoned."""
    told = "dpkg-query -W 'kube*'; cat /etc/apt/sources.list.d/*; sha256sum /etc/kubernetes/manifests/* || true; pgrep -x 'kubelet|etcd'"
    cordoned = {name: str(site.is_cordoned(name)) for name in ("cp1", "w1")}
    return cordoned | {f"{machine.name} machine": machine.run(told) for machine in site.lab.nodes}


def start_blocked(site: LabSite) -> None:
    """Three pods, each on a node of its own, and there are two: the budget of two lets none go now, and may later."""
    site.lab.kubectl("apply", "-f", "-", text=BLOCKED.replace("IMAGE", WORKLOAD))
    site.wait(lambda: _healthy(site) == "2", 90, "two of the pods run")


def _healthy(site: LabSite) -> str:
    return site.lab.kubectl("get", "pdb", "blocked", "--output=jsonpath={.status.currentHealthy}")


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
