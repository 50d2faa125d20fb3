"""Namespaces are backed up, lost and brought back: objects from S3, data from a snapshot of its storage, or from an archive of a node's folder."""

import hashlib
import json
import os
import shutil
import stat
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
from tests.servers.csi.storage import ATTACHER_VERSION, CLASS, LIMIT, PROVISIONER_VERSION, SNAPSHOTTER_VERSION

SPACE, CLAIM = "shop", "data-db-0"
CRICTL_VERSION = "1.37.0"
SUITES = {
    "csi-snapshotter": SNAPSHOTTER_VERSION,
    "csi-provisioner": PROVISIONER_VERSION,
    "csi-attacher": ATTACHER_VERSION,
}

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
    "wait": ["/bin/busybox", "sleep", "86400"],
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
    not all(is_here(name, version) for name, version in SUITES.items()),
    reason=f"built once: `make binaries ARGS='{' '.join(f'{name}={version}' for name, version in SUITES.items())}'`",
)
def test_a_namespace_is_deleted_and_comes_back_with_its_data(fresh_small: LabSite, tmp_path: Path) -> None:
    """Frozen by real commands in a real container, cut, thawed. Workloads get Ready, Secrets are equal, data by sha256.

    Then once more in place, while the storage first cannot attach the new volume, and then cannot mount it.
    """
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

        cannot_start(database)
        assert database.restore_data() == [f"data proven: the check sums in {SPACE}/db-0 main succeeded"]
        database.wait_ready()
        assert (database.data != old, old.is_dir(), sums(database.data)) == (True, True, wanted)
        assert set(storage.driver.attached) == {database.data.parent.name}
        files_are_checked(database, lab_profile)
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


def cannot_start(database: Database) -> None:
    """The runs end with the reason of the storage: of the controller that attaches, then of the kubelet that mounts."""
    driver = database.storage.driver
    begin: dict[str, Any] = {"select": SELECT, "mode": "apply", "options": {"switch": True, "start_within": "90s"}}
    driver.why_not_attach, driver.why_not_mount = "no path to the pool", "its file system is broken"
    report = database.site.run("volumes_restore", **begin)
    told = "pod db-0: FailedAttachVolume: AttachVolume.Attach failed for volume "
    assert (report["outcome"], told in report["problem"]) == ("failed", True), report["problem"]
    assert "code = Internal desc = no path to the pool" in report["problem"]

    driver.why_not_attach = ""
    report = database.site.run("volumes_restore", **begin)
    told = "pod db-0: FailedMount: MountVolume.SetUp failed for volume "
    assert (report["outcome"], told in report["problem"]) == ("failed", True), report["problem"]
    assert "code = Internal desc = its file system is broken" in report["problem"]
    driver.why_not_mount = ""


def files_are_checked(database: Database, profile: dict[str, Any]) -> None:
    """Beside the old claim, in a pod of its own that a real kubelet starts, and that is gone afterwards. One that cannot start is told."""
    site, pods = database.site, ("-n", SPACE, "get", "pods", "--output=name")
    check = CHECK | {"wait": ["no-such-program"]}
    site.write_profile(**profile | {"volumes": {"hooks": [HOOK], "checks": [check]}})
    begin: dict[str, Any] = {"select": SELECT, "mode": "apply", "options": {"suffix": "beside"}}
    report = site.run("volumes_restore", **begin)
    assert (report["outcome"], "NOT proven: the check sums in " in report["problem"]) == ("refused", True), report[
        "problem"
    ]
    assert database.lab.kubectl(*pods).split() == ["pod/db-0"]

    site.write_profile(**profile)
    report = site.run("volumes_restore", **begin)
    assert report["outcome"] == "completed", report["problem"]
    (told,) = [one for one in report["summary"] if one.startswith("files proven: ")]
    assert told.startswith(f"files proven: the check sums succeeded on {CLAIM}-beside in a pod of its own, {SPACE}/")
    assert database.lab.kubectl(*pods).split() == ["pod/db-0"]


FOLDER = "/srv/ledger"
LEDGER_CLAIM = "data-ledger-0"

LEDGER = f"""\
apiVersion: v1
kind: Namespace
metadata: {{name: ledger}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: ledger}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ""
  claimRef: {{namespace: ledger, name: {LEDGER_CLAIM}}}
  local: {{path: {FOLDER}}}
  nodeAffinity:
    required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [w1]}}]}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: ledger, namespace: ledger}}
spec:
  replicas: 1
  serviceName: ledger
  selector: {{matchLabels: {{app: ledger}}}}
  template:
    metadata: {{labels: {{app: ledger}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: {WORKLOAD}
          command: [/bin/busybox, sh, -c, 'busybox sha256sum -c /data/sums && while :; do busybox sleep 1; done']
          volumeMounts: [{{name: data, mountPath: /data}}]
  volumeClaimTemplates:
    - metadata: {{name: data}}
      spec: {{storageClassName: "", accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"""

