"""`volumes_backup` on a real API server with the real snapshot-controller, sidecars, and a CSI driver of our own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import flows.volumes_backup as flow
from flows.volumes_backup import volumes_backup
from tasks.core.errors import Refused, TimedOut
from tasks.core.models.plan import Mode, PlanOrApply
from tasks.core.models.report import Report
from tasks.core.models.retention import Retention
from tasks.volumes import expire, steps
from tasks.volumes.models.selection import Selection, VolumeOptions
from tasks.volumes.models.snapshots import Pair, Snapshot
from tasks.volumes.policy import readiness
from tasks.volumes.policy.pairs import leftovers
from tests.servers.binaries import is_here
from tests.servers.csi.storage import CLASS, LIMIT, PROVISIONER_VERSION, SNAPSHOTS, SNAPSHOTTER_VERSION, Storage
from tests.servers.kubernetes import ControlPlane, Resource
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.restricted import kubeconfig_for
from tests.servers.shop import Shop
from tests.servers.site import Site

BUILD = "it is built from the Go module proxy, which takes up to 20 minutes: `make binaries ARGS="
pytestmark = [
    pytest.mark.full,
    pytest.mark.usefixtures("prefect"),
    pytest.mark.skipif(
        not is_here("csi-snapshotter", SNAPSHOTTER_VERSION), reason=f"{BUILD}csi-snapshotter={SNAPSHOTTER_VERSION}`"
    ),
]

ROOT = Path(__file__).parents[2]
POLICY = "kube-runbooks.io/deletion-policy"


@pytest.fixture(scope="module")
def storage(two_workers: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """Of the cluster of this file; a test that breaks it repairs it."""
    with Storage(two_workers, tmp_path_factory.mktemp("storage")) as made:
        yield made


@pytest.fixture(scope="module")
def user(storage: Storage) -> str:
    """A kubeconfig with the rights that `kube-runbooks check` asks for, and no others."""
    return kubeconfig_for(storage.cluster, "volumes_backup")


class Volumes:
    """The runbook, and the namespace in which a test looks."""

    def __init__(self, site: Site, shop: Shop, storage: Storage) -> None:
        self.site, self.shop, self.storage, self.api = site, shop, storage, shop.api

    def claim(self, name: str, **more: Any) -> Resource:  # noqa: ANN401 - as the storage makes it
        """A bound claim with a file."""
        return self.storage.claim(self.shop.name, name, **more)

    def run(
        self,
        mode: PlanOrApply = Mode.APPLY,
        *,
        select: Selection | None = None,
        last: int = 3,
        **options: object,
    ) -> Report:
        """The runbook, on all claims of the namespace."""
        return volumes_backup(
            self.site.name,
            select or Selection(namespaces=(self.shop.name,)),
            mode,
            VolumeOptions.model_validate(options),
            Retention(last=last),
        )

    def manifests(self) -> list[dict[str, Any]]:
        """In the bucket, oldest first."""
        keys = sorted(self.site.keys(f"{self.site.name}/volumes/"))
        return [json.loads(self.site.read(key)) for key in keys]

    def snapshots(self) -> list[Resource]:
        """Of the namespace."""
        return self.storage.snapshots(self.shop.name)

    def contents(self) -> list[Resource]:
        """Of the namespace."""
        return self.storage.contents(self.shop.name)

    def handles(self) -> list[str]:
        """Of all manifests."""
        return [one["handle"] for manifest in self.manifests() for one in manifest["records"]]


@pytest.fixture
def volumes(site: Site, shop: Shop, storage: Storage, user: str) -> Iterator[Volumes]:
    """Whatever a test leaves in its namespace goes with it, also what has Retain."""
    site.use_api(user)
    made = Volumes(site, shop, storage)
    yield made
    storage.driver.why_not, storage.driver.is_ready, storage.driver.clock = "", True, time.time_ns
    for process in storage.processes:
        if not process.alive:
            process.start()
    are_ready = lambda: all(one.get("status", {}).get("readyToUse") for one in made.snapshots())  # noqa: E731
    wait_until(are_ready, LIMIT, "what is begun is finished: one that is deleted meanwhile may stay for minutes")
    storage.forget(shop.name)


def test_the_claims_of_a_namespace_are_backed_up_kept_and_recorded(volumes: Volumes) -> None:
    """The plan changes nothing. The manifest has what another cluster needs; the snapshots outlive their namespace's deletion policy."""
    for name in ("data-a", "data-b"):
        volumes.claim(name, text=f"text of {name}")
    plan = volumes.run(Mode.PLAN)
    assert plan.summary[0].startswith("nothing was done: the plan has 2 snapshots")
    assert volumes.snapshots() == []

    report = volumes.run()
    assert report.summary[0].startswith(f"2 snapshots of all claims in {volumes.shop.name}, cut within ")
    (manifest,) = volumes.manifests()
    assert [one["claim"] for one in manifest["records"]] == ["data-a", "data-b"]
    assert {one["kind"] for one in manifest["objects"]} == {"PersistentVolumeClaim", "PersistentVolume"}
    metrics = volumes.site.read(f"{volumes.site.name}/metrics/volumes-backup.prom").decode()
    assert f'kind="volumes",series="{manifest["id"].split("-")[1]}"}} ' in metrics
    contents = {one["metadata"]["name"]: one for one in volumes.contents()}
    for record in manifest["records"]:
        content = contents[record["content"]]
        assert content["spec"]["deletionPolicy"] == "Retain"
        assert content["metadata"]["annotations"][POLICY] == "Delete" == record["snapshot_class"]["policy"]
        assert content["status"]["snapshotHandle"] == record["handle"]
        assert content["spec"]["volumeSnapshotRef"]["uid"] == record["snapshot_uid"]
        kept = volumes.storage.driver.snapshots / record["handle"] / "data" / "file"
        assert kept.read_text() == f"text of {record['claim']}"

    volumes.api.delete(
        f"{SNAPSHOTS}/namespaces/{volumes.shop.name}/volumesnapshots"
    )  # as the deletion of its namespace does
    wait_until(lambda: volumes.snapshots() == [], LIMIT, "the snapshots are deleted")
    assert set(volumes.handles()) <= volumes.storage.driver.handles()


