"""`volumes_restore` on a real API server with the real snapshot-controller, csi-snapshotter, csi-provisioner and csi-attacher, and a driver of our own."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.volumes_backup import volumes_backup
from flows.volumes_restore import volumes_restore
from tasks.cluster import Cluster, close_clusters, open_cluster
from tasks.core.errors import Refused, TimedOut
from tasks.core.models.plan import Mode
from tasks.core.models.profile import VolumeCheck
from tasks.core.models.report import Report
from tasks.volumes.models.freezes import HookPod
from tasks.volumes.models.selection import Selection
from tasks.volumes_restore import steps, trials
from tasks.volumes_restore.attached import left_attached
from tasks.volumes_restore.checks import run_check
from tasks.volumes_restore.job import Job
from tasks.volumes_restore.models.checks import TRIAL, Checked, CheckRun
from tasks.volumes_restore.models.facts import RECLAIM, REPLACED, REPLICAS, RESTORE, VolumeRestorePlan
from tasks.volumes_restore.models.options import ClaimsToRestore, VolumeRestoreOptions
from tasks.volumes_restore.stop import stop, wait_ready
from tasks.volumes_restore.trials import run_trials
from tests.servers.binaries import is_here
from tests.servers.csi.storage import (
    ATTACHER_VERSION,
    CLASS,
    LIMIT,
    NAMESPACE,
    PROVISIONER_VERSION,
    SNAPSHOTS,
    SNAPSHOTTER_VERSION,
    STORAGE,
    VOLUMES,
    Storage,
)
from tests.servers.dying import die_after_each_write
from tests.servers.job_node import JobNode, may_be_full
from tests.servers.kubernetes import ControlPlane, Resource
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.restricted import kubeconfig_for
from tests.servers.runtime import give_runtime
from tests.servers.shop import Shop
from tests.servers.site import Site
from tests.servers.sshd import Sshd
from tests.servers.way_back import take_back

BUILD = "it is built from the Go module proxy, which takes up to 20 minutes: `make binaries ARGS="
pytestmark = [
    pytest.mark.full,
    pytest.mark.usefixtures("prefect"),
    pytest.mark.skipif(
        not is_here("csi-snapshotter", SNAPSHOTTER_VERSION), reason=f"{BUILD}csi-snapshotter={SNAPSHOTTER_VERSION}`"
    ),
    pytest.mark.skipif(
        not is_here("csi-provisioner", PROVISIONER_VERSION), reason=f"{BUILD}csi-provisioner={PROVISIONER_VERSION}`"
    ),
]

ROOT = Path(__file__).parents[2]
WRITES = 12
"""An import, a claim, a workload stopped, two volumes kept, two claims deleted, one bound, the workload started, and the journal closed."""

ATTACHES = is_here("csi-attacher", ATTACHER_VERSION)
"""Where it is not built, volumes are not attached to nodes."""
needs_attacher = pytest.mark.skipif(not ATTACHES, reason=f"{BUILD}csi-attacher={ATTACHER_VERSION}`")

WAITING = "waiting"
"""The StorageClass whose volumes wait for a pod."""


@pytest.fixture(scope="module")
def storage(two_workers: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """Of the cluster of this file, which makes volumes for new claims."""
    folder = tmp_path_factory.mktemp("storage")
    with Storage(two_workers, folder, attaches=ATTACHES) as made, made.provisioning():
        for node in ("w1", "w2") if ATTACHES else ():
            made.attach_to(node)
        waits = {"metadata": {"name": WAITING}, "provisioner": made.driver.name}
        made.api.create(f"{STORAGE}/storageclasses", waits | {"volumeBindingMode": "WaitForFirstConsumer"})
        other = {"metadata": {"name": "other"}, "provisioner": "other.example"}
        made.api.create(f"{STORAGE}/storageclasses", other)
        yield made


@pytest.fixture(scope="module")
def user(storage: Storage) -> str:
    """A kubeconfig with the rights that `kube-runbooks check` asks for the restore, and no others."""
    return kubeconfig_for(storage.cluster, "volumes_restore")


@pytest.fixture(scope="module")
def checker(storage: Storage) -> str:
    """The same, with the rights that it asks for checks beside the old claims."""
    return kubeconfig_for(storage.cluster, "volumes_restore", "volumes_restore with volumes.checks")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Of both workers."""
    with Sshd(tmp_path_factory.mktemp("sshd")) as made:
        yield made


class Volumes:
    """The runbook, and the namespace in which a test looks."""

    def __init__(self, site: Site, shop: Shop, storage: Storage, user: str) -> None:
        self.site, self.shop, self.storage, self.api, self.user = site, shop, storage, shop.api, user

    @property
    def claims(self) -> str:
        """The path of the claims of the namespace."""
        return f"/api/v1/namespaces/{self.shop.name}/persistentvolumeclaims"

    def back_up(self, *names: str) -> str:
        """A backup of the claims, whose files then change; returns its id."""
        self.site.use_api(self.storage.cluster.kubeconfig())
        select = Selection(claims=tuple(f"{self.shop.name}/{name}" for name in names))
        volumes_backup(self.site.name, select, Mode.APPLY)
        for name in names:
            if "csi" in self.volume(self.get(name)["spec"]["volumeName"])["spec"]:
                self.file(name).write_text("later")
        self.site.use_api(self.user)
        key = max(one for one in self.site.keys(f"{self.site.name}/volumes/") if one.endswith("/manifest.json"))
        return key.split("/")[-2]

    def record(self, backup: str) -> dict[str, Any]:
        """The only one of a backup."""
        keys = [one for one in self.site.keys(f"{self.site.name}/volumes/") if backup in one]
        (found,) = json.loads(self.site.read(keys[0]))["records"]
        return dict(found)

    def run(self, *names: str, mode: Mode = Mode.APPLY, backup: str = "latest", **options: object) -> Report:
        """The runbook."""
        select = ClaimsToRestore(claims=tuple(f"{self.shop.name}/{name}" for name in names))
        return volumes_restore(self.site.name, backup, select, mode, VolumeRestoreOptions.model_validate(options))

    def get(self, name: str) -> Resource:
        """A claim."""
        return self.api.get(f"{self.claims}/{name}")

    def names(self) -> list[str]:
        """Of all claims."""
        return sorted(one["metadata"]["name"] for one in self.api.get(self.claims)["items"])

    def volume(self, name: str) -> Resource:
        """A volume."""
        return self.api.get(f"{VOLUMES}/{name}")

    def file(self, name: str) -> Path:
        """Of a bound claim, where the storage has it."""
        return self.storage.data(self.get(name)) / "file"

    def forget_snapshot(self, record: dict[str, Any]) -> None:
        """Both objects are deleted; the storage keeps the snapshot."""
        here = f"{SNAPSHOTS}/namespaces/{self.shop.name}/volumesnapshots/{record['snapshot']}"
        for path in (here, f"{SNAPSHOTS}/volumesnapshotcontents/{record['content']}"):
            self.api.delete(path)
            wait_until(lambda path=path: not self.api.is_fine(path), LIMIT, f"{path} is gone")  # type: ignore[misc]


