"""`etcd_restore_from_s3` on a real cluster: whatever was destroyed and wherever it was killed, the backup's state is back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import Labs
from tests.e2e.site import LabSite
from tests.lab.images import WORKLOAD as WORKLOAD_IMAGE
from tests.lab.kubeadm import IGNORED
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.shape import BUCKET
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(1200)

STEPS = (
    "prepare data",
    "stop control plane",
    "swap data",
    "start etcd",
    "start api servers",
    "start controllers",
    "restart kubelets",
    "prove recovery",
    "end restore",
)

IN_CI = ("after prepare data", "before swap data", "after start etcd")
"""Of the boundaries, one in each part: nothing is stopped, nothing runs, everything is on its way back."""

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: kept}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: IMAGE, command: [/bin/busybox, sleep, "100000"]}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: namesakes, namespace: kept}
spec:
  selector: {matchLabels: {app: namesakes}}
  template:
    metadata: {labels: {app: namesakes}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers:
        - {name: etcd, image: IMAGE, command: [/bin/busybox, sh, -c, "SCRIPT > /etcd; chmod +x /etcd; exec /etcd"]}
        - {name: calico, image: IMAGE, command: [/bin/busybox, sh, -c, "SCRIPT > /kube-controllers; chmod +x /kube-controllers; exec /kube-controllers"]}
""".replace("SCRIPT", r"printf '#!/bin/busybox sh\nwhile :; do sleep 9; done\n'")
"""On every node also processes that are called as etcd and (in 15 letters) as the controller manager: nobody may stop for them."""

KILL_ETCD = "pkill -9 -f '^etcd --'"
"""The control plane's own: the workload's of that name has no flags."""


@pytest.fixture
def backed_up(fresh_ha: LabSite) -> LabSite:
    """A fresh cluster with a workload and a backup of it; afterwards things were written that it does not have."""
    fill_and_back_up(fresh_ha)
    return fresh_ha


@pytest.fixture
def backed_up_again(used_ha: LabSite) -> LabSite:
    """The same on one that a test before may have brought back, which its tests are to do, too."""
    for name in ("kept", "later"):
        used_ha.lab.kubectl("delete", "namespace", name, "--ignore-not-found", limit=120)
    fill_and_back_up(used_ha)
    return used_ha


def test_deleted_namespaces_and_three_broken_databases_are_back_with_one_run(
    backed_up_again: LabSite, labs: Labs
) -> None:
    """With the API down. What was written after the backup is gone; old watches are told that their revision is."""
    lab = backed_up_again.lab
    lab.kubectl("delete", "namespace", "kept", "--wait=false")
    for machine in lab.control_planes:
        machine.run("rm -rf /var/lib/etcd/before-*")  # of a restore that a test before has made
        break_etcd(machine)
    report = restore(backed_up_again)
    assert report["outcome"] == "completed"
    assert_state_of_backup(backed_up_again)
    for machine in lab.control_planes:
        kept = machine.run("ls -d /var/lib/etcd/before-*/member").split()
        assert len(kept) == 1
        assert any(kept[0].removesuffix("/member") in line for line in report["summary"])
    proof = evidence(report, "prove recovery")
    assert set(proof["nodes_ready"]) == {node.name for node in lab.nodes}
    assert proof["old_watch"].startswith("410 ")
    labs.brought_back()


@pytest.mark.full
def test_two_lost_control_planes_are_left_out_and_the_report_says_how_to_join_new_ones(backed_up: LabSite) -> None:
    """The one that is left becomes a cluster of one member; nothing is done before they are named as lost."""
    lab = backed_up.lab
    for name in ("cp2", "cp3"):
        lab[name].power_cut()
    refused = restore(backed_up)
    assert refused["outcome"] == "refused"
    assert "cp2: not reached" in refused["problem"]
    assert "--lost=cp2" in refused["next_step"]
    report = restore(backed_up, lost=["cp2", "cp3"])
    assert report["outcome"] == "completed"
    assert evidence(report, "start etcd")["members"] == ["cp1"]
    assert evidence(report, "prove recovery")["nodes_ready"] == ["cp1", "w1", "w2"]
    assert any("kubeadm" in line and "cp3" in line for line in report["summary"])
    assert_state_of_backup(backed_up)