@pytest.mark.skipif(
    not is_here("csi-provisioner", PROVISIONER_VERSION), reason=f"{BUILD}csi-provisioner={PROVISIONER_VERSION}`"
)
def test_a_claim_is_restored_from_a_snapshot_also_when_its_objects_are_gone(volumes: Volumes) -> None:
    """By hand, as the documentation says: what the manifest records can be used, also by another cluster."""
    volumes.claim("data", text="before")
    volumes.run(select=Selection(claims=(f"{volumes.shop.name}/data",)))
    (manifest,) = volumes.manifests()
    (record,) = manifest["records"]
    here, contents = (
        f"{SNAPSHOTS}/namespaces/{volumes.shop.name}/volumesnapshots",
        f"{SNAPSHOTS}/volumesnapshotcontents",
    )
    with volumes.storage.provisioning():
        assert restored(volumes, record["snapshot"], record["restore_size"]) == "before"

        for path in (f"{here}/{record['snapshot']}", f"{contents}/{record['content']}"):
            volumes.api.delete(path)
            wait_until(lambda path=path: not volumes.api.is_fine(path), LIMIT, f"{path} is gone")  # type: ignore[misc]
        about = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent"}
        spec = {
            "driver": record["driver"],
            "deletionPolicy": "Retain",
            "source": {"snapshotHandle": record["handle"]},
            "volumeSnapshotRef": {"namespace": volumes.shop.name, "name": "imported"},
        }
        volumes.api.create(contents, about | {"metadata": {"name": volumes.shop.name}, "spec": spec})
        about |= {"kind": "VolumeSnapshot"}
        spec = {"source": {"volumeSnapshotContentName": volumes.shop.name}}
        volumes.api.create(here, about | {"metadata": {"name": "imported"}, "spec": spec})
        assert restored(volumes, "imported", record["restore_size"]) == "before"


def restored(volumes: Volumes, snapshot: str, size: int) -> str:
    """The text in a new claim from that snapshot; the claim is deleted again."""
    path = f"/api/v1/namespaces/{volumes.shop.name}/persistentvolumeclaims"
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(size)}},
        "storageClassName": CLASS,
        "dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": snapshot},
    }
    volumes.api.create(path, {"metadata": {"name": snapshot}, "spec": spec})
    claim = volumes.storage.bound(volumes.shop.name, snapshot)
    text = (volumes.storage.data(claim) / "file").read_text()
    volumes.api.delete(f"{path}/{snapshot}")
    volume = f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}"
    wait_until(lambda: not volumes.api.is_fine(volume), LIMIT, "its volume is deleted")
    return text


