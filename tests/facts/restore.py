"""A cluster that is to be restored, and a backup of it."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import ControlPlaneNode, MemberOnNode, Phase, Place, RestoreRecord
from tasks.restore.models import ControlPlaneFacts, RestorePlan, RestoreRequest
from tasks.restore.policy.plan import plan_restore
from tests.facts.control_plane import ON_NODE

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIB = 2**20
LEADERS = ("kube-controller-manager", "kube-scheduler")
ALL_PODS = ("etcd", "kube-apiserver", *LEADERS)
DIGEST: dict[str, Any] = {"size": 10 * MIB, "sha256": "5" * 64}
BACKUP_ID = "20261123T100000Z-4711-0a1b2c3d"
ORIGIN = {"members": ["cp1", "cp2"], "nodes": ["cp1", "cp2", "w1"], "authorities": ["aa" * 32]}


def backup(**changes: Any) -> Backup:  # noqa: ANN401
    """Of cluster prod, two hours old, by etcd 3.6.8."""
    live = {"hash": 1, "revision": 4711, "compact_revision": 4000}
    snapshot = {
        "backup_id": BACKUP_ID,
        "key": "prod/etcd/x/snapshot.db.zst",
        "cluster_id": "c1",
        "member": "cp1",
        "member_id": "1",
        "route": "tunnel",
        "etcd_version": "3.6.8",
        "storage_version": "3.6.0",
        "revision": 4711,
        "newest_revision": 4712,
        "key_count": 500,
        "live_hash": live,
        "origin": changes.pop("origin", ORIGIN),
        "plain": DIGEST,
        "stored": DIGEST,
        "taken_at": NOON - timedelta(hours=2),
        "took": timedelta(seconds=1),
    }
    manifest = {
        "id": BACKUP_ID,
        "cluster": "prod",
        "snapshot": snapshot,
        "read_back": {"stored": DIGEST, "plain": DIGEST, "took": timedelta(seconds=1)},
        "tool": "kube-runbooks",
        "flow_run": "0a1b2c3d",
        "written_at": NOON,
    }
    return Backup.model_validate(manifest | changes)


def member(name: str, **changes: object) -> MemberOnNode:
    """A stacked one of etcd 3.6.8, with enough room."""
    usual = {
        "name": name,
        "image": "registry.k8s.io/etcd:3.6.8-0",
        "version": "3.6.8",
        "data_dir": PurePosixPath("/var/lib/etcd"),
        "is_mount": False,
        "owner": "0:0",
        "data_bytes": 30 * MIB,
        "free_bytes": 1000 * MIB,
        "peer_url": f"https://{name}:2380",
        "client_url": f"https://{name}:2379",
        "on_node": ON_NODE,
    }
    return MemberOnNode.model_validate(usual | changes)


def node(name: str, **changes: object) -> ControlPlaneNode:
    """A control plane node with a member."""
    usual = {
        "name": name,
        "manifests": dict.fromkeys(ALL_PODS, Place.ACTIVE),
        "running": ALL_PODS,
        "electing": LEADERS,
        "member": member(name),
        "authorities": ("aa" * 32,),
        "work_free_bytes": 1000 * MIB,
        "tools": "/usr/bin",
    }
    return ControlPlaneNode.model_validate(usual | changes)


WORKER = ControlPlaneNode(name="w1")


def facts(*nodes: ControlPlaneNode, live_revision: int | None = None, **live: Any) -> ControlPlaneFacts:  # noqa: ANN401
    """These nodes at noon."""
    return ControlPlaneFacts(observed_at=NOON, nodes=nodes, live_revision=live_revision, **live)


def record(phase: Phase | None, *, backup_id: str = BACKUP_ID, members: tuple[str, ...] = ("cp1",)) -> RestoreRecord:
    """What restore 22222222 has left."""
    return RestoreRecord(id="22222222", backup=backup_id, members=members, phase=phase)


def plan(found: ControlPlaneFacts, **changes: Any) -> RestorePlan:  # noqa: ANN401
    """As run 11111111 would have it, confirmed; `changes` of the backup, the run, and what is asked for."""
    of_backup, restore_id = changes.pop("backup", backup()), changes.pop("restore_id", "11111111")
    request = RestoreRequest.model_validate({"cluster": "prod", "confirm": "prod"} | changes)
    return plan_restore(found, of_backup, request, restore_id=restore_id, now=NOON)
