"""Contains the Prefect tasks that let nodes archive volumes which have no snapshots, and read the archives back.

No byte passes through the worker, and no key of the store reaches a node: it gets presigned URLs.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial

from prefect import task

from tasks.backup.backups import delete_unlocked
from tasks.backup.node_snapshots import GENTLE, store_ca
from tasks.backup.scripts.node_snapshot import input_of
from tasks.clients.objectstore import UnfinishedUpload
from tasks.clients.ssh import Job, SshNode, run_job, stop_job
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.retries import ACT
from tasks.volumes.models.archives import Archive, Archived, PodOfClaim
from tasks.volumes.models.facts import ArchiveTarget, VolumePlan
from tasks.volumes.models.selection import LONGEST_WAIT, VolumeOptions
from tasks.volumes.observe import path_of_claims, read_users
from tasks.volumes.policy.places import how_to_stop, who_uses
from tasks.volumes.policy.sizes import list_parts_for, part_bytes, parts_for
from tasks.volumes.probes.objects import VOLUMES, parse_claim, parse_volume
from tasks.volumes.scripts.archives import (
    Packed,
    archive,
    input_of_archive,
    parse_packed,
    parse_read,
    read_archive,
)
from tasks.volumes.store import volumes_of

NEW_PLAN = "run this again: it makes a new plan"


@task(**ACT, task_run_name="archive-volumes-{cluster}")
def archive_volumes(cluster: str, plan: VolumePlan, run_id: str, options: VolumeOptions) -> Archived:
    """Lets each node archive its volumes, one after another; several nodes do so at the same time.

    An archive that an earlier attempt of this run finished counts. What else such an attempt left is stopped and removed first.
    Raises `Refused` if a claim, its volume or its node is no longer that of the plan, or if pods use it and that is not accepted.
    """
    if not plan.archives:
        return Archived()
    handle = open_cluster(cluster)
    nodes = sorted({one.node for one in plan.archives})
    on_all(lambda name: stop_job(handle.node(name), f"archive-{run_id}-*"), nodes)
    kept = _finished(handle, plan, run_id)
    removed = _remove_of_run(handle, run_id, kept.values())

    def of_node(name: str) -> list[Archive]:
        mine = [one for one in plan.archives if one.node == name]
        return [kept.get(one.claim.id) or _archive(handle, one, run_id, options) for one in mine]

    made = [one for found in on_all(of_node, nodes) for one in found]
    return Archived(archives=tuple(sorted(made, key=lambda one: one.id)), kept=tuple(sorted(kept)), removed=removed)


def _finished(handle: Cluster, plan: VolumePlan, run_id: str) -> dict[str, Archive]:
    """Returns the archives of the plan that an earlier attempt of this run finished, by claim. Their bytes are read back later."""
    targets = {one.claim.id: (one.claim.uid, one.volume.uid, one.node, one.volume.path) for one in plan.archives}
    found = {}
    for one in volumes_of(handle).noted(run_id):
        if (one.claim_uid, one.volume_uid, one.node, one.path) == targets.get(one.id):
            log_about(one.id).info("archived already, at %s by an earlier attempt of this run", one.taken_at)
            found[one.id] = one
    return found


def _remove_of_run(handle: Cluster, run_id: str, kept: Collection[Archive]) -> tuple[str, ...]:
    """Removes what an earlier attempt of this run left unfinished: archives and uploads."""
    volumes = volumes_of(handle)
    stay = {key for one in kept for key in volumes.keys_of(one)}
    uploads = volumes.archive_uploads(run_id)
    objects = [one for one in volumes.archive_objects(run_id) if one.key not in stay]
    for upload in uploads:
        handle.store.abort(upload)
    for found in objects:
        _give_up(run_id, [partial(delete_unlocked, handle.store, found)])
    return (*(one.key for one in uploads), *(one.key for one in objects))


def _archive(handle: Cluster, target: ArchiveTarget, run_id: str, options: VolumeOptions) -> Archive:
    before = _gate(handle, target, options)
    now = datetime.now(UTC)
    data_key, list_key = volumes_of(handle).archive_keys(run_id, target.claim, now)
    packed, fuzzy = _sent(handle, target, run_id, now, (list_key, data_key), options, before)
    took = datetime.now(UTC) - now
    claim, volume = target.claim, target.volume
    log_about(claim.id).info(
        "%d files, %d bytes, archived as %d in %s", packed.files, packed.plain.size, packed.stored.size, took
    )
    made = Archive(
        namespace=claim.namespace,
        claim=claim.name,
        claim_uid=claim.uid,
        volume=volume.name,
        volume_uid=volume.uid,
        source="local" if volume.source == "local" else "hostPath",
        node=target.node,
        path=volume.path,
        data_key=data_key,
        list_key=list_key,
        stored=packed.stored,
        plain=packed.plain,
        listed=packed.listed,
        files=packed.files,
        entries=packed.entries,
        filesystem=packed.filesystem,
        fuzzy=fuzzy,
        left_out=packed.left_out,
        taken_at=now,
        took=took,
    )
    volumes_of(handle).note(made)
    return made


def _gate(handle: Cluster, target: ArchiveTarget, options: VolumeOptions) -> tuple[PodOfClaim, ...]:
    """Returns the pods that use the claim now. `Refused` if it is no longer that of the plan, or used and that is not accepted."""
    claim, volume = target.claim, target.volume
    raw, stored = (
        handle.kube.find(f"{path_of_claims(claim.namespace)}/{claim.name}"),
        handle.kube.find(f"{VOLUMES}/{volume.name}"),
    )
    now = parse_claim(raw) if raw else None
    if now is None or (now.uid, now.volume, now.deleting) != (claim.uid, claim.volume, False):
        raise Refused(f"the claim {claim.id} is no longer that of the plan", hint=NEW_PLAN)
    if stored is None or parse_volume(stored) != volume:
        raise Refused(f"the volume {volume.name} of {claim.id} is no longer that of the plan", hint=NEW_PLAN)
    users = who_uses(claim, read_users(handle.kube, {claim.id}))
    if users and not options.while_used:
        raise Refused(
            f"{claim.id}: these pods use it now and may write: {listed([one.id for one in users])}",
            hint=f"{how_to_stop(users)}; or accept a fuzzy archive with --while-used",
        )
    return users


def _sent(  # noqa: PLR0913, PLR0917 - each is a part of one archive
    handle: Cluster,
    target: ArchiveTarget,
    run_id: str,
    now: datetime,
    object_keys: Sequence[str],
    options: VolumeOptions,
    before: Sequence[PodOfClaim],
) -> tuple[Packed, str]:
    """Runs the job, and returns what it found and sent, and why that may be fuzzy. The objects appear only if all of it is as it should be."""
    node, part = handle.node(target.node), part_bytes(target.size, target.entries)
    counts = list_parts_for(target.size, target.entries), parts_for(target.size, target.entries)
    name = f"archive-{run_id}-{now:%Y%m%dt%H%M%S%fz}"
    script = archive(name, target.volume.path, target.boot_id, part, while_used=options.while_used)
    uploads: list[UnfinishedUpload] = []
    said: list[str] = []
    try:
        uploads += [handle.store.start_upload(key) for key in object_keys]
        urls = [
            handle.store.part_urls(one, count, options.archive_within)
            for one, count in zip(uploads, counts, strict=True)
        ]
        job = Job(name, script, options.archive_within, nice=GENTLE)
        run_job(node, job, stdin=input_of_archive(urls[0], urls[1], store_ca(handle)), on_output=said.append)
        packed = parse_packed(target.node, "".join(said))
        after = _gate(handle, target, options)
        fuzzy = _why_fuzzy(target, packed, (*before, *after), options)
        for upload, etags in zip(uploads, (packed.list_etags, packed.etags), strict=True):
            handle.store.complete(upload, etags)
    except BaseException:
        _give_up(target.node, [partial(stop_job, node, name), *(partial(handle.store.abort, one) for one in uploads)])
        raise
    return packed, fuzzy


def _why_fuzzy(target: ArchiveTarget, packed: Packed, users: Sequence[PodOfClaim], options: VolumeOptions) -> str:
    """Returns what may have written meanwhile; empty if nothing did. `Refused` if that is not accepted."""
    if not packed.still and not options.while_used:
        raise Refused(
            f"{target.claim.id}: files of {target.volume.path} on {target.node} changed while they were copied, and no pod of the "
            "claim runs: it is no backup",
            hint=f"`fuser -vm {target.volume.path}` on {target.node} shows what writes there; stop it, or accept a fuzzy archive with "
            "--while-used",
        )
    names = tuple(dict.fromkeys(one.id for one in users))
    words = [f"used by {listed(names)}"] if names else []
    return "; ".join([*words, *([] if packed.still else ["files changed while they were copied"])])


def _give_up(about: str, leave: Sequence[Callable[[], None]]) -> None:
    """Stops a job, aborts uploads or deletes objects, as far as node and store allow it now. A later sweep removes the rest."""
    for act in leave:
        try:
            act()
        except RunbookError as error:
            log_about(about).warning("left behind for now: %s", error)


@task(**ACT, task_run_name="read-archives-back-{cluster}")
def read_archives_back(cluster: str, archived: Archived) -> Archived:
    """Lets each node read its archives back from the store. `Refused` with both digests unless each is what was sent."""
    handle = open_cluster(cluster)
    nodes = sorted({one.node for one in archived.archives})

    def of_node(name: str) -> None:
        node, mine = handle.node(name), [one for one in archived.archives if one.node == name]
        run = volumes_of(handle).run_of(mine[0].data_key)
        stop_job(node, f"read-{run}-*")
        for one in mine:
            _read_back(handle, node, run, one)

    on_all(of_node, nodes)
    return archived


def _read_back(handle: Cluster, node: SshNode, run: str, one: Archive) -> None:
    name = f"read-{run}-{datetime.now(UTC):%Y%m%dt%H%M%S%fz}"
    urls = [handle.store.url(key, LONGEST_WAIT) for key in (one.list_key, one.data_key)]
    done = run_job(
        node, Job(name, read_archive(name), LONGEST_WAIT, nice=GENTLE), stdin=input_of(urls, store_ca(handle))
    )
    read = parse_read(node.name, done.output)
    if read != (one.listed, one.stored, one.plain):
        raise Refused(
            f"{one.id}: {handle.store.uri(one.data_key)} is corrupt: sent were {one.stored} of {one.plain} with the list {one.listed}, "
            f"{node.name} read {read[1]} of {read[2]} with the list {read[0]}",
            hint="the store changed or lost bytes: do not trust its disks; this is not a backup",
        )