FILL = f"""\
mkdir -p {FOLDER}/deep/er; cd {FOLDER}
dd if=/dev/urandom of=rows bs=64k count=160 2> /dev/null
truncate -s 64M sparse; echo end >> sparse
ln rows deep/same; ln -s ../rows deep/link; mkfifo deep/er/pipe; printf x > "$(printf 'deep/a\\nb')"
(echo "$(sha256sum rows | cut -c-64)  /data/rows") > sums
chown -R 4711:4712 .; chown 4713:4714 rows; chmod 2750 deep; chmod 0400 sums; chown 0:0 sums
"""


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_folder_of_a_node_is_archived_and_restored_on_it(fresh_small: LabSite) -> None:
    """Its node is the one of its boot id. All of it comes back: names, owners by number, modes, times, links, holes, attributes, sha256."""
    site, lab, machine = fresh_small, fresh_small.lab, fresh_small.lab["w1"]
    machine.run(FILL)
    folder = Path(f"/proc/{machine.leader}/root{FOLDER}")
    os.setxattr(folder / "rows", "user.origin", b"shop\0")
    lab.kubectl("apply", "-f", "-", text=LEDGER)
    rolled = ("-n", "ledger", "rollout", "status", "statefulset/ledger", "--timeout=120s")
    lab.kubectl(*rolled, limit=130)
    wanted = facts_of(folder)
    told = lab.kubectl("get", "node", "w1", "--output=jsonpath={.status.nodeInfo.bootID}")
    assert told == machine.boot_id

    refused = site.run("volumes_backup", select={"namespaces": ["ledger"]})
    assert (refused["outcome"], "ledger/ledger-0" in refused["problem"]) == ("refused", True), refused["problem"]
    lab.kubectl("-n", "ledger", "scale", "statefulset/ledger", "--replicas=0")
    lab.kubectl("-n", "ledger", "wait", "--for=delete", "pod/ledger-0", "--timeout=60s", limit=70)
    report = site.run("volumes_backup", select={"namespaces": ["ledger"]})
    assert report["outcome"] == "completed", report["problem"]

    machine.run(f"cd {FOLDER}; echo spoiled > rows; chown 0:0 rows; rm sums deep/link")
    report = site.run("volumes_restore", mode="apply", options={"suffix": "restored"})
    assert report["outcome"] == "completed", report["problem"]
    restored = folder.with_name("ledger-restored")
    assert facts_of(restored) == wanted
    assert (restored / "sparse").stat().st_blocks * 512 < 2**20
    assert (restored / "rows").stat().st_ino == (restored / "deep" / "same").stat().st_ino
    assert (folder / "rows").read_text() == "spoiled\n"

    lab.kubectl("-n", "ledger", "delete", "statefulset/ledger", "--timeout=60s", limit=70)
    pod = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: proof, namespace: ledger}}
spec:
  containers: [{{name: main, image: {WORKLOAD}, command: [/bin/busybox, sleep, "600"], volumeMounts: [{{name: data, mountPath: /data}}]}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: {LEDGER_CLAIM}-restored}}}}]
"""
    lab.kubectl("apply", "-f", "-", text=pod)
    lab.kubectl("-n", "ledger", "wait", "--for=condition=Ready", "pod/proof", "--timeout=60s", limit=70)
    told = lab.kubectl("-n", "ledger", "exec", "proof", "--", "/bin/busybox", "sha256sum", "-c", "/data/sums")
    assert told.strip() == "/data/rows: OK"


def facts_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Of all that is below it, by name."""
    found = sorted(Path(base) / name for base, folders, files in os.walk(folder) for name in (*folders, *files))
    return {str(one.relative_to(folder)): _facts(one) for one in found}


def _facts(one: Path) -> tuple[object, ...]:
    told = one.lstat()
    is_file = stat.S_ISREG(told.st_mode)
    digest = hashlib.sha256(one.read_bytes()).hexdigest() if is_file else ""
    target = str(one.readlink()) if one.is_symlink() else ""
    named = os.listxattr(one, follow_symlinks=False)
    notes = {name: os.getxattr(one, name, follow_symlinks=False) for name in named}
    size = told.st_size if is_file else 0
    return (oct(told.st_mode), told.st_uid, told.st_gid, size, told.st_mtime_ns, digest, target, notes)
