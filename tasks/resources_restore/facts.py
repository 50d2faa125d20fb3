"""Reads everything that a plan of a restore needs: the backup, and the API server's word on each object."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.models.findings import cautioned, refused
from tasks.core.models.plan import Caution, Refusal
from tasks.resources.models import Filters, Kind, Manifest
from tasks.resources.observe import read_kinds
from tasks.resources.policy.contents import why_left_out
from tasks.resources.policy.kinds import BY_RULE, Rules, choose_kinds, place_of, why_filtered
from tasks.resources.store import read_manifest
from tasks.resources_restore.backup import Item, bodies, in_batches, meant, target_of, with_labels
from tasks.resources_restore.models import (
    ACTED,
    JSON,
    Judged,
    Key,
    LeftOut,
    ResourceRestoreOptions,
    RestoreFacts,
    Select,
    Target,
    Verdict,
)
from tasks.resources_restore.observe import View
from tasks.resources_restore.policy.order import in_order
from tasks.resources_restore.policy.plan import check_request
from tasks.resources_restore.policy.prepare import RECLAIM, is_released
from tasks.resources_restore.policy.references import missing_words, path_of, references_of
from tasks.resources_restore.policy.selection import is_meant, parse_map, unmatched
from tasks.resources_restore.policy.verdicts import count_quota, is_system_namespace, without_broken_promises

SNAPSHOT_GROUP = ("snapshot.storage.k8s.io",)
BOUND_CONTENT = "boundVolumeSnapshotContentName"


def observe_restore(handle: Cluster, backup: str, select: Select, options: ResourceRestoreOptions) -> RestoreFacts:
    """Judges each selected object by a dry run."""
    cluster = options.from_cluster or handle.profile.name
    if wrong := check_request(select, options):
        return RestoreFacts(observed_at=datetime.now(UTC), backup=backup, from_cluster=cluster, refusals=wrong)
    manifest = read_manifest(handle.store, cluster, backup)
    items = selected(handle, manifest, select, options)
    view = View(handle.kube, (one.target for one in items), options, other_cluster(handle, cluster))
    found: list[Judged] = []
    named: set[Key] = set()
    for batch in in_batches(items):
        for look in view.judge_all([(one.target, body) for one, body in sorted_bodies(handle, manifest, batch)]):
            found.append(look.judged)
            if look.judged.verdict in ACTED:
                named |= references_of(look.judged.target, look.body)
    judged = without_broken_promises(found)
    extra = tuple(find_extra(handle, manifest, select)) if options.delete_extra else ()
    return RestoreFacts(
        observed_at=datetime.now(UTC),
        backup=manifest.id,
        from_cluster=cluster,
        taken_at=manifest.taken_at,
        judged=judged,
        left=_left(manifest) if select.is_empty else (),
        extra=extra,
        refusals=tuple(_refusals(manifest, [*items, *extra], handle.kube, judged, options)),
        cautions=(
            *_cautions(manifest),
            *_unmatched(manifest, select),
            *missing_words(_missing(handle.kube, named, judged)),
        ),
    )


def other_cluster(handle: Cluster, cluster: str) -> str:
    """Returns the cluster whose backup it is, if it is another one; empty if not."""
    return "" if cluster == handle.profile.name else cluster


def selected(
    handle: Cluster,
    manifest: Manifest,
    select: Select,
    options: ResourceRestoreOptions,
    planned: Collection[Key] = (),
) -> list[Item]:
    """Returns the objects that are meant, in the order of a restore.

    With them come the namespaces and volumes that they need and that are missing, `planned`, or half restored.
    """
    items = meant(manifest, select, options)
    if select.labels:
        pairs = (pair for batch in in_batches(items) for pair in bodies(handle, manifest, batch))
        items = [item for item, _ in with_labels(pairs, select)]
    known = {one.target.key for one in items}
    needed = [one for one in _needed(handle, manifest, items, options) if one.target.key not in known]
    added = [one for one in needed if one.target.key in planned or _is_wanting(handle.kube.find(one.target.path))]
    return sorted((*items, *added), key=lambda one: in_order(one.target))


def _is_wanting(live: JSON | None) -> bool:
    """Checks whether an object is missing, waits for its reclaim policy since an earlier run, or for a claim that is gone."""
    return live is None or is_released(live) or RECLAIM in (live["metadata"].get("annotations") or {})


def sorted_bodies(handle: Cluster, manifest: Manifest, items: Sequence[Item]) -> list[tuple[Item, JSON]]:
    """Returns objects in the order of a restore; the store yields them in that of its packs."""
    return sorted(bodies(handle, manifest, items), key=lambda pair: in_order(pair[0].target))


def _needed(
    handle: Cluster, manifest: Manifest, items: Sequence[Item], options: ResourceRestoreOptions
) -> Iterator[Item]:
    """Yields the namespaces of the selected objects, the volumes of selected claims, and the contents of selected snapshots."""
    moved = dict(parse_map(options.into_namespace))
    namespaces = {one.target.source for one in items if one.target.namespaced}
    for entry in manifest.entries:
        if (entry.group, entry.kind) == ("", "Namespace") and entry.name in namespaces:
            yield Item(entry, target_of(entry, moved))
    claims = [
        one for one in items if one.target.kind == "PersistentVolumeClaim" and one.target.source == one.target.namespace
    ]
    volumes = {body.get("spec", {}).get("volumeName") for _, body in bodies(handle, manifest, claims)}
    for entry in manifest.entries:
        if (entry.group, entry.kind) == ("", "PersistentVolume") and entry.name in volumes:
            yield Item(entry, target_of(entry, moved))
    snapshots = [one for one in items if one.target.kind == "VolumeSnapshot" and one.target.group in SNAPSHOT_GROUP]
    contents = {body.get("status", {}).get(BOUND_CONTENT) for _, body in bodies(handle, manifest, snapshots)}
    for entry in manifest.entries:
        if entry.kind == "VolumeSnapshotContent" and entry.group in SNAPSHOT_GROUP and entry.name in contents:
            yield Item(entry, target_of(entry, moved))


def find_extra(handle: Cluster, manifest: Manifest, select: Select) -> Iterator[Judged]:
    """Yields objects of the selection that the backup does not have, and that no cluster makes by itself.

    What the backup did not read, or left out by the rules of a profile, is none of them: nobody knows what it was then.
    """
    known = {(one.group, one.resource, one.namespace, one.name) for one in manifest.entries}
    uids = {one.uid for one in manifest.entries}
    kinds, rules = searched_kinds(handle, manifest)
    for kind in kinds:
        example = _target(kind, next(iter(select.namespaces), ""), "")
        if not is_meant(select.model_copy(update={"names": (), "namespaces": ()}), example):
            continue
        if select.namespaces and not (kind.namespaced or kind.kind == "Namespace"):
            continue
        query = {"labelSelector": select.labels} if select.labels else {}
        for body in handle.kube.items(kind.path, **query):
            head = body["metadata"]
            target = _target(kind, head.get("namespace", ""), head["name"])
            is_known = (kind.group, kind.resource, target.namespace, target.name) in known or head["uid"] in uids
            is_filtered = any(why_filtered(kind, place_of(kind, target.namespace, target.name), one) for one in rules)
            if is_known or is_filtered or not is_meant(select, target) or _is_made(kind, body, target):
                continue
            yield Judged(target=target, verdict=Verdict.UNKNOWN, uid=head["uid"])


def searched_kinds(handle: Cluster, manifest: Manifest) -> tuple[tuple[Kind, ...], tuple[Rules, ...]]:
    """Returns the kinds of which a backup has every object, also those of which it has none, and the rules for the objects.

    A backup that does not say by which rules it was made has all objects of those kinds alone of which it left out none.
    """
    rules = (manifest.filters or Filters(), handle.profile.resources)
    kinds, silent = read_kinds(handle.kube)
    for one in rules:
        kinds, _ = choose_kinds(kinds, one)
    unread = {skip.subject for skip in (*manifest.not_read, *silent)}
    if manifest.filters is None:
        unread |= {one.what for one in manifest.left_out if BY_RULE in one.reason}
    return tuple(one for one in kinds if not unread & {one.label, f"*.{one.group}"}), rules


def _target(kind: Kind, namespace: str, name: str) -> Target:
    within = namespace if kind.namespaced else ""
    return Target(
        group=kind.group,
        version=kind.version,
        kind=kind.kind,
        resource=kind.resource,
        namespaced=kind.namespaced,
        namespace=within,
        name=name,
        source=within,
    )


def _is_made(kind: Kind, body: JSON, target: Target) -> bool:
    """Checks whether the cluster, a controller or kube-runbooks makes the object."""
    head = body["metadata"]
    return bool(
        head.get("ownerReferences")
        or head.get("deletionTimestamp")
        or is_system_namespace(target)
        or why_left_out(kind, body)
    )


def _refusals(
    manifest: Manifest,
    meant: Sequence[Item | Judged],
    kube: KubeClient,
    judged: Iterable[Judged],
    options: ResourceRestoreOptions,
) -> Iterator[Refusal]:
    if not meant:
        problem = f"the backup {manifest.id} has no object of this selection"
        yield refused(
            "selection",
            problem,
            "write kinds, namespaces and names as kubectl does; `kube-runbooks resources list CLUSTER` lists the backups",
        )
    writes = [one.target for one in judged if one.verdict is Verdict.CREATE]
    quotas = kube.items("/api/v1/resourcequotas") if writes else []
    if not options.skip_failing:
        for namespace, problem in count_quota(quotas, writes).items():
            yield refused(
                namespace,
                problem,
                f"raise it: `kubectl -n {namespace} get resourcequota`; or leave out objects with --skip-failing",
            )


def _missing(kube: KubeClient, named: Collection[Key], judged: Iterable[Judged]) -> list[Key]:
    """Returns the named objects that are neither in the cluster nor come with the restore."""
    coming = {one.target.key for one in judged if one.verdict in ACTED}
    asked = sorted(set(named) - coming)
    return [key for key, is_there in zip(asked, on_all(partial(_exists, kube), asked), strict=True) if not is_there]


def _exists(kube: KubeClient, key: Key) -> bool:
    return kube.find(path_of(key)) is not None


def _left(manifest: Manifest) -> tuple[LeftOut, ...]:
    """Returns what the backup does not have, because the cluster makes it; told where everything is restored."""
    return tuple(LeftOut(label=f"{one.count} {one.what}", reason=one.reason) for one in manifest.left_out if one.count)


def _unmatched(manifest: Manifest, select: Select) -> Iterator[Caution]:
    words = unmatched(select, [target_of(one, {}) for one in manifest.entries]) if not select.is_empty else ()
    for word in words:
        yield cautioned(
            "selection",
            f"the backup {manifest.id} has no object of the {word}",
            "correct the word, or leave it out of the selection",
        )


def _cautions(manifest: Manifest) -> Iterator[Caution]:
    for one in manifest.not_read:
        yield cautioned(
            one.subject,
            f"the backup is partial, and does not have it: {one.reason}",
            "take a new backup when it answers",
        )