def test_an_expired_backup_goes_with_its_snapshot_at_the_storage(volumes: Volumes) -> None:
    """Another selection is another series. A snapshot that lost its VolumeSnapshot goes too."""
    volumes.claim("data")
    volumes.run(select=Selection(claims=(f"{volumes.shop.name}/data",)), last=1)
    other = volumes.handles()
    volumes.run(last=1)
    (first,) = set(volumes.handles()) - set(other)
    report = volumes.run(last=1)
    assert "retention: 1 kept, 1 removed" in report.summary
    assert first not in volumes.storage.driver.handles()
    assert set(volumes.handles()) <= volumes.storage.driver.handles()
    assert len(volumes.handles()) == 2
    assert set(other) <= set(volumes.handles())

    (second,) = set(volumes.handles()) - set(other)
    (name,) = [one["snapshot"] for made in volumes.manifests() for one in made["records"] if one["handle"] == second]
    path = f"{SNAPSHOTS}/namespaces/{volumes.shop.name}/volumesnapshots/{name}"
    volumes.api.delete(path)
    wait_until(lambda: not volumes.api.is_fine(path), LIMIT, "the snapshot is deleted")
    assert second in volumes.storage.driver.handles()
    report = volumes.run(last=1)
    assert "retention: 1 kept, 1 removed" in report.summary
    assert second not in volumes.storage.driver.handles()