@pytest.mark.full
def test_the_only_one_left_is_restored_also_after_a_power_cut_of_all(backed_up: LabSite) -> None:
    """Its kubelet has reached no API server since, and so ends no pod: etcd, which waits for the others, is told to end."""
    lab = backed_up.lab
    for machine in lab.control_planes:
        machine.power_cut()
    lab["cp1"].restart()
    wait_until(lambda: lab["cp1"].run("pgrep -f '^etcd --' || true"), 180, "etcd runs on cp1")
    report = restore(backed_up, lost=["cp2", "cp3"])
    assert report["outcome"] == "completed"
    assert evidence(report, "start etcd")["members"] == ["cp1"]
    assert_state_of_backup(backed_up)


@pytest.mark.full
def test_one_lost_control_plane_joins_again_as_the_report_says(backed_up: LabSite) -> None:
    """Its machine comes back as it was, a member of an etcd that is no more; the report's commands are typed as they stand."""
    lab = backed_up.lab
    lab["cp3"].power_cut()
    report = restore(backed_up, lost=["cp3"])
    assert report["outcome"] == "completed"
    assert evidence(report, "start etcd")["members"] == ["cp1", "cp2"]
    assert_state_of_backup(backed_up)
    told = next(line for line in report["summary"] if line.startswith("cp3 was left out: "))
    upload, create = "kubeadm init phase upload-certs --upload-certs", "kubeadm token create --print-join-command"
    assert all(command in told for command in ("kubectl delete node cp3", upload, create, "kubeadm reset"))
    lab["cp3"].restart()
    lab.kubectl("delete", "node", "cp3")
    key = lab["cp1"].run(upload).split()[-1]
    join = lab["cp1"].run(f"{create} --certificate-key {key}").strip()
    lab["cp3"].run("kubeadm reset --force")
    lab["cp3"].run(f"{join} --control-plane --ignore-preflight-errors={IGNORED}", limit=300)
    lab.wait_until_ready()
    health = backed_up.run("etcd_health")
    assert health["outcome"] == "completed"
    healthy = health["summary"][0].partition("; ")[0].removeprefix("healthy: ")
    assert set(healthy.split(", ")) == {"cp1", "cp2", "cp3"}


@pytest.mark.full
def test_a_snapshot_that_changed_in_the_store_stops_nothing(fresh_small: LabSite) -> None:
    """Each node checks it. When it is whole again the same restore goes on, and what an attempt has left is in nobody's way."""
    fill_and_back_up(fresh_small)
    machine = fresh_small.lab["cp1"]
    before = processes(fresh_small.lab)
    [key] = [key for key in fresh_small.keys(f"{fresh_small.name}/etcd/") if key.endswith("/snapshot.db.zst")]
    whole = fresh_small.read(key)
    fresh_small.s3.put_object(Bucket=BUCKET, Key=key, Body=whole[:-1] + bytes([whole[-1] ^ 1]))
    failed = restore(fresh_small)
    assert failed["outcome"] == "failed"
    assert "the stored object has sha256" in failed["problem"]
    assert processes(fresh_small.lab) == before
    fresh_small.s3.put_object(Bucket=BUCKET, Key=key, Body=whole)
    begun = json.loads(machine.read("/var/lib/kube-runbooks/restore/record.json"))["id"]
    machine.run(
        f"mkdir -p /var/lib/etcd/restore-{begun}/member/snap; touch /var/lib/etcd/restore-{begun}/member/snap/db"
    )
    assert restore(fresh_small)["outcome"] == "completed"
    assert_state_of_backup(fresh_small)
    assert_nothing_under_way(fresh_small)


def test_from_the_bucket_alone_onto_empty_data_directories_killed_three_times(
    backed_up_again: LabSite, labs: Labs
) -> None:
    """As when all three disks are new. Each run goes on from what the one before has left; all boundaries are in e2e-full."""
    for machine in backed_up_again.lab.control_planes:
        machine.run(f"{KILL_ETCD}; rm -rf /var/lib/etcd/member")
    for die in IN_CI:
        assert restore(backed_up_again, die=die)["outcome"] == "running"
    assert restore(backed_up_again)["outcome"] == "completed"
    assert_state_of_backup(backed_up_again)
    assert_nothing_under_way(backed_up_again)
    labs.brought_back()


@pytest.mark.full
@pytest.mark.parametrize("die", [f"{when} {step}" for step in STEPS for when in ("before", "after")])
def test_killed_at_a_boundary_and_run_again(backed_up_again: LabSite, labs: Labs, die: str) -> None:
    """Every boundary of a step: a cluster with two of three databases destroyed, restored again and again."""
    for machine in backed_up_again.lab.control_planes[1:]:
        break_etcd(machine)
    assert restore(backed_up_again, die=die)["outcome"] == "running"
    assert restore(backed_up_again)["outcome"] == "completed"
    assert_state_of_backup(backed_up_again)
    assert_nothing_under_way(backed_up_again)
    labs.brought_back()