@pytest.fixture
def volumes(site: Site, shop: Shop, storage: Storage, user: str) -> Iterator[Volumes]:
    """Whatever a test leaves in its namespace goes with it, also what has Retain."""
    site.use_api(user)
    made = Volumes(site, shop, storage, user)
    yield made
    storage.driver.is_ready = True
    storage.driver.why_not_attach = storage.driver.why_not_detach = ""
    for kind in ("deployments", "statefulsets"):
        path = f"/apis/apps/v1/namespaces/{shop.name}/{kind}"
        storage.api.delete(path, {"propagationPolicy": "Foreground"})
    storage.api.delete(shop.pods_path, {"gracePeriodSeconds": 0})
    storage.forget(shop.name)
    for volume in storage.api.get(VOLUMES)[
        "items"
    ]:  # those with Delete go by themselves, those with a label went above
        is_kept = volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        is_here = volume["spec"].get("claimRef", {}).get("namespace") == shop.name
        if is_kept and is_here and NAMESPACE not in volume["metadata"].get("labels", {}):
            storage.api.delete(f"{VOLUMES}/{volume['metadata']['name']}")


def test_a_claim_is_restored_beside_the_old_one(volumes: Volumes) -> None:
    """The old one keeps its later data. The plan changes nothing, and a second run has nothing to do."""
    volumes.storage.claim(volumes.shop.name, "data", text="before", labels={"app.kubernetes.io/instance": "shop"})
    backup = volumes.back_up("data")
    plan = volumes.run(mode=Mode.PLAN)
    assert plan.summary[0].startswith("nothing was done: the plan has 1 step")
    assert plan.plan is not None
    assert "its VolumeSnapshot is here, and agrees with the manifest" in plan.plan.steps[0].reason
    assert volumes.names() == ["data"]

    report = volumes.run()
    (name,) = set(volumes.names()) - {"data"}
    assert name.startswith("data-restored-")
    assert (volumes.file(name).read_text(), volumes.file("data").read_text()) == ("before", "later")
    restored = volumes.get(name)
    assert restored["metadata"]["labels"].keys() == {RESTORE}
    assert restored["metadata"]["annotations"][RESTORE] == backup
    assert report.summary[0] == f"1 claim restored from backup {backup}"
    assert any(one.startswith(f"bound: {volumes.shop.name}/{name}: ") for one in report.summary)

    again = volumes.run()
    assert again.summary[0].startswith("nothing was done: ")
    assert "has its data from backup" in again.summary[1]
    volumes.run(suffix="second")
    assert volumes.file("data-second").read_text() == "before"


def test_a_snapshot_whose_objects_are_gone_is_imported_by_its_handle(volumes: Volumes) -> None:
    """The import keeps the snapshot at the storage. Another snapshot of the same name is not taken for it."""
    volumes.storage.claim(volumes.shop.name, "data", text="before")
    backup = volumes.back_up("data")
    record = volumes.record(backup)
    volumes.forget_snapshot(record)
    here = f"{SNAPSHOTS}/namespaces/{volumes.shop.name}/volumesnapshots"
    about = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}
    other = {"metadata": {"name": record["snapshot"]}, "spec": {"source": {"persistentVolumeClaimName": "data"}}}
    volumes.api.create(here, about | other)

    report = volumes.run()
    assert report.plan is not None
    assert "its handle is imported" in report.plan.steps[0].reason
    (name,) = set(volumes.names()) - {"data"}
    assert (volumes.file(name).read_text(), volumes.file("data").read_text()) == ("before", "later")
    (content,) = [one for one in volumes.storage.contents(volumes.shop.name) if RESTORE in one["metadata"]["labels"]]
    assert content["spec"]["deletionPolicy"] == "Retain"
    assert content["spec"]["source"] == {"snapshotHandle": record["handle"]}
    assert content["spec"]["sourceVolumeMode"] == "Filesystem"
    assert content["spec"]["volumeSnapshotClassName"] == CLASS
    assert volumes.run().summary[0].startswith("nothing was done: ")


def test_a_backup_of_another_cluster_is_imported_into_this_one(volumes: Volumes) -> None:
    """From its manifest in the same bucket. Of its own backups this cluster has none."""
    volumes.storage.claim(volumes.shop.name, "data", text="before")
    backup = volumes.back_up("data")
    record = volumes.record(backup)
    (key,) = [one for one in volumes.site.keys(f"{volumes.site.name}/volumes/") if backup in one]
    manifest = json.loads(volumes.site.read(key)) | {"cluster": "elsewhere"}
    client = volumes.site.s3.client()
    moved = key.replace(f"{volumes.site.name}/", "elsewhere/", 1)
    client.put_object(Bucket=volumes.site.bucket, Key=moved, Body=json.dumps(manifest).encode())
    client.delete_object(Bucket=volumes.site.bucket, Key=key)
    volumes.forget_snapshot(record)
    with pytest.raises(Refused, match="there is no backup of volumes in "):
        volumes.run()

    report = volumes.run(from_cluster="elsewhere")
    assert report.summary[0] == f"1 claim restored from backup {backup}"
    (name,) = set(volumes.names()) - {"data"}
    assert (volumes.file(name).read_text(), volumes.file("data").read_text()) == ("before", "later")


def claim_volume(name: str) -> dict[str, Any]:
    """A pod with a claim, on the one node to which its volume can be attached."""
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    return {"volumes": volumes, "nodeSelector": {"kubernetes.io/hostname": "w1"}}


