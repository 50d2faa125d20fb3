"""Contains the Prefect tasks of a backup of resources: take, read back, write the manifest, compare, and remove old ones."""

from datetime import UTC, datetime

from prefect import task

from tasks.backup.models.backups import BackupId
from tasks.cluster import Cluster, open_cluster
from tasks.core.retries import ACT, OBSERVE
from tasks.resources.models import Entry, Figures, Manifest, Pack
from tasks.resources.observe import read_kinds, read_version
from tasks.resources.policy.contents import rules_digest
from tasks.resources.policy.kinds import choose_kinds
from tasks.resources.store import ResourceStore, resources_of
from tasks.resources.take import Previous, Take, Taken, previous_of


@task(**ACT, task_run_name="take-resources-{cluster}")
def take_resources(cluster: str, run_id: str) -> Manifest:
    """Reads every object, stores the files that are new, and returns the manifest, which is not written yet."""
    handle, taken_at = open_cluster(cluster), datetime.now(UTC).replace(microsecond=0)
    store, profile = resources_of(handle), handle.profile
    rules = rules_digest([profile.resources.model_dump_json(include={"include", "exclude"})])
    previous, shared = _previous(handle, rules)
    kinds, silent = read_kinds(handle.kube)
    chosen, left = choose_kinds(kinds, profile.resources)
    take = Take(handle, previous)
    taken = take.all_of(chosen)
    backup = str(BackupId(taken_at=taken_at, revision=int(taken.instant or 0), run=run_id))
    packs = _packs(taken, previous, take)
    index = store.write_index(backup, taken.entries)
    return Manifest(
        id=backup,
        cluster=cluster,
        run_id=run_id,
        taken_at=taken_at,
        instant=taken.instant,
        why_not=taken.why_not,
        later=tuple(taken.later),
        kubernetes_version=read_version(handle.kube),
        rules=rules,
        recipients=profile.backup.recipients,
        counts=taken.counts,
        left_out=(*left, *taken.left_out),
        not_read=(*silent, *taken.not_read),
        packs=packs,
        index=index,
        previous=shared,
        figures=Figures(
            took=datetime.now(UTC) - taken_at,
            requests=take.reader.requests,
            dumped=taken.dumped,
            new_packs=len(take.new),
            new_bytes=sum(one.size for one in take.new.values()) + index.size,
        ),
    )


def _previous(handle: Cluster, rules: str) -> tuple[Previous, str]:
    """Returns the files of the newest backup, and its id."""
    store = resources_of(handle)
    known = store.known()
    if not known:
        return Previous(), ""
    manifest = store.read(str(known[0]))
    return previous_of(manifest, store.packs(), rules, handle.profile.backup.recipients), manifest.id


def _packs(taken: Taken, previous: Previous, take: Take) -> tuple[Pack, ...]:
    used = sorted({name for one in taken.entries for name in (one.pack, one.sealed) if name})
    known = previous.packs | take.new
    return tuple(known[name] for name in used)


@task(**OBSERVE, task_run_name="read-back-resources-{cluster}")
def read_back_resources(cluster: str, manifest: Manifest) -> int:
    """Reads the index and every new pack again, and proves that each file is the one that was written.

    It returns how many files it read. Packs of earlier backups were read back then; now they must be stored in their size.
    """
    store = resources_of(open_cluster(cluster))
    entries = _indexed(store, manifest)
    return sum(1 for _ in store.files(entries))


def _indexed(store: ResourceStore, manifest: Manifest) -> tuple[Entry, ...]:
    return store.entries(manifest)


@task(**ACT, task_run_name="write-resources-manifest-{cluster}")
def write_resources_manifest(cluster: str, manifest: Manifest) -> Manifest:
    """Makes the files a backup by writing their manifest, the last object of it."""
    return resources_of(open_cluster(cluster)).write(manifest)
