"""Contains the Prefect tasks of a backup of resources: observe, take, read back, write the manifest, compare, and clean."""

from collections.abc import Mapping
from datetime import UTC, datetime

from prefect import task
from prefect.artifacts import create_markdown_artifact

from tasks.backup.ages import publish_ages
from tasks.backup.models.backups import BackupId
from tasks.backup.policy.freshness import counted_of, split_by_clock
from tasks.cluster import open_cluster
from tasks.core.commands import CLUSTER, run_command
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.models.plan import Skip
from tasks.core.models.retention import Retention
from tasks.core.redaction import redact
from tasks.core.retries import ACT, OBSERVE
from tasks.resources.cleaning import clean
from tasks.resources.compare import compare
from tasks.resources.models import Cleaned, Comparison, Figures, FilesProof, Filters, Manifest, Pack, ResourceFacts
from tasks.resources.observe import read_kinds, read_version
from tasks.resources.policy.changes import SHOWN, SHOWN_LINES, filled, to_text
from tasks.resources.policy.contents import rules_digest
from tasks.resources.policy.kinds import choose_kinds
from tasks.resources.store import CHANGES, DIFF, ResourceStore, resources_of
from tasks.resources.take import Previous, Take, Taken, previous_of
from tasks.run.reports import shown_if_possible

EARLIER = 50
"""Limits how many earlier backups are asked for a kind that the previous one did not read."""

REPAIR = (
    "repair what answers for these kinds (kubectl get apiservices; the conversion webhook of a CustomResourceDefinition), "
    "or give the user of kubernetes.kubeconfig the right to list them; "
    f"then run `{run_command('resources_backup_to_s3', CLUSTER)}`"
)


@task(**OBSERVE, task_run_name="observe-resources-{cluster}")
def observe_resources(cluster: str) -> ResourceFacts:
    """Finds out which kinds the API serves, and chooses those of the profile."""
    handle = open_cluster(cluster)
    kinds, silent = read_kinds(handle.kube)
    chosen, left = choose_kinds(kinds, handle.profile.resources)
    return ResourceFacts(kinds=chosen, left_out=left, silent=silent, recipients=handle.profile.backup.recipients)


@task(**OBSERVE, task_run_name="resources-of-this-run-{cluster}")
def resources_of_this_run(cluster: str, run_id: str) -> Manifest | None:
    """Returns the complete backup that an earlier attempt of this run finished; None if there is none."""
    store = resources_of(open_cluster(cluster))
    made = (store.head(str(one)) for one in store.known() if one.run == run_id)
    return next((one for one in made if not one.is_partial), None)


@task(**ACT, task_run_name="take-resources-{cluster}")
def take_resources(cluster: str, facts: ResourceFacts, run_id: str, *, verify_all: bool = False) -> Manifest:
    """Reads every object, stores the files that are new, and returns the manifest, which is not written yet.

    With `verify_all` it first reads all packs of the previous backup; the objects of one that is corrupt are written again.
    """
    handle, taken_at = open_cluster(cluster), datetime.now(UTC).replace(microsecond=0)
    store, profile = resources_of(handle), handle.profile
    rules = rules_digest([profile.resources.model_dump_json(include={"include", "exclude"})])
    last = _newest(store)
    stored, corrupt = _whole_packs(store, last, verify_all=verify_all)
    previous = previous_of(last, stored, rules, facts.recipients)
    take = Take(handle, previous, run_id)
    taken = take.all_of(facts.kinds)
    backup = str(BackupId(taken_at=taken_at, revision=int(taken.instant or 0), run=run_id))
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
        filters=Filters(include=profile.resources.include, exclude=profile.resources.exclude),
        recipients=facts.recipients,
        counts=taken.counts,
        left_out=(*facts.left_out, *taken.left_out),
        not_read=(*facts.silent, *taken.not_read),
        packs=_packs(taken, previous, take),
        index=index,
        previous=last.id if last else "",
        corrupt=corrupt,
        figures=Figures(
            took=datetime.now(UTC) - taken_at,
            requests=take.reader.requests,
            dumped=taken.dumped,
            new_packs=len(take.new),
            new_bytes=sum(one.size for one in take.new.values()) + index.size,
        ),
    )


def _newest(store: ResourceStore) -> Manifest | None:
    """Returns the newest backup with its entries; one that cannot be read is no reason to make no backup."""
    for one in counted_of(store.known(), now=datetime.now(UTC)):
        try:
            return store.read(str(one))
        except Refused as error:
            log_about(store.cluster).warning("files of backup %s are not shared: %s", one, error)
    return None


def _whole_packs(
    store: ResourceStore, last: Manifest | None, *, verify_all: bool
) -> tuple[Mapping[str, int], tuple[Skip, ...]]:
    stored = store.packs()
    corrupt: list[Skip] = []
    if last is None or not verify_all:
        return stored, ()
    for one in last.packs:
        try:
            store.pack(one.name, (entry for entry in last.entries if one.name in {entry.pack, entry.sealed}))
        except Refused as error:
            corrupt.append(Skip(subject=one.name, reason=error.problem))
            stored.pop(one.name, None)
    return stored, tuple(corrupt)


def _packs(taken: Taken, previous: Previous, take: Take) -> tuple[Pack, ...]:
    used = sorted({name for one in taken.entries for name in (one.pack, one.sealed) if name})
    known = previous.packs | take.new
    return tuple(known[name] for name in used)