def test_a_deployment_gets_the_volume_in_place_and_the_old_one_can_be_taken_back(volumes: Volumes) -> None:
    """It is stopped and started again with the replicas that it had. The command of the report brings the old data back."""
    made = volumes.storage.claim(volumes.shop.name, "data", text="before", labels={"app": "web"})
    old = made["spec"]["volumeName"]
    volumes.shop.run("deployment/web", 2, pod=claim_volume("data"))
    before = {pod["metadata"]["uid"] for pod in volumes.shop.pods("deployment/web")}
    volumes.back_up("data")

    report = volumes.run(switch=True)
    assert volumes.names() == ["data"]
    claim = volumes.get("data")
    assert claim["metadata"]["labels"] == {"app": "web"}
    assert claim["spec"]["volumeName"] != old
    assert volumes.file("data").read_text() == "before"
    volumes.shop.wait_available("deployment/web", 2)
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in volumes.shop.pods("deployment/web"))
    assert REPLICAS not in volumes.shop.get("deployment/web")["metadata"].get("annotations", {})
    new, kept = volumes.volume(claim["spec"]["volumeName"]), volumes.volume(old)
    assert new["spec"]["persistentVolumeReclaimPolicy"] == "Delete"  # of its class, given back
    assert kept["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert kept["metadata"]["annotations"][RECLAIM] == "Retain"
    assert kept["metadata"]["labels"].keys() >= {REPLACED}
    assert (
        volumes.storage.driver.volumes / kept["spec"]["csi"]["volumeHandle"] / "data" / "file"
    ).read_text() == "later"
    told = "\n".join(report.summary)
    assert f"kept: {volumes.shop.name}/data: the old volume {old} is there, with Retain" in told

    volumes.shop.change("deployment/web", replicas=0)
    wait_until(lambda: not volumes.api.get(volumes.shop.pods_path)["items"], LIMIT, "its pods are gone")
    take_back(report, volumes.storage.cluster, volumes.storage.folder / "admin.conf")
    assert volumes.storage.bound(volumes.shop.name, "data")["spec"]["volumeName"] == old
    assert volumes.file("data").read_text() == "later"


def test_a_statefulset_gets_its_volumes_in_place_also_with_a_class_that_waits_for_pods(volumes: Volumes) -> None:
    """Its claims keep their names, so that its pods find them. The claim of a class that waits is made for the node of the pod."""
    template = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": WAITING,
        },
    }
    volumes.shop.run("statefulset/db", 2, volumeClaimTemplates=[template])
    names = ("data-db-0", "data-db-1")
    for name in names:
        volumes.file(name).write_text(f"text of {name}")
    old = {name: volumes.get(name)["spec"]["volumeName"] for name in names}
    volumes.back_up(*names)

    report = volumes.run(*names, switch=True)
    assert report.plan is not None
    assert any("wait for a pod" in one.problem for one in report.plan.cautions)
    assert volumes.names() == list(names)
    for name in names:
        assert volumes.file(name).read_text() == f"text of {name}"
        assert volumes.get(name)["spec"]["volumeName"] != old[name]
        kept = volumes.volume(old[name])
        assert (kept["spec"]["persistentVolumeReclaimPolicy"], kept["status"]["phase"]) == ("Retain", "Released")
        assert kept["metadata"]["annotations"][RECLAIM] == "Delete"
    volumes.shop.wait_available("statefulset/db", 2)
    assert volumes.shop.get("statefulset/db")["spec"]["replicas"] == 2