def test_an_error_of_the_storage_is_retried_and_shown_until_the_deadline(
    volumes: Volumes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is cut is taken up by the next run of the same flow run only; another run takes new snapshots."""
    volumes.claim("data")
    volumes.storage.driver.why_not = "the pool is full"
    with pytest.raises(TimedOut, match="the last error, which is retried: .*the pool is full"):
        volumes.run(cut_within=timedelta(seconds=8))
    assert volumes.manifests() == []
    assert "the pool is full" in caplog.text
    volumes.storage.driver.why_not, volumes.storage.driver.is_ready = "", False
    with pytest.raises(TimedOut, match="it is cut, and not ready to use yet"):
        volumes.run(ready_within=timedelta(seconds=5))
    assert "Retain" in {one["spec"]["deletionPolicy"] for one in volumes.contents()}
    assert volumes.manifests() == []
    volumes.storage.driver.is_ready = True
    report = volumes.run()
    assert report.summary[0].startswith("1 snapshot of ")
    assert len(volumes.manifests()) == 1


def test_what_cannot_have_a_snapshot_refuses_the_run_before_anything_is_taken(volumes: Volumes) -> None:
    """All reasons at once; with --leave-out the others are backed up."""
    volumes.claim("data")
    path = f"/api/v1/namespaces/{volumes.shop.name}/persistentvolumeclaims"
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volumes.api.create(path, {"metadata": {"name": "pending"}, "spec": size | {"storageClassName": "nothing"}})
    host = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": "/data"},
        "storageClassName": volumes.shop.name,
    }
    volumes.api.create("/api/v1/persistentvolumes", {"metadata": {"name": volumes.shop.name}, "spec": host})
    volumes.api.create(path, {"metadata": {"name": "host"}, "spec": size | {"storageClassName": volumes.shop.name}})
    volumes.storage.bound(volumes.shop.name, "host")
    with pytest.raises(Refused) as error:
        volumes.run()
    assert "it is not bound to a volume (phase Pending)" in error.value.problem
    assert "it has no nodeAffinity to one, and no pod says which one it is" in error.value.problem
    assert volumes.snapshots() == []
    with pytest.raises(Refused, match="has no VolumeSnapshotClass other: it has directory"):
        volumes.run(snapshot_class="other", leave_out=False, select=Selection(claims=(f"{volumes.shop.name}/data",)))
    report = volumes.run(leave_out=True)
    assert report.summary[0].startswith("1 snapshot of ")
    assert len([one for one in report.summary if one.startswith("NOT backed up: ")]) == 2
    (manifest,) = volumes.manifests()
    assert len(manifest["left_out"]) == 2
    volumes.api.delete(f"/api/v1/persistentvolumes/{volumes.shop.name}")


def test_a_workload_is_backed_up_by_its_claims(volumes: Volumes) -> None:
    """Those that its pods name, and those of its templates; another claim of the namespace is not."""
    for name in ("shared", "data-db-0", "other"):
        volumes.claim(name)
    template = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    pod = {"volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}}]}
    volumes.shop.make("statefulset/db", 0, pod=pod, volumeClaimTemplates=[template])
    select = Selection(namespaces=(volumes.shop.name,), workload="statefulset/db")
    volumes.run(select=select)
    (manifest,) = volumes.manifests()
    assert [one["claim"] for one in manifest["records"]] == ["data-db-0", "shared"]


def test_without_a_controller_or_a_sidecar_the_run_says_so(volumes: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for the deadline."""
    monkeypatch.setattr(readiness, "UNSEEN_FOR", timedelta(seconds=2))
    volumes.claim("data")
    volumes.storage.snapshotter.kill()
    with pytest.raises(Refused, match="no csi-snapshotter of directory.csi.kube-runbooks.test has processed"):
        volumes.run()
    volumes.storage.controller.kill()
    with pytest.raises(Refused, match="no snapshot-controller has processed") as error:
        volumes.run()
    assert "grep snapshot-controller" in error.value.hint
    assert volumes.manifests() == []


def test_a_run_that_is_killed_is_run_again_and_what_it_left_is_removed(
    volumes: Volumes, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the manifest it is no backup; the next run removes what is old enough, and nothing else."""
    volumes.claim("data")
    parameters = {"cluster": volumes.site.name, "select": {"namespaces": [volumes.shop.name]}, "mode": "apply"}
    words = [sys.executable, "-m", "tests.servers.runner", "volumes_backup", json.dumps(parameters)]
    environment = os.environ | volumes.site.environment | {"PREFECT_API_URL": prefect_server.api_url}

    def die(step: str) -> str:
        before = volumes.storage.driver.handles()
        died = subprocess.run([*words, step], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stdout + died.stderr
        (made,) = volumes.storage.driver.handles() - before
        return made

    left = die("after cut snapshots")
    assert volumes.manifests() == []
    retained = die("before write volume manifest")
    assert volumes.manifests() == []
    whole = die("before prove volume backup")
    assert volumes.handles() == [whole]

    report = volumes.run(last=3)
    assert {left, retained, whole} <= volumes.storage.driver.handles()  # they may belong to a run in progress
    assert "retention: 2 kept, 0 removed" in report.summary
    monkeypatch.setattr(expire, "leftovers", partial(_at_once, leftovers))
    report = volumes.run(last=3)
    assert any(one.endswith("2 snapshots of interrupted runs removed") for one in report.summary)
    assert {left, retained, whole} & volumes.storage.driver.handles() == {whole}


def _at_once(found: Callable[..., tuple[Pair, ...]], *pairs: object, **more: Any) -> tuple[Pair, ...]:  # noqa: ANN401
    """As a day later."""
    return found(*pairs, **more | {"age": timedelta(0)})


def test_the_wrong_clock_of_a_storage_removes_no_new_backup(volumes: Volumes) -> None:
    """Some drivers say 1970, and then an older backup would be the newest. The API server knows when the snapshot was made."""
    volumes.claim("data")
    volumes.run(last=1)
    (old,) = volumes.handles()
    volumes.storage.driver.clock = lambda: 0
    report = volumes.run(last=1)
    (manifest,) = volumes.manifests()
    (found,) = manifest["records"]
    assert found["handle"] != old
    assert found["handle"] in volumes.storage.driver.handles()
    assert found["cut_at"].startswith("1970-01-01")
    assert not manifest["id"].startswith("1970")
    assert "retention: 1 kept, 1 removed" in report.summary


def test_the_last_backup_of_a_claim_that_is_left_out_stays(volumes: Volumes) -> None:
    """As long as no newer one has it. It is the only one by which that claim can come back."""
    volumes.claim("data")
    volumes.claim("logs")
    volumes.run(last=1)
    (first,) = volumes.manifests()
    path = f"/api/v1/namespaces/{volumes.shop.name}/persistentvolumeclaims/logs"
    volumes.api.delete(path)
    wait_until(lambda: not volumes.api.is_fine(path), LIMIT, "the claim is gone")
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"metadata": {"name": "logs"}, "spec": size | {"storageClassName": "nothing"}}
    volumes.api.create(path.rpartition("/")[0], body)
    for _ in range(2):
        report = volumes.run(last=1, leave_out=True)
        assert first["id"] in {one["id"] for one in volumes.manifests()}
        assert {one["handle"] for one in first["records"]} <= volumes.storage.driver.handles()
    assert "retention: 2 kept, 1 removed" in report.summary
    volumes.api.delete(path)
    wait_until(lambda: not volumes.api.is_fine(path), LIMIT, "the claim is gone")
    volumes.run(last=1)
    assert first["id"] not in {one["id"] for one in volumes.manifests()}


def test_the_snapshot_of_a_claim_that_was_made_again_is_no_backup(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the name of the one in the plan when the controller looks, and another volume."""
    volumes.claim("data")
    volumes.storage.controller.kill()

    def create_and_replace(*given: Any) -> Snapshot:  # noqa: ANN401 - as the step gives it
        made = create(*given)
        path = f"/api/v1/namespaces/{volumes.shop.name}/persistentvolumeclaims/data"
        volumes.api.delete(path)
        wait_until(lambda: not volumes.api.is_fine(path), LIMIT, "the claim is gone")
        volumes.claim("other", text="empty")
        body = volumes.api.get(path.replace("/data", "/other"))
        volume = body["spec"]["volumeName"]
        volumes.api.patch(f"/api/v1/persistentvolumes/{volume}", {"spec": {"claimRef": {"name": "data", "uid": None}}})
        volumes.api.create(path.rpartition("/")[0], {"metadata": {"name": "data"}, "spec": body["spec"]})
        volumes.storage.bound(volumes.shop.name, "data")
        volumes.storage.controller.start()
        return made

    create = steps._create  # noqa: SLF001 - between two acts of one step
    monkeypatch.setattr(steps, "_create", create_and_replace)
    with pytest.raises(Refused, match=r"do not belong together: volume is 'vol-\w+', not 'vol-\w+'"):
        volumes.run()
    assert volumes.manifests() == []


def test_a_claim_that_is_deleted_meanwhile_can_be_restored(volumes: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its snapshot may be the last of its data, and a restore needs its access modes, its class and its size."""
    volumes.claim("data")
    path = f"/api/v1/namespaces/{volumes.shop.name}/persistentvolumeclaims/data"

    def retain_and_delete(*given: Any) -> None:  # noqa: ANN401 - as the step gives it
        retain(*given)
        volumes.api.delete(path)
        wait_until(lambda: not volumes.api.is_fine(path), LIMIT, "the claim is gone")

    retain = steps._retain  # noqa: SLF001 - between two acts of one step
    monkeypatch.setattr(steps, "_retain", retain_and_delete)
    volumes.run()
    (manifest,) = volumes.manifests()
    (claim,) = [one for one in manifest["objects"] if one["kind"] == "PersistentVolumeClaim"]
    assert claim["metadata"] == {"name": "data", "namespace": volumes.shop.name}
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert claim["spec"]["resources"] == {"requests": {"storage": "1Gi"}}
    assert claim["spec"]["storageClassName"] == CLASS


@pytest.mark.parametrize(
    ("step", "words", "manifests"),
    [
        ("archive_volumes", "changed after they were ready: it is no backup", 0),
        ("prove_volume_backup", "are not as its manifest says", 1),
    ],
)
def test_a_snapshot_that_somebody_deletes_is_missed(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch, step: str, words: str, manifests: int
) -> None:
    """The run is refused with its name. Before the manifest is written, there is no backup that lacks it."""
    volumes.claim("data")
    original = getattr(flow, step)

    def delete_before(*given: Any) -> Any:  # noqa: ANN401 - as the flow gives it
        volumes.api.delete(f"{SNAPSHOTS}/namespaces/{volumes.shop.name}/volumesnapshots")
        wait_until(lambda: not volumes.snapshots(), LIMIT, "the snapshot is gone")
        return original.fn(*given)

    replaced = original.with_options(task_run_name=step)
    replaced.fn = delete_before
    monkeypatch.setattr(flow, step, replaced)
    with pytest.raises(Refused, match=words):
        volumes.run()
    assert len(volumes.manifests()) == manifests
