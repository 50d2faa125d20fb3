"""A namespace with a database is frozen, backed up, deleted, and brought back: objects from S3, data from a snapshot of its storage."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tests.e2e.csi import LabStorage, storage_on
from tests.e2e.site import LabSite
from tests.lab.images import WORKLOAD
from tests.servers.binaries import binaries, is_here
from tests.servers.csi.storage import CLASS, LIMIT, PROVISIONER_VERSION, SNAPSHOTTER_VERSION

SPACE, CLAIM = "shop", "data-db-0"
CRICTL_VERSION = "1.37.0"

WRITES = """\
[ -e /data/sums ] || { busybox dd if=/dev/urandom of=/data/rows bs=64k count=16 2> /dev/null; busybox sha256sum /data/rows > /data/sums; }
i=0
while :; do
  [ -e /data/frozen ] || { i=$((i+1)); echo $i > /data/first; echo $i > /data/second; }
  busybox sleep 0.05
done
"""
"""Both files are equal unless it is in the middle of a write, which takes no longer than a second."""

SHOP = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: {SPACE}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: password, namespace: {SPACE}}}
stringData: {{password: correct-horse-battery}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: {SPACE}}}
data: {{level: high}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db, namespace: {SPACE}}}
spec:
  replicas: 1
  serviceName: db
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: {WORKLOAD}
          command: [/bin/busybox, sh, -c, {json.dumps(WRITES)}]
          envFrom: [{{secretRef: {{name: password}}}}, {{configMapRef: {{name: settings}}}}]
          readinessProbe: {{exec: {{command: [/bin/busybox, test, -e, /data/second]}}, periodSeconds: 1}}
          volumeMounts: [{{name: data, mountPath: /data}}]
  volumeClaimTemplates:
    - metadata: {{name: data}}
      spec: {{storageClassName: {CLASS}, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"""

HOOK: dict[str, Any] = {
    "name": "pause-writes",
    "namespace": SPACE,
    "labels": "app=db",
    "container": "main",
    "freeze": ["/bin/busybox", "sh", "-c", "busybox touch /data/frozen; busybox sleep 1; echo told$((40 + 2))"],
    "thaw": ["/bin/busybox", "rm", "-f", "/data/frozen"],
}
CHECK: dict[str, Any] = {
    "name": "sums",
    "namespace": SPACE,
    "labels": "app=db",
    "container": "main",
    "command": ["/bin/busybox", "sha256sum", "-c", "/data/sums"],
}
SELECT = {"namespaces": [SPACE]}


