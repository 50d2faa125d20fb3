"""A claim of a backup, as the cluster has it now, and the workload that uses it."""

from typing import Any

from tasks.volumes_restore.models.checks import LeftPod, Trial
from tasks.volumes_restore.models.facts import (
    ArchiveFound,
    DiskClass,
    Journal,
    Live,
    SnapshotFound,
    Source,
    Template,
    User,
    VolumeRestoreFacts,
    Way,
)
from tasks.workloads.models.names import Ref
from tests.facts import volumes

RECORD = volumes.record()
BACKUP = volumes.backup(records=(RECORD,)).id
TEMPLATE = Template(
    labels={"app": "db"}, access_modes=("ReadWriteOnce",), storage_class="disk", request="10Gi", node="w1"
)
LIVE = Live(uid="u1", phase="Bound", template=TEMPLATE, volume="pv-1", volume_handle="vol-1")
HERE = Source(
    way=Way.OBJECTS,
    snapshot=RECORD.snapshot,
    content=RECORD.content,
    why="its VolumeSnapshot is here, and agrees with the manifest",
)
IMPORTED = Source(way=Way.HANDLE, snapshot="data-db-0-import-m", content="kube-runbooks-m", why="it is not here")
FOUND = SnapshotFound(record=RECORD, template=TEMPLATE, live=LIVE, source=HERE)
DISK = DiskClass(name="disk", provisioner=volumes.DRIVER)
WAITS = DISK.model_copy(update={"waits": True})
REF = Ref.of("shop", "statefulset/db")
USER = User(name=REF.id, claims=("shop/data-db-0",), ref=REF, uid="w1", replicas=3)
JOURNAL = Journal(
    run=volumes.RUN,
    backup=BACKUP,
    namespace="shop",
    claim="data-db-0",
    claim_uid="u1",
    old_volume="pv-1",
    temporary="data-db-0-switch-m",
    policy="Delete",
    template=TEMPLATE,
)

TRIAL = Trial(
    check=volumes.CHECK,
    name="kube-runbooks-check-0a1b2c3d4e5f",
    like="db-0",
    image="db:1",
    claims=("shop/data-db-0",),
    mounted=("data-new",),
    digest="d1",
)
LEFT = LeftPod(namespace="shop", name=TRIAL.name, uid="p9", claims=("shop/data-db-0",))

ON_NODE = Template(access_modes=("ReadWriteOnce",), storage_class="local", request="5Gi")
ARCHIVE_FOUND = ArchiveFound(
    record=volumes.archive(),
    template=ON_NODE,
    live=Live(uid="u2", phase="Bound", template=ON_NODE, volume="pv-disk", volume_handle="/mnt/disks/a"),
    volume="pv-disk-restored",
    policy="Retain",
)
"""A claim whose volume is a folder of the node w1."""


def archived(**changes: Any) -> ArchiveFound:  # noqa: ANN401 - fields of what was found
    """A claim with an archive, with fields changed."""
    return ARCHIVE_FOUND.model_copy(update=changes)


def found(**changes: Any) -> SnapshotFound:  # noqa: ANN401 - fields of what was found
    """A claim of the backup, with fields changed."""
    return FOUND.model_copy(update=changes)


def live(**changes: Any) -> Live:  # noqa: ANN401 - fields of a claim
    """A claim of the cluster, with fields changed."""
    return LIVE.model_copy(update=changes)


def facts(*claims: SnapshotFound, **changes: Any) -> VolumeRestoreFacts:  # noqa: ANN401 - fields of facts
    """Of a cluster with one StorageClass, one class of snapshots, and two nodes."""
    ordinary: dict[str, Any] = {
        "observed_at": volumes.NOW,
        "backup": BACKUP,
        "from_cluster": "prod",
        "found": claims or (FOUND,),
        "disk_classes": (DISK,),
        "snapshot_classes": (volumes.CLASS,),
        "nodes": ("w1", "w2"),
    }
    return VolumeRestoreFacts(**(ordinary | changes))
