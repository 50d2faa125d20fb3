"""Takes snapshots on the node itself: no byte passes through the worker, and no key of the store reaches the node."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tasks.backup.models.backups import BackupId, BackupPlan, Snapshot
from tasks.backup.policy.snapshots import CORRUPT, what_is_implausible
from tasks.backup.scripts.etcd_tools import find_tools, no_tools, socket_of_containerd
from tasks.backup.scripts.node_snapshot import (
    NodeSnapshot,
    input_of,
    parse_read_back,
    parse_snapshot,
    parts_for,
    prepare_node,
    read_back,
    take_snapshot,
    what_is_missing,
)
from tasks.backup.sources import Source, origin_of
from tasks.backup.store import backups_of
from tasks.clients.objectstore import UnfinishedUpload
from tasks.clients.ssh import CALL, Job, NodeShell, SshNode, run_job, stop_job
from tasks.cluster import Cluster
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import KeySpaceHash, MemberStatus
from tasks.core.models.kubeadm import ETCD
from tasks.core.models.profile import Route

LIMIT = timedelta(hours=2)
"""Limits the job and the lifetime of its upload URLs; 8 GB at 100 Mbit/s take a quarter of an hour."""

GENTLE = 10
"""This is the niceness of the job, because the node has to run etcd."""


def snapshot_by_node(handle: Cluster, plan: BackupPlan, source: Source, run_id: str) -> Snapshot:
    """Lets the node take a snapshot of its member, check and compress it, and upload it by presigned URLs.

    Its temporary file is removed with the job, however that ends. An interrupted attempt is stopped before a new one
    starts.
    """
    member, status, node = source.member, source.status, _node_of(handle, source.member.node)
    check_node(node, status.db_size)
    stop_job(node, f"backup-{run_id}-*")
    tools = etcd_tools(handle, node.name, ".".join(status.version.split(".")[:2]))
    revision, taken_at = source.client.revision(), datetime.now(UTC).replace(microsecond=0)
    backup_id = BackupId(taken_at=taken_at, revision=revision, run=run_id)
    key = backups_of(handle).data_key(backup_id)
    name = f"backup-{run_id}-{taken_at:%Y%m%dt%H%M%Sz}"
    script = take_snapshot(name, tools, handle.on_node(member.endpoint), revision)
    found = _uploaded(handle, source, node, Job(name, script, LIMIT, nice=GENTLE), key)
    took = datetime.now(UTC) - taken_at
    log_about(node.name).info(
        "uploaded %d bytes as %d in %s to %s", found.plain.size, found.stored.size, took, handle.store.uri(key)
    )
    return Snapshot(
        backup_id=backup_id,
        key=key,
        cluster_id=plan.cluster_id,
        member=member.name,
        member_id=member.id,
        route=Route.NODE,
        node=member.node,
        etcd_version=status.version,
        storage_version=found.storage_version or status.storage_version,
        revision=revision,
        newest_revision=found.newest_revision,
        key_count=found.key_count,
        live_hash=_live_hash(found, revision),
        origin=origin_of(handle, source),
        plain=found.plain,
        stored=found.stored,
        taken_at=taken_at,
        took=took,
    )


def _uploaded(handle: Cluster, source: Source, node: SshNode, job: Job, key: str) -> NodeSnapshot:
    """Returns what the job found and sent; the object appears only if all of it is plausible."""
    upload = handle.store.start_upload(key)
    try:
        urls = handle.store.part_urls(upload, parts_for(source.status.db_size), LIMIT)
        done = run_job(node, job, stdin=input_of(urls, store_ca(handle)))
        found = parse_snapshot(node.name, done.output)
        _check_size(found, source.member.label, source.status)
        handle.store.complete(upload, found.etags)
    except BaseException:
        _give_up(handle, node, job.name, upload)
        raise
    return found


def read_back_by_node(handle: Cluster, snapshot: Snapshot) -> None:
    """Lets the node read the whole stored object; `Refused` with both digests unless it is what was sent."""
    node = _node_of(handle, snapshot.node)
    name = f"read-{snapshot.backup_id.run}-{datetime.now(UTC):%Y%m%dt%H%M%Sz}"
    url = handle.store.url(snapshot.key, LIMIT)
    job = Job(name, read_back(name), LIMIT, nice=GENTLE)
    done = run_job(node, job, stdin=input_of([url], store_ca(handle)))
    if (read := parse_read_back(node.name, done.output)) != (snapshot.stored, snapshot.plain):
        raise Refused(
            f"{handle.store.uri(snapshot.key)} is corrupt: sent were {snapshot.stored} of {snapshot.plain}, "
            f"{node.name} read {read[0]} of {read[1]}",
            hint=CORRUPT,
        )


def etcd_tools(handle: Cluster, name: str, minor: str) -> str:
    """Returns the folder on a node with etcdctl and etcdutl of a minor version; `Refused` when it has none."""
    member = handle.shape(name).pods.get(ETCD)
    return find_etcd_tools(handle, name, minor, member.image if member else "")


def find_etcd_tools(handle: Cluster, name: str, minor: str, image: str) -> str:
    """Returns the same folder as `etcd_tools`, if the member's image is already known."""
    node, runtime = handle.node(name), handle.shape(name).kubelet.runtime_endpoint
    found = node.run(find_tools(minor, image, socket_of_containerd(runtime)), timeout=CALL, sudo=True, check=False)
    if found.status == 0:
        return found.stdout.decode().strip()
    raise no_tools(node.name, minor, image, found.status, found.stderr)


def check_node(node: SshNode, database_bytes: int) -> None:
    """`Refused` unless it has the programs and the space for a snapshot of a database of that size."""
    found = NodeShell(node).ask(prepare_node())
    if wrong := what_is_missing(node.name, found, database_bytes):
        raise Refused("; ".join(wrong), hint="install or free it there, or use route tunnel or direct")


def _check_size(found: NodeSnapshot, member: str, status: MemberStatus) -> None:
    if wrong := what_is_implausible(found.plain.size, status):
        raise NotYet(f"{member}: {wrong}", hint="check the log of this member; the run takes the snapshot again")


def _give_up(handle: Cluster, node: SshNode, job: str, upload: UnfinishedUpload) -> None:
    """Removes what the job left on the node and in the store, as far as they can be reached now.

    A later sweep removes the rest.
    """
    for leave in (partial(stop_job, node, job), partial(handle.store.abort, upload)):
        try:
            leave()
        except RunbookError as error:
            log_about(node.name).warning("left behind for now: %s", error)


def _live_hash(found: NodeSnapshot, revision: int) -> KeySpaceHash:
    return KeySpaceHash(hash=found.hash, revision=revision, compact_revision=max(found.compact_revision, 0))


def _node_of(handle: Cluster, name: str | None) -> SshNode:
    if name is None:
        raise Refused("etcd.endpoints: the member has no node", hint="name its node, or use the direct route")
    return handle.node(name)


def store_ca(handle: Cluster) -> bytes:
    """Returns the CA for nodes that connect to the store; empty if the nodes' own CAs are enough."""
    path = handle.profile.store.ca
    return Path(path).read_bytes() if path else b""