class Database:
    """The namespace, as its cluster and its storage have it."""

    def __init__(self, site: LabSite, storage: LabStorage) -> None:
        self.site, self.lab, self.storage = site, site.lab, storage
        self.lab.kubectl("apply", "-f", "-", text=SHOP)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Its pod writes, or would if it were not frozen."""
        self.lab.kubectl("-n", SPACE, "rollout", "status", "statefulset/db", "--timeout=120s", limit=130)

    @property
    def data(self) -> Path:
        """Where the storage has the volume."""
        claim = self.storage.api.get(f"/api/v1/namespaces/{SPACE}/persistentvolumeclaims/{CLAIM}")
        return self.storage.data(claim)

    @property
    def marker(self) -> Path:
        """Is there while it is frozen."""
        return self.data / "frozen"

    def secret(self) -> dict[str, str]:
        """Its values."""
        found: dict[str, str] = self.storage.api.get(f"/api/v1/namespaces/{SPACE}/secrets/password")["data"]
        return found

    def back_up(self) -> tuple[dict[str, Any], Path]:
        """The report, and where the storage has the data of the snapshot: cut between two writes, and thawed again."""
        report = self.site.run("volumes_backup", select=SELECT)
        assert report["outcome"] == "completed", report["problem"]
        key = max(self.site.keys(f"{self.site.name}/volumes/"))
        manifest: dict[str, Any] = json.loads(self.site.read(key))
        (record,) = manifest["records"]
        (frozen,) = manifest["quiesced"]
        print(f"frozen for {frozen['seconds']} s at most")
        assert (frozen["hook"], frozen["claims"]) == ("pause-writes", [f"{SPACE}/{CLAIM}"])
        cut = self.storage.driver.snapshots / record["handle"] / "data"
        assert sorted(sums(cut)) == ["first", "frozen", "rows", "second", "sums"]
        assert (cut / "first").read_text() == (cut / "second").read_text()
        assert (self.marker.exists(), self.journals()) == (False, [])
        return report, cut

    def restore_data(self) -> list[str]:
        """From the newest backup, in the place of what is there. Returns what the report says of the data."""
        report = self.site.run("volumes_restore", select=SELECT, mode="apply", options={"switch": True})
        assert report["outcome"] == "completed", report["problem"]
        return [one for one in report["summary"] if one.startswith("data ")]

    def journals(self) -> list[str]:
        """Of runs that may have left something frozen."""
        return self.site.keys(f"{self.site.name}/volumes-frozen/")


def sums(folder: Path) -> dict[str, str]:
    """sha256 of each file."""
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(folder.iterdir())}


@contextmanager
def broken(storage: LabStorage) -> Iterator[None]:
    """A storage that cuts nothing."""
    storage.driver.why_not = "the pool is full"
    try:
        yield
    finally:
        storage.driver.why_not = ""


def restore(site: LabSite, *kinds: str) -> dict[str, Any]:
    """The objects of these kinds of the namespace."""
    return site.run("resources_restore", select={**SELECT, "kinds": kinds}, mode="apply")


@pytest.mark.full
@pytest.mark.timeout(1500)
@pytest.mark.skipif(
    not (is_here("csi-snapshotter", SNAPSHOTTER_VERSION) and is_here("csi-provisioner", PROVISIONER_VERSION)),
    reason=f"built once: `make binaries ARGS='csi-snapshotter={SNAPSHOTTER_VERSION} csi-provisioner={PROVISIONER_VERSION}'`",
)
def test_a_namespace_is_deleted_and_comes_back_with_its_data(fresh_small: LabSite, tmp_path: Path) -> None:
    """Frozen by real commands in a real container, cut, thawed. Workloads get Ready, Secrets are equal, data by sha256; then once more in place."""
    site, lab = fresh_small, fresh_small.lab
    key = pyrage.x25519.Identity.generate()
    identity = tmp_path / "identity"
    identity.touch(mode=0o600)
    identity.write_text(str(key))
    backup = lab.profile.get("backup", {}) | {
        "recipients": [str(key.to_public())],
        "identity": f"file:{identity}",
    }
    lab_profile = {"volumes": {"hooks": [HOOK], "checks": [CHECK]}, "backup": backup}
    site.write_profile(**lab_profile)
    with storage_on(lab, "w1", tmp_path / "storage") as storage:
        database = Database(site, storage)
        secret = database.secret()

        for program in ("ctr", "crictl"):
            if program == "crictl":
                if not is_here("crictl", CRICTL_VERSION):
                    continue
                shutil.copy2(
                    binaries("crictl", CRICTL_VERSION) / "crictl",
                    Path(f"/proc/{lab['w1'].leader}/root/usr/local/bin/crictl"),
                )
            database.back_up()

        cut = killed_while_frozen(database)
        site.write_profile(**lab_profile)

        assert site.run("resources_backup_to_s3")["outcome"] == "completed"
        lab.kubectl("delete", "namespace", SPACE, "--timeout=120s", limit=130)
        site.wait(lambda: list(storage.driver.volumes.iterdir()) == [], LIMIT, "the storage has deleted the volume")
        wanted = sums(cut)

        assert restore(site, "Secret", "ConfigMap")["outcome"] == "completed"
        assert database.restore_data() == ["data NOT proven: the check sums fits no pod that uses a restored claim"]
        assert restore(site, "StatefulSet")["outcome"] == "completed"
        database.wait_ready()
        assert (database.secret(), sums(database.data)) == (secret, wanted)
        told = lab.kubectl("-n", SPACE, "exec", "db-0", "--", "/bin/busybox", "sha256sum", "/data/rows")
        assert told.split()[0] == wanted["rows"]
        env = lab.kubectl("-n", SPACE, "exec", "db-0", "--", "/bin/busybox", "env")
        assert {"password=correct-horse-battery", "level=high"} <= set(env.split())
        old = database.data
        lab.kubectl("-n", SPACE, "exec", "db-0", "--", *HOOK["thaw"])
        site.wait(lambda: (old / "second").read_text() != (cut / "second").read_text(), LIMIT, "it writes again")

        assert database.restore_data() == [f"data proven: the check sums in {SPACE}/db-0 main succeeded"]
        database.wait_ready()
        assert (database.data != old, old.is_dir(), sums(database.data)) == (True, True, wanted)
        texts = [
            site.read(one).decode(errors="replace") for one in site.keys(f"{site.name}/") if not one.endswith(".zst")
        ]
        assert not any("told42" in one or "correct-horse" in one for one in texts)


def killed_while_frozen(database: Database) -> Path:
    """The node thaws by its own timer; the next run says that nothing is left to thaw, and is a backup."""
    site = database.site
    site.write_profile(volumes={"hooks": [HOOK | {"limit": "8s"}]})
    with broken(database.storage):
        site.kill_when(database.marker.exists, "volumes_backup", select=SELECT)
        assert len(database.journals()) == 1
        site.wait(lambda: not database.marker.exists(), LIMIT, "the node thaws it")
    report, cut = database.back_up()
    (thawed,) = [one["evidence"] for one in report["done"] if one["step"] == "thaw containers"]
    assert thawed == {"thawed": [], "over": [f"{SPACE}/db-0 main"]}
    return cut