def test_a_restore_that_was_cut_off_is_rolled_back(backed_up_again: LabSite, labs: Labs) -> None:
    """As long as no API server has run on the restored data, all of the original state is there again, also after two attempts."""
    died = restore(backed_up_again, die="after swap data")
    assert "--rollback" in died["way_back"]
    again = restore(backed_up_again, die="after swap data", lost=["cp3"])
    assert again["outcome"] == "running"
    refused = restore(backed_up_again, rollback=True, confirm="another")
    assert refused["outcome"] == "refused"
    report = restore(backed_up_again, rollback=True)
    assert report["outcome"] == "completed"
    backed_up_again.lab.wait_until_ready()
    assert backed_up_again.exists("configmap", "-n", "later", "told")
    assert backed_up_again.exists("deployment", "-n", "kept", "web")
    assert_nothing_under_way(backed_up_again)
    assert [line for line in report["summary"] if line.startswith("cp1: what earlier attempts")]
    for machine in backed_up_again.lab.control_planes:
        machine.run("rm -rf /var/lib/etcd/attempt-*")
    again = restore(backed_up_again, rollback=True)
    assert "no restore is under way" in again["problem"]
    labs.brought_back()


@pytest.mark.full
def test_what_is_wrong_is_refused_before_anything_is_touched(backed_up_again: LabSite, labs: Labs) -> None:
    """An odd manifest, no confirmation, unknown and unverified backups, others' backups, a full disk; a plan changes nothing."""
    lab, name = backed_up_again.lab, backed_up_again.name
    with another_manifest(lab["cp3"]):
        odd = restore(backed_up_again)
    assert "cp3: its etcd manifest has its log outside of its data directory" in odd["problem"]
    before = processes(lab)
    works = restore(backed_up_again, replace_healthy=False)
    assert works["outcome"] == "refused"
    assert "it works: etcd has quorum on cp1, cp2, cp3" in works["problem"]
    assert "--replace-healthy" in works["next_step"]
    plan = backed_up_again.run("etcd_restore_from_s3", replace_healthy=True)
    assert plan["outcome"] == "completed"
    assert "not compared" not in str(plan["plan"]["cautions"])
    acts = " ".join(step["act"] for step in plan["plan"]["steps"])
    assert all(f"--name {machine.name} " in acts for machine in lab.control_planes)
    assert "revisions will be lost" in str(plan["plan"]["cautions"])
    assert "'' does not repeat" in restore(backed_up_again, confirm="")["problem"]
    assert "does not exist" in restore(backed_up_again, backup="20200101T000000Z-1-00000000")["problem"]
    manifest = next(key for key in backed_up_again.keys(f"{name}/etcd/") if key.endswith("manifest.json"))
    other = manifest.replace(f"{name}/", "other/", 1)
    backed_up_again.s3.put_object(Bucket=BUCKET, Key=other, Body=backed_up_again.read(manifest))
    assert "is the manifest of" in restore(backed_up_again, from_cluster="other")["problem"]
    with another_origin(backed_up_again, manifest, "authorities", "00" * 32):
        assert "it is the backup of another cluster" in restore(backed_up_again)["problem"]
    with another_origin(backed_up_again, manifest, "nodes", "prod1"):
        assert "none of its nodes (prod1) is a node of the profile" in restore(backed_up_again)["problem"]
    with lab["cp2"].full_disk("/var/lib/etcd"):
        full = restore(backed_up_again)["problem"]
    assert "cp2: /var/lib/etcd has" in full
    assert "a second data directory needs" in full
    backed_up_again.s3.delete_object(Bucket=BUCKET, Key=manifest)
    assert "no backup of this cluster" in restore(backed_up_again)["problem"]
    assert processes(lab) == before
    labs.brought_back()


@contextmanager
def another_origin(site: LabSite, manifest: str, part: str, value: str) -> Iterator[None]:
    """The newest backup is another cluster's, as it would be under a profile of the same name."""
    before = site.read(manifest)
    changed = json.loads(before)
    changed["snapshot"]["origin"][part] = [value]
    site.s3.put_object(Bucket=BUCKET, Key=manifest, Body=json.dumps(changed).encode())
    yield
    site.s3.put_object(Bucket=BUCKET, Key=manifest, Body=before)


