"""`volumes_restore` on a real API server with the real snapshot-controller, csi-snapshotter and csi-provisioner, and a driver of our own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.volumes_backup import volumes_backup
from flows.volumes_restore import volumes_restore
from tasks.check.policy.rights import RIGHTS
from tasks.core.models.plan import Mode
from tasks.core.models.report import Report
from tasks.volumes.models.selection import Selection
from tasks.volumes_restore.models.facts import RESTORE
from tasks.volumes_restore.models.options import ClaimsToRestore, VolumeRestoreOptions
from tests.servers.binaries import is_here
from tests.servers.csi.storage import (
    LIMIT,
    PROVISIONER_VERSION,
    SNAPSHOTS,
    SNAPSHOTTER_VERSION,
    STORAGE,
    VOLUMES,
    Storage,
)
from tests.servers.kubernetes import ControlPlane, Resource
from tests.servers.processes import wait_until
from tests.servers.shop import Shop
from tests.servers.site import Site

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
WAITING = "waiting"
"""The StorageClass whose volumes wait for a pod."""


@pytest.fixture(scope="module")
def storage(two_workers: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """Of the cluster of this file, which makes volumes for new claims."""
    with Storage(two_workers, tmp_path_factory.mktemp("storage")) as made, made.provisioning():
        waits = {"metadata": {"name": WAITING}, "provisioner": made.driver.name}
        made.api.create(f"{STORAGE}/storageclasses", waits | {"volumeBindingMode": "WaitForFirstConsumer"})
        other = {"metadata": {"name": "other"}, "provisioner": "other.example"}
        made.api.create(f"{STORAGE}/storageclasses", other)
        yield made


@pytest.fixture(scope="module")
def user(storage: Storage) -> str:
    """A kubeconfig with the rights that `kube-runbooks check` asks for the restore, and no others."""
    rules = [
        {"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]}
        for one in RIGHTS["volumes_restore"]
    ]
    name, rbac = "volumes-restore", "/apis/rbac.authorization.k8s.io/v1"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
    storage.api.create(f"{rbac}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    storage.api.create(f"{rbac}/clusterrolebindings", body)
    return storage.cluster.kubeconfig(storage.cluster.user(name))


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
            self.file(name).write_text("later")
        self.site.use_api(self.user)
        key = max(self.site.keys(f"{self.site.name}/volumes/"))
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
    for kind in ("deployments", "statefulsets"):
        path = f"/apis/apps/v1/namespaces/{shop.name}/{kind}"
        storage.api.delete(path, {"propagationPolicy": "Foreground"})
    storage.api.delete(shop.pods_path, {"gracePeriodSeconds": 0})
    storage.forget(shop.name)
    for volume in storage.api.get(VOLUMES)["items"]:
        if volume["spec"].get("claimRef", {}).get("namespace") == shop.name:
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
