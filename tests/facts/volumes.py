"""Claims, volumes and snapshots of a shop, as the API has them and as facts."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.backup.models.backups import Digest
from tasks.core.models.profile import VolumeCheck, VolumeHook
from tasks.nodes.models.pods import NodeTerm, Operator, Requirement
from tasks.volumes.models.archives import Archive, Folder, Home, PodOfClaim
from tasks.volumes.models.backups import VolumeBackup, VolumeRecord
from tasks.volumes.models.facts import Claim, SnapshotClass, Target, Volume, VolumeFacts
from tasks.volumes.models.freezes import Freeze, HookPod, Quiesced
from tasks.volumes.models.selection import Selection
from tasks.volumes.models.snapshots import Content, Pair, Snapshot

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DRIVER = "disk.example"
RUN = "4e5f7061-8293-a4b5-c6d7-e8f90a1b2c3d"
SHOP = Selection(namespaces=("shop",))
CLASS = SnapshotClass(name="fast", driver=DRIVER, policy="Delete")
CLAIM = Claim(
    namespace="shop", name="data-db-0", uid="u1", phase="Bound", volume="pv-1", storage_class="disk", size="10Gi"
)
VOLUME = Volume(name="pv-1", driver=DRIVER, handle="vol-1", source="csi")
TARGET = Target(claim=CLAIM, volume=VOLUME, snapshot_class=CLASS)
SNAPSHOT = Snapshot(
    namespace="shop",
    name="data-db-0-0a1b2c3d4e5f",
    uid="s1",
    run=RUN,
    claim="data-db-0",
    content="snapcontent-s1",
    is_ready=True,
    is_seen=True,
    created_at=NOW,
)
CONTENT = Content(
    name="snapcontent-s1",
    run=RUN,
    driver=DRIVER,
    policy="Retain",
    class_policy="Delete",
    snapshot="shop/data-db-0-0a1b2c3d4e5f",
    snapshot_uid="s1",
    volume="vol-1",
    handle="snap-1",
    size=10 * 2**30,
    cut_at=NOW,
    is_ready=True,
    is_seen=True,
    created_at=NOW,
)
HOOK = VolumeHook(
    name="mysql",
    namespace="shop",
    labels="app=db",
    container="main",
    freeze=("mysql", "-e", "FLUSH TABLES; LOCK"),
    thaw=("sh", "-c", "it's a 'word'"),
)
CHECK = VolumeCheck(
    name="sums",
    namespace="shop",
    labels="app=db",
    container="main",
    command=("sha256sum", "--check", "/data/SHA256SUMS"),
)
POD = HookPod(
    hook="mysql",
    namespace="shop",
    pod="db-0",
    pod_uid="p1",
    node="w1",
    phase="Running",
    container="main",
    container_id="0a1b2c3d4e5f60718293",
    containers=("main", "metrics"),
    is_ready=True,
    claims=("shop/data-db-0", "shop/other"),
)
FREEZE = Freeze(
    hook="mysql",
    namespace="shop",
    pod="db-0",
    pod_uid="p1",
    node="w1",
    container="main",
    container_id="0a1b2c3d4e5f60718293",
    claims=("shop/data-db-0",),
    freeze=HOOK.freeze,
    thaw=HOOK.thaw,
    limit=timedelta(seconds=30),
)
QUIESCED = Quiesced(
    hook="mysql", pod="shop/db-0", container="main", claims=("shop/data-db-0",), frozen_at=NOW, seconds=1.25
)
PAIR = Pair(snapshot=SNAPSHOT, content=CONTENT)


def claim(**changes: object) -> Claim:
    """Another one."""
    return CLAIM.model_copy(update=changes)


def facts(*claims: Claim, **changes: Any) -> VolumeFacts:  # noqa: ANN401 - fields of facts
    """Of a cluster with one class, and the volume of the claim."""
    ordinary: dict[str, Any] = {"observed_at": NOW, "volumes": (VOLUME,), "classes": (CLASS,), "has_snapshots": True}
    return VolumeFacts(claims=claims, **(ordinary | changes))


def pair(snapshot: dict[str, object] | None = None, content: dict[str, object] | None = None) -> Pair:
    """A finished snapshot, with fields changed."""
    return Pair(snapshot=SNAPSHOT.model_copy(update=snapshot or {}), content=CONTENT.model_copy(update=content or {}))


def record(**changes: object) -> VolumeRecord:
    """Of the finished snapshot."""
    made = VolumeRecord(
        namespace="shop",
        claim="data-db-0",
        claim_uid="u1",
        volume="pv-1",
        volume_handle="vol-1",
        driver=DRIVER,
        snapshot=SNAPSHOT.name,
        snapshot_uid="s1",
        content="snapcontent-s1",
        handle="snap-1",
        restore_size=10 * 2**30,
        cut_at=NOW,
        created_at=NOW,
        mode="Filesystem",
        snapshot_class=CLASS,
    )
    return made.model_copy(update=changes)


def backup(**changes: Any) -> VolumeBackup:  # noqa: ANN401 - fields of a backup
    """Of two claims, cut 1.5 s apart."""
    other = record(claim="data-db-1", handle="snap-2", restore_size=0, cut_at=NOW + timedelta(seconds=1.5))
    ordinary: dict[str, Any] = {
        "id": f"20261123T120000Z-{SHOP.series}-{RUN}",
        "cluster": "prod",
        "selection": SHOP,
        "records": (record(), other),
        "tool": "kube-runbooks 1",
        "flow_run": RUN,
        "written_at": NOW,
    }
    return VolumeBackup(**(ordinary | changes))


DISK = Volume(
    name="pv-disk",
    uid="v1",
    source="local",
    path="/mnt/disks/a",
    node_terms=(NodeTerm(labels=(Requirement(key="kubernetes.io/hostname", operator=Operator.IN, operands=("w1",)),)),),
)
"""A folder of the node w1."""

DISK_CLAIM = CLAIM.model_copy(update={"name": "logs", "uid": "u2", "volume": DISK.name, "storage_class": "local"})
FOLDER = Folder(
    boot_id="b1", kind="directory", real=DISK.path, filesystem="ext2/ext3", size=5000, entries=7, free=10**12
)
HOME = Home(volume=DISK.name, node="w1", boot_id="b1", folder=FOLDER)
USER = PodOfClaim(
    namespace="shop",
    name="db-0",
    uid="p1",
    node="w1",
    controller_kind="StatefulSet",
    controller="db",
    claims=("shop/logs",),
)


def folder(**changes: object) -> Home:
    """The node of the disk, with another answer."""
    return HOME.model_copy(update={"folder": FOLDER.model_copy(update=changes)})


def disk_facts(home: Home = HOME, **changes: Any) -> VolumeFacts:  # noqa: ANN401 - fields of facts
    """Of a claim on that disk, in a cluster without snapshots."""
    ordinary: dict[str, Any] = {"volumes": (DISK,), "classes": (), "has_snapshots": False, "homes": (home,)}
    return facts(DISK_CLAIM, **(ordinary | changes))


def archive(**changes: object) -> Archive:
    """Of that disk."""
    stem = f"prod/volumes/archives/{RUN}/shop.logs-20261123T120000.000000Z"
    made = Archive(
        namespace="shop",
        claim="logs",
        claim_uid="u2",
        volume=DISK.name,
        volume_uid="v1",
        source="local",
        node="w1",
        path=DISK.path,
        data_key=f"{stem}.tar.zst",
        list_key=f"{stem}.list.zst",
        stored=Digest(size=1200, sha256="aa"),
        plain=Digest(size=10240, sha256="bb"),
        listed=Digest(size=300, sha256="cc"),
        files=5,
        filesystem="ext2/ext3",
        taken_at=NOW,
        took=timedelta(seconds=3),
    )
    return made.model_copy(update=changes)
