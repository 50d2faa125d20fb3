"""Handles the control plane's key material.

It is read over SSH into memory, encrypted there, and only then stored beside the snapshot.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from prefect import task

from tasks.backup.archive import pack, seal
from tasks.backup.models.backups import Backup, BackupId, Digest, Pki
from tasks.backup.models.pki import CLUSTER_CONFIGURATION, NodeFile, PkiIndex, PkiSource
from tasks.backup.policy.pki import NodeAnswer, choose_node, nodes_to_ask, what_is_wrong_with_seal
from tasks.backup.policy.snapshots import CORRUPT
from tasks.backup.probes.pki import (
    cluster_configuration,
    describe,
    files_named_by,
    parse_cluster_configuration,
    parse_files,
    places_of,
    runs_etcd,
)
from tasks.backup.store import backups_of
from tasks.clients.objectstore import ObjectStore
from tasks.clients.ssh import SshNode
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.plan import Caution
from tasks.core.redaction import remember_secrets_of
from tasks.core.retries import ACT, OBSERVE

ANSWER_LIMIT = timedelta(seconds=30)
"""Limits each query to a node; kubectl's own limit is half of it."""


@task(**OBSERVE, task_run_name="check-pki-{cluster}")
def check_pki(cluster: str) -> PkiSource:
    """Proves before anything else that the profile has recipients, and that a control plane node has readable keys."""
    handle = open_cluster(cluster)
    return choose_node(_observe(handle))


@task(**ACT, task_run_name="keep-pki-{cluster}")
def keep_pki(cluster: str, backup_id: BackupId) -> Pki:
    """Puts the key material beside the snapshot, encrypted for the profile's recipients, and reads it back.

    The nodes are observed again. Key material is never on the worker's disk, and no content leaves this module.
    """
    handle, read_at = open_cluster(cluster), datetime.now(UTC).replace(microsecond=0)
    recipients, key = handle.profile.backup.recipients, backups_of(handle).pki_key(backup_id)
    source, files, contents = _gather(handle)
    for caution in source.cautions:
        log_about(caution.subject).warning("%s (%s)", caution.problem, caution.next_step)
    index = PkiIndex(cluster=cluster, read_at=read_at, files=files, **dict(source))
    packed = pack({"index.json": index.model_dump_json(indent=2).encode(), **contents}, read_at)
    stored = _store(handle, key, seal(packed, recipients), recipients)
    log_about(source.node).info(
        "key material: %d files in %s, for %d recipients", len(files), handle.store.uri(key), len(recipients)
    )
    return Pki(
        key=key,
        stored=stored,
        paths=tuple(contents),
        recipients=recipients,
        read_at=read_at,
        took=datetime.now(UTC) - read_at,
        **dict(source),
    )


@task(**ACT, task_run_name="read-pki-back-{cluster}")
def read_pki_back(cluster: str, backup: Backup) -> Digest | None:
    """Proves that a backup's key material is stored as it was sent, for the recipients of that time.

    None if the backup has no key material.
    """
    if (kept := backup.pki) is None:
        return None
    _refuse_unless_kept(open_cluster(cluster).store, kept.key, kept.stored, kept.recipients)
    return kept.stored


def _observe(handle: Cluster) -> list[NodeAnswer]:
    """Returns what key material the nodes that run etcd have.

    All other nodes are queried only if none of those is a control plane node.
    """
    answers: list[NodeAnswer] = []
    for nodes in nodes_to_ask(handle.profile):
        if nodes and not any(answer.is_control_plane for answer in answers):
            answers += on_all(partial(_ask, handle), nodes)
    return answers


def _ask(handle: Cluster, name: str) -> NodeAnswer:
    try:
        shape = handle.shape(name)
        if not shape.is_control_plane:
            return NodeAnswer(name, problems=shape.problems)
        places, named = places_of(shape), files_named_by(name, shape)
        paths = dict.fromkeys([*places.values(), *(each.path for each in named)])
        return NodeAnswer(
            name,
            places,
            files=_described_by(handle.node(name), describe(paths, shape.kubelet.manifests)),
            named=named,
            is_control_plane=True,
            has_etcd=runs_etcd(shape),
        )
    except RunbookError as error:
        return NodeAnswer(name, failed=error)


def _described_by(node: SshNode, command: str) -> tuple[NodeFile, ...]:
    output = node.run(command, timeout=ANSWER_LIMIT, sudo=True, check=False)
    return parse_files(node.name, output.status, output.stdout, output.stderr)


def _gather(handle: Cluster) -> tuple[PkiSource, tuple[NodeFile, ...], dict[str, bytes]]:
    """Returns the node, the files, and their contents by path."""
    answers = _observe(handle)
    source = choose_node(answers)
    node = handle.node(source.node)
    files = next(answer.files for answer in answers if answer.node == source.node)
    contents = {file.path: _read(node, file) for file in files}
    try:
        configuration = _cluster_configuration(handle, node)
    except CommandFailed as error:
        caution = Caution(
            subject=node.name,
            problem=f"kubeadm's configuration is not in the backup: {error.problem}",
            next_step="run the backup again when the API server answers; etcd's snapshot has it, too",
        )
        return source.model_copy(update={"cautions": (*source.cautions, caution)}), files, contents
    about = NodeFile(path=CLUSTER_CONFIGURATION, sha256=_digest(configuration).sha256, mode="600", owner="root:root")
    return source, (*files, about), contents | {CLUSTER_CONFIGURATION: configuration}


def _read(node: SshNode, file: NodeFile) -> bytes:
    """Reads a file's content; if it is a key, it is masked in logs from now on."""
    content = node.read_file(file.path, sudo=True)
    remember_secrets_of(content.decode(errors="replace"))
    if _digest(content).sha256 != file.sha256:
        raise NotYet(f"{node.name}: {file.path} changed while it was read", hint="it is read again")
    return content


def _cluster_configuration(handle: Cluster, node: SshNode) -> bytes:
    """Returns kubeadm's own configuration; CommandFailed when the API server, which has it, does not answer."""
    output = node.run(
        cluster_configuration(handle.profile.kubeadm.folder), timeout=ANSWER_LIMIT, sudo=True, check=False
    )
    return parse_cluster_configuration(node.name, output.status, output.stdout, output.stderr)


def _store(handle: Cluster, key: str, sealed: bytes, recipients: Sequence[str]) -> Digest:
    """Stores the encrypted key material over what an earlier attempt left there, and reads it back."""
    handle.store.upload(key, iter((sealed,)))
    sent = _digest(sealed)
    _refuse_unless_kept(handle.store, key, sent, recipients)
    return sent


def _refuse_unless_kept(store: ObjectStore, key: str, sent: Digest, recipients: Sequence[str]) -> None:
    stored = b"".join(store.read(key))
    if (read := _digest(stored)) != sent:
        raise Refused(
            f"{store.uri(key)} is corrupt: stored were {sent.size} bytes with sha256 {sent.sha256}, "
            f"read back were {read.size} bytes with sha256 {read.sha256}",
            hint=CORRUPT,
        )
    if wrong := what_is_wrong_with_seal(stored, recipients):
        raise Refused(f"{store.uri(key)}: {wrong}", hint="take a new backup with --pki")


def _digest(content: bytes) -> Digest:
    return Digest(size=len(content), sha256=hashlib.sha256(content).hexdigest())