def test_the_data_is_proven_by_a_check_in_the_container(
    volumes: Volumes, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails before the restore, which the plan says, and after it, which ends the run. The next run checks again."""
    made = volumes.storage.claim(volumes.shop.name, "data", text="before")
    old, whole = made["spec"]["volumeName"], tmp_path / "whole"
    volumes.shop.run("deployment/web", 1, pod=claim_volume("data"))
    volumes.back_up("data")
    give_runtime(volumes.site, sshd, tmp_path, monkeypatch)
    check = {
        "name": "whole",
        "namespace": volumes.shop.name,
        "labels": "app=web",
        "container": "main",
        "command": ["test", "-e", str(whole)],
    }
    volumes.site.write(volumes={"checks": [check]})
    volumes.site.use_api(volumes.user)
    plan = volumes.run(mode=Mode.PLAN, switch=True).plan
    assert plan is not None
    assert any("fails before the restore too: it ended with status 1" in one.problem for one in plan.cautions)
    with pytest.raises(Refused, match=r"is NOT proven: the check whole in \S+ main: it ended with status 1"):
        volumes.run(switch=True)
    assert (volumes.file("data").read_text(), volumes.volume(old)["status"]["phase"]) == ("before", "Released")
    volumes.shop.wait_available("deployment/web", 1)

    whole.touch()
    report = volumes.run(switch=True)
    assert any(one.startswith("data proven: the check whole in ") for one in report.summary)
    assert f"kept: {volumes.shop.name}/data: the old volume {old} is there, with Retain" in report.summary
    assert volumes.names() == ["data"]
    volumes.site.write(volumes={"checks": [check | {"labels": "app=other"}]})
    with pytest.raises(Refused, match="the check whole fits no pod that uses a restored claim"):
        volumes.run(switch=True)


def test_a_snapshot_and_an_archive_of_one_workload_are_switched_together(
    volumes: Volumes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped once. A check reads both files in the end."""
    disk, new = tmp_path / "disk", tmp_path / "found"
    with both_kinds(volumes, disk, monkeypatch) as backup:
        made = volumes.get("data")
        both = {"volumes": [*claim_volume("data")["volumes"], {**claim_volume("logs")["volumes"][0], "name": "logs"}]}
        volumes.shop.run("deployment/web", 1, pod=both)
        generation = volumes.shop.get("deployment/web")["metadata"]["generation"]
        command = ["sh", "-c", f"grep -rlx 'before on the node' {tmp_path}/disk-* > {new}"]
        check = {"name": "whole", "namespace": volumes.shop.name, "labels": "app=web", "container": "main"}
        volumes.site.write(volumes={"checks": [check | {"command": command}]})
        volumes.site.use_api(volumes.user)
        report = volumes.run(backup=backup, switch=True)
    assert volumes.names() == ["data", "logs"]
    assert volumes.file("data").read_text() == "before"
    assert new.read_text().splitlines() == [
        f"{volumes.volume(volumes.get('logs')['spec']['volumeName'])['spec']['local']['path']}/file"
    ]
    assert (disk / "file").read_text() == "later on the node"
    assert volumes.shop.get("deployment/web")["metadata"]["generation"] == generation + 2  # stopped, and started
    assert report.summary[0] == f"2 claims restored from backup {backup}"
    assert any(one.startswith("data proven: the check whole in ") for one in report.summary)
    for old in (made["spec"]["volumeName"], f"{volumes.shop.name}-logs"):
        kept = volumes.volume(old)
        assert (kept["spec"]["persistentVolumeReclaimPolicy"], kept["status"]["phase"]) == ("Retain", "Released")
        assert any(one.endswith(f"the old volume {old} is there, with Retain") for one in report.summary)


def with_mounts(*claims: str) -> dict[str, Any]:
    """A pod that mounts each claim at its own name, with what a pod of a check has and has not of it."""
    sources = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    mounts = [{"name": name, "mountPath": f"/{name}", "subPath": "inside"} for name in claims]
    mounts += [{"name": "settings", "mountPath": "/etc/settings"}, {"name": "node", "mountPath": "/node"}]
    container = {
        "name": "main",
        "image": "web:1",
        "args": ["serve"],
        "env": [{"name": "LEVEL", "value": "high"}],
        "ports": [{"containerPort": 80}],
        "readinessProbe": {"tcpSocket": {"port": 80}},
        "securityContext": {"runAsUser": 4711},
        "volumeMounts": mounts,
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
    }
    return claim_volume("") | {
        "containers": [container, {"name": "helper", "image": "web:1"}],
        "volumes": [
            *sources,
            {"name": "settings", "configMap": {"name": "settings", "optional": True}},
            {"name": "node", "hostPath": {"path": "/etc"}},
        ],
        "securityContext": {"fsGroup": 4712},
        "tolerations": [{"key": "disks", "operator": "Exists"}],
    }


class Checks:
    """A check of the files of claims beside the old ones, and the pods in which it ran."""

    def __init__(self, volumes: Volumes, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.volumes, self.user = volumes, user
        self.pods: list[Resource] = []
        ordinary = run_check

        def seen(handle: Cluster, check: VolumeCheck, pod: HookPod) -> CheckRun:
            self.pods.append(volumes.api.get(f"{volumes.shop.pods_path}/{pod.pod}"))
            return ordinary(handle, check, pod)

        monkeypatch.setattr(trials, "run_check", seen)

    def be(self, *command: str, user: str = "", **more: object) -> None:
        """The check of the profile, from now on."""
        check = {"name": "whole", "namespace": self.volumes.shop.name, "labels": "app=web", "container": "main"}
        self.volumes.site.write(volumes={"checks": [check | {"command": command} | more]})
        self.volumes.site.use_api(user or self.user)
        close_clusters()  # or the next run would still be the user before

    def left(self) -> list[Resource]:
        """Pods of checks that are there."""
        found: list[Resource] = self.volumes.api.get(self.volumes.shop.pods_path, labelSelector=TRIAL)["items"]
        return found


def backed_up(volumes: Volumes) -> str:
    """A backup of a claim, which a Deployment uses."""
    volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.shop.run("deployment/web", 1, pod=with_mounts("data"))
    return volumes.back_up("data")


def test_the_files_of_a_claim_beside_the_old_one_are_proven_in_a_pod_of_its_own(
    volumes: Volumes, checker: str, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod is nobody's but ours, and is gone afterwards. A check that fails ends the run; the next one checks again what is there."""
    backup = backed_up(volumes)
    give_runtime(volumes.site, sshd, tmp_path, monkeypatch)
    checks, found = Checks(volumes, checker, monkeypatch), tmp_path / "found"
    disks = volumes.storage.driver.volumes

    checks.be("grep", "-rlx", "never", str(disks))
    plan = volumes.run(mode=Mode.PLAN).plan
    assert plan is not None
    (name,) = [one.act.split()[3] for one in plan.steps if one.subject == f"check {volumes.shop.name}/whole"]
    assert "without node; let it run `sleep 86400`, run `grep -rlx never " in plan.steps[-1].act
    assert (plan.cautions, checks.pods, volumes.names()) == ((), [], ["data"])
    with pytest.raises(Refused, match=rf"is NOT proven: the check whole in \S+/{name} main: it ended with status 1"):
        volumes.run()
    (new,) = set(volumes.names()) - {"data"}
    assert checks.left() == []

    checks.be("sh", "-c", f"grep -rlx before {disks} > {found}")
    report = volumes.run(backup=backup)
    assert report.summary[0].startswith(f"no claim was left to restore from backup {backup}")
    assert found.read_text().splitlines() == [str(volumes.file(new))]
    (told,) = [one for one in report.summary if one.startswith("files proven: ")]
    assert told.startswith(f"files proven: the check whole succeeded on {new} in a pod of its own, ")
    assert checks.left() == []
    assert [one["metadata"]["name"] for one in checks.pods] == [name, name]

    pod = checks.pods[-1]
    assert (pod["metadata"]["labels"].keys(), "ownerReferences" in pod["metadata"]) == ({TRIAL}, False)
    spec = pod["spec"]
    (main,) = spec["containers"]
    assert [(one["mountPath"], one.get("subPath", "")) for one in main["volumeMounts"]] == [
        ("/data", "inside"),
        ("/etc/settings", ""),
    ]
    sources = {one["name"]: one.get("persistentVolumeClaim") for one in spec["volumes"]}
    assert sources == {"data": {"claimName": new}, "settings": None}
    assert (main["command"], "args" in main, "ports" in main, "readinessProbe" in main) == (
        ["sleep", "86400"],
        False,
        False,
        False,
    )
    assert (spec["restartPolicy"], spec["securityContext"], main["securityContext"], spec["nodeName"]) == (
        "Never",
        {"fsGroup": 4712},
        {"runAsUser": 4711},
        "w1",
    )
    assert {"key": "disks", "operator": "Exists"} in spec["tolerations"]


def test_a_run_that_dies_while_it_checks_a_claim_beside_is_run_again(
    volumes: Volumes, checker: str, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run makes one write, whose answer it never sees. The last one removes the pod that was left, and proves the files by its own."""
    backup = backed_up(volumes)
    give_runtime(volumes.site, sshd, tmp_path, monkeypatch)
    checks = Checks(volumes, checker, monkeypatch)
    checks.be("true")
    written = die_after_each_write(lambda: volumes.run(backup=backup), monkeypatch, writes=4)
    left = written[2].partition(" ")[2]
    assert written == ["POST persistentvolumeclaims", "POST pods", f"DELETE {left}", "POST pods"]
    (pod,) = checks.left()
    assert pod["metadata"]["name"] == left
    plan = volumes.run(backup=backup, mode=Mode.PLAN).plan
    assert plan is not None
    assert (plan.steps[-1].subject, plan.steps[-1].act) == (f"pod {volumes.shop.name}/{left}", "remove it")
    report = volumes.run(backup=backup)
    assert any(one.startswith("files proven: ") for one in report.summary)
    assert checks.pods[-1]["metadata"]["uid"] != pod["metadata"]["uid"]
    assert checks.left() == []


def test_what_a_check_of_a_claim_beside_cannot_prove_is_told(
    volumes: Volumes, checker: str, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No right to make a pod, a cluster that does not take it, an image without the program, no pod to copy, and a pod that stays."""
    shop = volumes.shop.name
    backed_up(volumes)
    give_runtime(volumes.site, sshd, tmp_path, monkeypatch)
    checks = Checks(volumes, checker, monkeypatch)

    checks.be("true", user=volumes.user)
    report = volumes.run()
    told = f"data NOT proven: the check {shop}/whole: no pod can be made for {shop}/data: the API server does not take it: pods is forbidden: "
    assert any(one.startswith(told) for one in report.summary), report.summary
    assert report.plan is not None
    (caution,) = report.plan.cautions
    assert caution.problem.startswith("the data will NOT be proven: no pod can be made for ")

    checks.be("true", container="other")
    assert "there is no container other to copy, there is main, helper" in "\n".join(volumes.run(suffix="b").summary)
    checks.be("true", container="helper")
    assert "the container helper mounts none of the claims" in "\n".join(volumes.run(suffix="c").summary)
    checks.be("true", labels="app=other")
    assert "with app=other uses one of the old claims, so there is none to copy" in "\n".join(
        volumes.run(suffix="d").summary
    )
    space = f"/api/v1/namespaces/{shop}"
    enforce = "pod-security.kubernetes.io/enforce"
    volumes.api.patch(space, {"metadata": {"labels": {enforce: "restricted"}}})
    checks.be("true")
    assert 'violates PodSecurity "restricted' in "\n".join(volumes.run(suffix="e").summary)
    volumes.api.patch(space, {"metadata": {"labels": {enforce: None}}})

    checks.be("true", wait=["/nowhere/sleep", "60"])
    why = r"main: its pod does not stay: StartError with exit code 128: exec: \"/nowhere/sleep\": stat /nowhere/sleep: no such file"
    with pytest.raises(Refused, match=why):
        volumes.run(suffix="f")
    assert (checks.pods, checks.left()) == ([], [])

    checks.be("true")
    ordinary = run_check

    def held(handle: Cluster, check: VolumeCheck, pod: HookPod) -> CheckRun:
        volumes.api.patch(f"{volumes.shop.pods_path}/{pod.pod}", {"metadata": {"finalizers": ["example.com/hold"]}})
        return ordinary(handle, check, pod)

    with monkeypatch.context() as patched:
        patched.setattr(trials, "run_check", held)
        patched.setattr(trials, "GONE_WITHIN", timedelta(seconds=5))
        report = volumes.run(suffix="f")
        (pod,) = checks.left()
        name = pod["metadata"]["name"]
        assert any(
            one.startswith(f"NOT removed: pod {shop}/{name}: its finalizers hold it: example.com/hold")
            for one in report.summary
        )
        assert any(one.startswith("files proven: ") for one in report.summary)
        with pytest.raises(Refused, match=f"there is another pod {name}, and its own pod has that name"):
            volumes.run(suffix="f")
    volumes.api.patch(f"{volumes.shop.pods_path}/{name}", {"metadata": {"finalizers": None}})
    assert any(one.startswith("files proven: ") for one in volumes.run(suffix="f").summary)
    assert checks.left() == []


def test_a_pod_that_is_no_longer_that_of_the_plan_is_not_made(
    volumes: Volumes, checker: str, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes the image between the plan and the check. The next run has another plan."""
    volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.shop.make("deployment/web", 0, pod=with_mounts("data"))
    volumes.back_up("data")
    give_runtime(volumes.site, sshd, tmp_path, monkeypatch)
    checks = Checks(volumes, checker, monkeypatch)
    checks.be("true")
    ordinary = run_trials

    def changed(handle: Cluster, job: Job, plan: VolumeRestorePlan, options: VolumeRestoreOptions) -> Checked:
        image = {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}
        volumes.shop.change("deployment/web", template=image)
        return ordinary(handle, job, plan, options)

    with monkeypatch.context() as patched:
        patched.setattr(steps, "run_trials", changed)
        with pytest.raises(Refused, match="main: the pods that it fits are no longer those of the plan"):
            volumes.run()
    assert (checks.pods, checks.left()) == ([], [])
    assert any(one.startswith("files proven: ") for one in volumes.run().summary)
    assert checks.pods[0]["spec"]["containers"][0]["image"] == "web:2"


def test_a_snapshot_and_an_archive_beside_are_checked_together(
    volumes: Volumes, checker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pod mounts both new claims, on the node of the folder, while the workload is stopped."""
    disk = tmp_path / "disk"
    with both_kinds(volumes, disk, monkeypatch) as backup:
        volumes.shop.run("deployment/web", 1, pod=with_mounts("data", "logs"))
        checks = Checks(volumes, checker, monkeypatch)
        volumes.shop.change("deployment/web", replicas=0)  # its template is copied
        wait_until(lambda: not volumes.api.get(volumes.shop.pods_path)["items"], LIMIT, "its pods are gone")
        checks.be("grep", "-qx", "before on the node", f"{disk}-beside/file")
        report = volumes.run(backup=backup, suffix="beside")
    assert report.summary[0] == f"2 claims restored from backup {backup}"
    (told,) = [one for one in report.summary if one.startswith("files proven: ")]
    assert "succeeded on data-beside, logs-beside in a pod of its own" in told
    (pod,) = checks.pods
    claims = [one.get("persistentVolumeClaim", {}).get("claimName") for one in pod["spec"]["volumes"]]
    assert (claims, pod["spec"]["nodeName"]) == (["data-beside", "logs-beside", None], "w1")
    assert checks.left() == []


@contextmanager
def both_kinds(volumes: Volumes, disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A backup of the claims `data`, of a snapshot, and `logs`, of an archive, on whose disk the file is a later one now."""
    volumes.storage.claim(volumes.shop.name, "data", text="before")
    disk.mkdir()
    (disk / "file").write_text("before on the node")
    volume_of_node(volumes, disk)
    read: Callable[[], str] = lambda: volumes.api.get("/api/v1/nodes/w1")["status"]["nodeInfo"]["bootID"]  # noqa: E731
    wait_until(lambda: bool(read()), LIMIT, "w1 has a boot id")
    may_be_full(monkeypatch, disk.parent)
    with JobNode(disk.parent / "w1", read()) as node:
        give_runtime(volumes.site, node, disk.parent, monkeypatch)
        backup = volumes.back_up("data", "logs")
        (disk / "file").write_text("later on the node")
        yield backup


def volume_of_node(volumes: Volumes, folder: Path) -> None:
    """The claim `logs`, whose volume is a folder of w1."""
    size = {"accessModes": ["ReadWriteOnce"], "storageClassName": "on-nodes"}
    hostname = [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["w1"]}]
    spec = {
        "capacity": {"storage": "1Gi"},
        "local": {"path": str(folder)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": hostname}]}},
    }
    name = f"{volumes.shop.name}-logs"
    volumes.api.create(VOLUMES, {"metadata": {"name": name}, "spec": size | spec})
    wanted = {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": name}
    volumes.api.create(volumes.claims, {"metadata": {"name": "logs"}, "spec": size | wanted})
    volumes.storage.bound(volumes.shop.name, "logs")


@pytest.mark.timeout(900)
def test_a_run_that_is_killed_is_run_again(volumes: Volumes, prefect_server: PrefectServer) -> None:
    """With SIGKILL, before the old claim is touched, while there is none, and while the workload is stopped."""
    made = volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.shop.run("deployment/web", 2, pod=claim_volume("data"))
    backup = volumes.back_up("data")
    parameters = {"cluster": volumes.site.name, "backup": backup, "mode": "apply", "options": {"switch": True}}
    words = [sys.executable, "-m", "tests.servers.runner", "volumes_restore", json.dumps(parameters)]
    environment = os.environ | volumes.site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    for step in ("after make volumes", "after keep old volumes", "after bind new volumes"):
        died = subprocess.run([*words, step], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
    assert volumes.shop.get("deployment/web")["spec"]["replicas"] == 0
    report = volumes.run(backup=backup, switch=True)
    old = made["spec"]["volumeName"]
    assert f"kept: {volumes.shop.name}/data: the old volume {old} is there, with Retain" in report.summary
    is_switched(volumes)


def is_switched(volumes: Volumes) -> None:
    """The claim has one new volume, the workload runs as before, and nothing else is left of the restore."""
    assert volumes.names() == ["data"]
    assert volumes.file("data").read_text() == "before"
    volumes.shop.wait_available("deployment/web", 2)
    assert REPLICAS not in volumes.shop.get("deployment/web")["metadata"].get("annotations", {})
    new = volumes.volume(volumes.get("data")["spec"]["volumeName"])
    assert new["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    mine = volumes.api.get(VOLUMES, labelSelector=RESTORE)["items"]
    assert [one["spec"]["claimRef"]["name"] for one in mine if of_shop(volumes, one)] == ["data"]


def of_shop(volumes: Volumes, volume: Resource) -> bool:
    """Whether a volume is of the namespace of the test."""
    return bool(volume["spec"].get("claimRef", {}).get("namespace") == volumes.shop.name)


@pytest.mark.timeout(900)
def test_a_run_that_dies_after_each_of_its_writes_is_run_again(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run makes one write, whose answer it never sees. The snapshot is imported, so that this is cut, too."""
    made = volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.shop.run("deployment/web", 2, pod=claim_volume("data"))
    backup = volumes.back_up("data")
    volumes.forget_snapshot(volumes.record(backup))
    again = lambda: volumes.run(backup=backup, switch=True)  # noqa: E731
    written = die_after_each_write(again, monkeypatch, writes=WRITES)
    assert written[-1].startswith("PATCH pvc"), written  # the journal is closed
    is_switched(volumes)
    plan = volumes.run(backup=backup, switch=True, mode=Mode.PLAN).plan
    assert plan is not None
    assert any("has given the claim the data of this backup already" in one.problem for one in plan.cautions)
    assert volumes.volume(made["spec"]["volumeName"])["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def test_a_snapshot_that_the_storage_has_lost_refuses_and_leaves_all_as_it_is(volumes: Volumes) -> None:
    """With its objects here, as well as imported: the old claim and its workload are untouched."""
    volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.shop.run("deployment/web", 1, pod=claim_volume("data"))
    uid = volumes.get("data")["metadata"]["uid"]
    backup = volumes.back_up("data")
    record = volumes.record(backup)
    shutil.rmtree(volumes.storage.driver.snapshots / record["handle"])

    with pytest.raises(Refused, match=f"cannot make a volume of the snapshot {record['handle']}: .*code = NotFound"):
        volumes.run(switch=True)
    # csi-provisioner leaves its finalizer on a snapshot of which it could not make a volume
    here = f"{SNAPSHOTS}/namespaces/{volumes.shop.name}/volumesnapshots/{record['snapshot']}"
    held = volumes.api.get(here)["metadata"].get("finalizers", [])
    volumes.api.patch(here, {"metadata": {"finalizers": [one for one in held if "provisioner" not in one]}})
    volumes.forget_snapshot(record)
    with pytest.raises(Refused, match=f"the storage has no snapshot {record['handle']}"):
        volumes.run(switch=True)
    assert volumes.names() == ["data"]
    assert volumes.get("data")["metadata"]["uid"] == uid
    assert volumes.shop.get("deployment/web")["spec"]["replicas"] == 1


def test_what_cannot_be_restored_is_refused_before_anything_is_done(volumes: Volumes) -> None:
    """All reasons at once, each with its next step."""
    volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.storage.claim(volumes.shop.name, "data-taken", text="of somebody else")
    owned = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}
    volumes.shop.make("deployment/web", 1, pod=claim_volume("data"), metadata=owned)
    retention = {"whenScaled": "Delete", "whenDeleted": "Retain"}
    volumes.shop.make("statefulset/db", 0, pod=claim_volume("data"), persistentVolumeClaimRetentionPolicy=retention)
    volumes.shop.make("deployment/api", 1, pod=claim_volume("data"))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    scaler = {"metadata": {"name": "api"}, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}
    volumes.api.create(f"/apis/autoscaling/v2/namespaces/{volumes.shop.name}/horizontalpodautoscalers", scaler)
    pod = {
        "metadata": {"name": "alone"},
        "spec": {"containers": [{"name": "main", "image": "web:1"}], **claim_volume("data")},
    }
    volumes.api.create(volumes.shop.pods_path, pod)
    volumes.back_up("data")

    with pytest.raises(Refused) as error:
        volumes.run(switch=True, size="1Mi", storage_class="other")
    for part in (
        "--size 1Mi is less than the 1073741824 bytes that the snapshot needs",
        "the StorageClass other is of other.example, and the snapshot is of directory.csi.kube-runbooks.test",
        "Argo CD (argocd.argoproj.io/tracking-id: shop:apps/Deployment:shop/web) owns it",
        "the HorizontalPodAutoscaler api sets its replicas",
        "persistentVolumeClaimRetentionPolicy.whenScaled is Delete",
        "the pod alone without a controller is nothing that this runbook can stop",
    ):
        assert part in error.value.problem
    with pytest.raises(Refused, match="there is another claim data-taken, which this restore did not make"):
        volumes.run(suffix="taken")
    with pytest.raises(Refused, match="there is no StorageClass nothing"):
        volumes.run(storage_class="nothing")
    with pytest.raises(Refused, match="there is no node w9, for which its volume would be made"):
        volumes.run(storage_class=WAITING, node="w9")
    with pytest.raises(Refused, match="there is no backup nonsense"):
        volumes.run(backup="nonsense")
    with pytest.raises(Refused, match="no backup has claims "):
        volumes.run("other")
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"persistentvolumeclaims": "2"}}}
    volumes.api.create(f"/api/v1/namespaces/{volumes.shop.name}/resourcequotas", quota)
    volumes.shop.wait_quota("few", "persistentvolumeclaims", "2")
    with pytest.raises(Refused, match="the API server does not take its new claim: .*exceeded quota: few"):
        volumes.run()
    assert volumes.names() == ["data", "data-taken"]


def test_a_claim_that_was_deleted_is_restored_under_its_own_name(volumes: Volumes) -> None:
    """There is no old volume to keep. Pods that wait for it get it."""
    made = volumes.storage.claim(volumes.shop.name, "data", text="before", labels={"app": "web"})
    volumes.back_up("data")
    volumes.api.delete(f"{volumes.claims}/data")
    wait_until(lambda: volumes.names() == [], LIMIT, "the claim is gone")
    volumes.api.delete(f"{VOLUMES}/{made['spec']['volumeName']}")
    volumes.shop.make("deployment/web", 1, pod=claim_volume("data"))
    volumes.run(switch=True)
    assert volumes.file("data").read_text() == "before"
    assert volumes.get("data")["metadata"]["labels"] == {"app": "web"}
    volumes.shop.wait_available("deployment/web", 1)


@needs_attacher
@pytest.mark.timeout(900)
def test_pods_that_cannot_have_the_new_volume_say_why(volumes: Volumes) -> None:
    """In the words of the storage. The next run goes on when the storage does."""
    old = volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.shop.run("deployment/web", 2, pod=claim_volume("data"))
    (before,) = volumes.storage.attachments(old)
    assert (before["spec"]["nodeName"], before["status"]["attached"]) == ("w1", True)
    backup = volumes.back_up("data")
    volumes.storage.driver.why_not_attach = "no path to the pool"

    told = ""

    def has_said_why() -> bool:
        nonlocal told
        with pytest.raises(TimedOut) as error:
            volumes.run(backup=backup, switch=True, start_within="15s")
        told = error.value.problem
        return "FailedAttachVolume" in told

    wait_until(has_said_why, LIMIT, "the controller says why")
    new = volumes.get("data")["spec"]["volumeName"]
    words = f'FailedAttachVolume: AttachVolume.Attach failed for volume "{new}" : rpc error: code = Internal desc = no path to the pool'
    assert told.count(words) == 1, told
    assert "pod web-" in told

    volumes.storage.driver.why_not_attach = ""
    report = volumes.run(backup=backup, switch=True)
    assert any(one.startswith("ready: ") for one in report.summary)
    assert not any("attached" in one for one in report.summary)
    is_switched(volumes)
    (now,) = volumes.storage.attachments(volumes.get("data"))
    assert (now["status"]["attached"], volumes.storage.attachments(old)) == (True, [])


@needs_attacher
def test_an_old_volume_that_stays_attached_is_told(volumes: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new one is in use all the same. A user who may not look is told that, too."""
    old = volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.shop.run("deployment/web", 2, pod=claim_volume("data"))
    volumes.back_up("data")
    volumes.storage.driver.why_not_detach = "the pool is busy"
    short = timedelta(seconds=20)
    monkeypatch.setattr(steps, "left_attached", partial(left_attached, limit=short))

    report = volumes.run(switch=True)
    is_switched(volumes)
    (left,) = volumes.storage.attachments(old)
    name, volume = left["metadata"]["name"], old["spec"]["volumeName"]
    assert (
        f"NOT detached: {volumes.shop.name}/data: the old volume {volume} is still attached to w1 by {volumes.storage.driver.name} "
        f"(VolumeAttachment {name}): rpc error: code = Internal desc = the pool is busy"
    ) in report.summary
    volumes.site.use_api(kubeconfig_for(volumes.storage.cluster, "volumes_backup"))
    close_clusters()
    (unknown,) = left_attached(open_cluster(volumes.site.name).kube, {volume: "data"}, short)
    assert unknown.startswith("whether the old volumes are detached is not known: ")
    assert 'cannot list resource "volumeattachments"' in unknown


def claim_of_a_pod() -> dict[str, Any]:
    """A pod with a generic ephemeral volume."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": CLASS}
    volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}]
    return {"volumes": volumes, "nodeSelector": {"kubernetes.io/hostname": "w1"}}


def test_a_claim_that_goes_with_its_pod_is_not_switched(volumes: Volumes) -> None:
    """Its volume would be deleted as soon as the workload is stopped. Beside it, its data can be restored."""
    volumes.shop.run("deployment/web", 1, pod=claim_of_a_pod())
    (name,) = volumes.names()
    volumes.file(name).write_text("before")
    volumes.back_up(name)
    with pytest.raises(Refused, match=r"the claim belongs to the pod web-\S+ and goes with it"):
        volumes.run(switch=True)
    assert volumes.file(name).read_text() == "later"
    volumes.run(suffix="new")
    (new,) = set(volumes.names()) - {name}
    assert volumes.file(new).read_text() == "before"


def dynamic(volumes: Volumes, name: str) -> str:
    """A claim whose volume goes with it; returns the volume."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": CLASS}
    volumes.api.create(volumes.claims, {"metadata": {"name": name}, "spec": spec})
    volume: str = volumes.storage.bound(volumes.shop.name, name)["spec"]["volumeName"]
    return volume


def test_an_old_volume_stays_also_if_its_claim_goes_with_the_stopped_workload(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an operator may do it. Its volume is Retain before anything is stopped."""
    old = dynamic(volumes, "data")
    volumes.file("data").write_text("before")
    volumes.shop.run("deployment/web", 1, pod=claim_volume("data"))
    volumes.back_up("data")

    def stop_and_delete(*given: Any) -> bool:  # noqa: ANN401 - as the step gives it
        made = stop(*given)
        volumes.api.delete(f"{volumes.claims}/data")
        wait_until(lambda: volumes.names() == [one for one in volumes.names() if one != "data"], LIMIT, "it is gone")
        return made

    monkeypatch.setattr(steps, "stop", stop_and_delete)
    report = volumes.run(switch=True)
    assert volumes.file("data").read_text() == "before"
    kept = volumes.volume(old)
    assert (kept["spec"]["persistentVolumeReclaimPolicy"], kept["status"]["phase"]) == ("Retain", "Released")
    assert kept["metadata"]["annotations"][RECLAIM] == "Delete"
    kept_file = volumes.storage.driver.volumes / kept["spec"]["csi"]["volumeHandle"] / "data" / "file"
    assert kept_file.read_text() == "later"
    volumes.shop.change("deployment/web", replicas=0)
    wait_until(lambda: not volumes.api.get(volumes.shop.pods_path)["items"], LIMIT, "its pods are gone")
    take_back(report, volumes.storage.cluster, volumes.storage.folder / "admin.conf")
    assert volumes.storage.bound(volumes.shop.name, "data")["spec"]["volumeName"] == old


def test_a_claim_that_is_made_again_before_the_proof_is_not_proven(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has another, empty volume then. The volume with the restored data stays, and the next run gives it back to the claim."""
    volumes.storage.claim(volumes.shop.name, "data", text="before")
    volumes.shop.run("deployment/web", 2, pod=claim_volume("data"))
    backup = volumes.back_up("data")
    restored = ""

    def ready_and_replaced(*given: Any) -> str:  # noqa: ANN401 - as the step gives it
        nonlocal restored
        restored = volumes.get("data")["spec"]["volumeName"]
        volumes.shop.change("deployment/web", replicas=0)
        volumes.api.delete(f"{volumes.claims}/data")
        wait_until(lambda: volumes.names() == [], LIMIT, "the claim is gone")
        dynamic(volumes, "data")
        volumes.shop.change("deployment/web", replicas=2)
        return wait_ready(*given)

    with monkeypatch.context() as patched:
        patched.setattr(steps, "wait_ready", ready_and_replaced)
        with pytest.raises(
            Refused,
            match="the claim data is Bound to .*, not bound to the new volume .*, which has the restored data and stays",
        ):
            volumes.run(backup=backup, switch=True)
    assert volumes.volume(restored)["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    volumes.shop.change("deployment/web", replicas=0)
    wait_until(lambda: not volumes.api.get(volumes.shop.pods_path)["items"], LIMIT, "its pods are gone")
    volumes.api.delete(f"{volumes.claims}/data")
    wait_until(lambda: volumes.names() == [], LIMIT, "the claim is gone")
    volumes.shop.change("deployment/web", replicas=2)
    volumes.run(backup=backup, switch=True)
    assert volumes.get("data")["spec"]["volumeName"] == restored
    is_switched(volumes)


def test_a_workload_whose_pods_do_not_stop_is_started_again(volumes: Volumes) -> None:
    """Nothing is switched then, and the old volume has its own policy again. A note of an older restore decides nothing."""
    old = dynamic(volumes, "data")
    uid = volumes.get("data")["metadata"]["uid"]
    volumes.shop.run("deployment/web", 1, pod=claim_volume("data"))
    note = {"metadata": {"annotations": {REPLICAS: "7"}}}
    volumes.api.patch(volumes.shop.path("deployment/web"), note)
    volumes.back_up("data")
    (pod,) = volumes.shop.pods("deployment/web")
    path = f"{volumes.shop.pods_path}/{pod['metadata']['name']}"
    volumes.api.patch(path, {"metadata": {"finalizers": ["kube-runbooks.test/stuck"]}})
    with pytest.raises(TimedOut, match="nothing was switched, and it was started again: .*deployment/web"):
        volumes.run(switch=True, stop_within="5s")
    found = volumes.shop.get("deployment/web")
    assert (found["spec"]["replicas"], REPLICAS in found["metadata"].get("annotations", {})) == (1, False)
    assert volumes.get("data")["metadata"]["uid"] == uid
    kept = volumes.volume(old)
    assert (kept["spec"]["persistentVolumeReclaimPolicy"], kept["status"]["phase"]) == ("Delete", "Bound")
    assert RECLAIM not in kept["metadata"].get("annotations", {})
    volumes.api.patch(path, {"metadata": {"finalizers": None}})
    volumes.run(switch=True)
    assert volumes.get("data")["metadata"]["uid"] != uid
    volumes.shop.wait_available("deployment/web", 1)