def fill_and_back_up(site: LabSite, route: str = "tunnel") -> None:
    """A workload that is in the backup, and objects that are not."""
    kubectl = site.lab.kubectl
    kubectl("create", "namespace", "kept")
    kubectl("apply", "-f", "-", text=WORKLOAD.replace("IMAGE", WORKLOAD_IMAGE))
    kubectl("create", "configmap", "-n", "kept", "told", "--from-literal=value=before")
    kubectl("rollout", "status", "-n", "kept", "deployment/web", "--timeout=60s")
    kubectl("rollout", "status", "-n", "kept", "daemonset/namesakes", "--timeout=60s")
    assert site.run("etcd_backup_to_s3", route=route)["outcome"] == "completed"
    kubectl("create", "namespace", "later")
    kubectl("create", "configmap", "-n", "later", "told", "--from-literal=value=later")


@pytest.mark.full
def test_an_external_etcd_behind_a_bastion_is_restored(fresh_external: LabSite) -> None:
    """A systemd unit on a machine without a kubelet, which sends its own backup; its data directory is destroyed."""
    fresh_external.write_profile(etcd=None)
    fill_and_back_up(fresh_external, route="node")
    etcd = fresh_external.lab["etcd1"]
    etcd.run("systemctl kill --signal=KILL etcd; rm -rf /var/lib/etcd/member")
    report = restore(fresh_external)
    assert report["outcome"] == "completed"
    assert evidence(report, "start etcd")["members"] == ["etcd1"]
    assert_state_of_backup(fresh_external)
    assert etcd.run("systemctl is-active etcd; ls /etc/systemd/system/etcd.service.d; true").split() == ["active"]


def restore(site: LabSite, die: str = "", **parameters: object) -> dict[str, Any]:
    """A run that is confirmed, also over a cluster that works."""
    confirmed: dict[str, Any] = {"mode": "apply", "confirm": site.name, "replace_healthy": True} | parameters
    return site.run("etcd_restore_from_s3", die=die, **confirmed)


@contextmanager
def another_manifest(machine: Machine) -> Iterator[None]:
    """Its etcd has a flag that kubeadm does not give; nothing restarts by that, for its kubelet does not look."""
    manifest = "/etc/kubernetes/manifests/etcd.yaml"
    machine.run(
        f"systemctl stop kubelet; cp -p {manifest} /root/; sed -i 's#- --name=.*#&\\n    - --wal-dir=/wal#' {manifest}"
    )
    yield
    machine.run(f"mv /root/etcd.yaml {manifest}; systemctl start kubelet")


def break_etcd(machine: Machine) -> None:
    """Its database is overwritten, and it dies, if it runs just now."""
    machine.run(
        "dd if=/dev/urandom of=/var/lib/etcd/member/snap/db bs=1M count=2 conv=notrunc status=none; "
        f"{KILL_ETCD} || true"
    )


def evidence(report: dict[str, Any], step: str) -> dict[str, Any]:
    """What a step proved."""
    found: dict[str, Any] = next(one["evidence"] for one in report["done"] if one["step"] == step)
    return found


def assert_state_of_backup(site: LabSite) -> None:
    """As it was then, and it works: a new pod is scheduled and runs."""
    lab = site.lab
    assert site.exists("deployment", "-n", "kept", "web")
    assert not site.exists("namespace", "later")
    lab.kubectl("scale", "-n", "kept", "deployment/web", "--replicas=3")
    lab.kubectl("rollout", "status", "-n", "kept", "deployment/web", "--timeout=120s", limit=130)


def assert_nothing_under_way(site: LabSite) -> None:
    """No traces that a later run would go on from, no parked manifest, no restored data that waits."""
    for machine in site.lab.control_planes:
        left = machine.run(
            "set +e; (ls /etc/kubernetes/kube-runbooks-parked; ls /var/lib/kube-runbooks/restore | grep -Ev 'ended|over'; "
            "ls -d /var/lib/etcd/restore-* /var/lib/kube-runbooks/lock; true) 2> /dev/null"
        )
        assert left.split() == []


def processes(lab: Lab) -> dict[str, str]:
    """Process ids of the control plane: what was restarted has others."""
    return {
        machine.name: machine.run("pgrep -f '^(etcd|kube-apiserver) --'; pgrep -x kubelet")
        for machine in lab.control_planes
    }