@task(**OBSERVE, task_run_name="read-back-resources-{cluster}")
def read_back_resources(cluster: str, manifest: Manifest, *, verify_all: bool = False) -> FilesProof:
    """Reads the index and every new pack again, and proves that each file is the one that was written.

    The packs of earlier backups were read back then; now they must be stored in their size. With `verify_all` they are
    read, too. Raises `Refused` if a file differs, and `NotYet` if a pack is missing.
    """
    started, store = datetime.now(UTC), resources_of(open_cluster(cluster))
    entries = store.entries(manifest)
    if len(entries) != manifest.index.entries:
        raise Refused(f"the index has {len(entries)} objects, {manifest.index.entries} were read")
    stored = store.packs()
    if missing := [one.name for one in manifest.packs if stored.get(one.name) != one.size]:
        raise NotYet(f"not in the bucket as they were written: {listed(missing)}", hint="find what deletes there")
    new = {one.name for one in manifest.packs if verify_all or one.run == manifest.run_id}
    files = sum(1 for _ in store.files(one for one in entries if one.pack in new))
    sealed = sorted({one.sealed for one in entries if one.sealed in new})
    for name in sealed:
        store.pack(name, (one for one in entries if one.sealed == name))
    return FilesProof(
        files=files, packs=len(new), present=len(manifest.packs) - len(new), took=datetime.now(UTC) - started
    )


@task(**ACT, task_run_name="write-resources-manifest-{cluster}")
def write_resources_manifest(cluster: str, manifest: Manifest) -> Manifest:
    """Makes the files a backup by writing their manifest, the last object of it.

    Under Object Lock each file is kept at least as long as the manifest, before that is written.
    """
    store = resources_of(open_cluster(cluster))
    store.lock_shared(manifest, datetime.now(UTC))
    return store.write(manifest)


@task(**ACT, task_run_name="compare-resources-{cluster}")
def compare_resources(cluster: str, manifest: Manifest) -> Comparison | None:
    """Compares a backup with the previous one, and stores the whole list in the bucket; None for the first backup."""
    handle = open_cluster(cluster)
    store = resources_of(handle)
    if not manifest.previous:
        return None
    try:
        older = store.read(manifest.previous)
    except Refused as error:
        log_about(cluster).warning("not compared with backup %s: %s", manifest.previous, error)
        return None
    older, earlier = _with_earlier(store, older)
    compared = compare(handle, older, store.read(manifest.id)).model_copy(update={"earlier": earlier})
    body = "[\n" + ",\n".join(one.model_dump_json(exclude={"diff"}) for one in compared.changes) + "\n]\n"
    for name, text in ((CHANGES, body), (DIFF, to_text(compared.changes))):
        store.store.upload(store.key(manifest.id, name), iter([text.encode()]))
    shown_if_possible(
        create_markdown_artifact,
        key=f"{cluster}-resources",
        markdown=redact(_page(compared)),
        description=f"what changed in {cluster} since {compared.older}",
    )
    return compared


def _with_earlier(store: ResourceStore, older: Manifest) -> tuple[Manifest, tuple[Skip, ...]]:
    """Returns a partial backup with the kinds that it did not read as earlier backups have them, and which those are.

    Otherwise nobody would ever see what changed in a kind that does not answer now and then.
    """
    told: list[Skip] = []
    known = [str(one) for one in store.known()]
    for backup in known[known.index(older.id) + 1 :][:EARLIER]:
        missing = {skip.subject for skip in older.not_read}
        if not missing:
            break
        try:
            head = store.head(backup)
            if found := missing - {skip.subject for skip in head.not_read}:
                older = filled(older, head.model_copy(update={"entries": store.entries(head)}))
                told += [Skip(subject=one, reason=f"since backup {backup}") for one in sorted(found)]
        except Refused as error:
            log_about(store.cluster).warning("not compared with backup %s: %s", backup, error)
    return older, tuple(told)


def _page(compared: Comparison) -> str:
    more = len(compared.changes) - SHOWN
    rest = f"\nand {more} more changes: changes.diff in the bucket has all of them" if more > 0 else ""
    text = to_text(compared.changes[:SHOWN], SHOWN_LINES)
    return f"since backup {compared.older}: {compared.sentence}\n\n````diff\n{text}````\n{rest}"


@task(**ACT, task_run_name="clean-resources-{cluster}")
def clean_resources(cluster: str, newest: str, retention: Retention | None = None) -> Cleaned:
    """Removes backups that no rule keeps, and packs that no backup has used for the grace time.

    Raises `NotYet` when `newest`, which was just written, is not in the listing: then the listing is not complete.
    """
    handle = open_cluster(cluster)
    if newest not in {str(one) for one in resources_of(handle).known()}:
        raise NotYet(f"the store does not list backup {newest} yet: nothing is removed", hint="it is tried again")
    return clean(handle, retention)


@task(**ACT, task_run_name="publish-resources-age-{cluster}")
def publish_resources_age(cluster: str) -> None:
    """Saves when the newest complete backup was taken, for Prometheus."""
    handle = open_cluster(cluster)
    store = resources_of(handle)
    counted, _ = split_by_clock(store.known(), now=datetime.now(UTC))
    newest = next((one for one in counted if not store.head(str(one)).is_partial), None)
    publish_ages(handle, "resources", [("", newest.taken_at)] if newest else [])


def place_of_resources(cluster: str, backup: str) -> str:
    """Returns where a backup is, as `s3://bucket/folder/`."""
    store = resources_of(open_cluster(cluster))
    return store.store.uri(store.key(backup, ""))


def refuse_partial(manifest: Manifest) -> None:
    """Raises `NotYet` for a partial backup, so that its run never counts as completed."""
    if manifest.is_partial:
        told = "; ".join(f"{skip.subject}: {skip.reason}" for skip in manifest.not_read)
        raise NotYet(f"backup {manifest.id} is partial: {told}", hint=REPAIR)
