"""Reads the claims of a backup as the cluster has them, their snapshots and archives, and the workloads that use them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused, RunbookError
from tasks.core.models.findings import Problem, listed
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import Pod
from tasks.nodes.policy.owners import owner_of
from tasks.nodes.probes.api_facts import parse_node
from tasks.nodes.probes.owners import notes_of
from tasks.nodes.probes.pods import parse_pod
from tasks.volumes.archive_restore import look_for_room
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.backups import VolumeBackup, VolumeBackupId, VolumeRecord
from tasks.volumes.models.places import Place
from tasks.volumes.models.snapshots import Content, Snapshot
from tasks.volumes.observe import path_of_claims, path_of_snapshots
from tasks.volumes.policy.beside import beside
from tasks.volumes.probes.objects import (
    CLASSES,
    CONTENTS,
    GROUP,
    NODES,
    VOLUMES,
    parse_class,
    parse_content,
    parse_snapshot,
    parse_volume,
)
from tasks.volumes.probes.workload import claims_of
from tasks.volumes.store import VolumeStore
from tasks.volumes_restore.models.facts import (
    RESTORE,
    ArchiveFound,
    ArchiveTarget,
    Journal,
    Live,
    SnapshotFound,
    SnapshotTarget,
    Source,
    Template,
    User,
    VolumeRestoreFacts,
)
from tasks.volumes_restore.models.options import LATEST, ClaimsToRestore, VolumeRestoreOptions
from tasks.volumes_restore.policy.archives import what_is_elsewhere, what_is_gone, why_no_pod_starts, why_not_free
from tasks.volumes_restore.policy.names import mark_of
from tasks.volumes_restore.policy.plan import Names, names_for, old_uid, plan_volume_restore
from tasks.volumes_restore.policy.source import source_of
from tasks.volumes_restore.policy.users import unknown_user, why_it_stays
from tasks.volumes_restore.probes.objects import (
    new_claim,
    parse_disk,
    parse_disk_class,
    parse_existing,
    parse_journal,
    parse_live,
    parse_template,
)
from tasks.volumes_restore.probes.users import controller_of, parse_scaled, users_of
from tasks.workloads.models.names import Kind, Ref, collection
from tasks.workloads.probes.targets import scaler_of

JSON = dict[str, Any]

DISK_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
KINDS = {kind.title: kind for kind in Kind}
VOLUME = "PersistentVolume"
NEW_ONE = "name another one with --backup; the folders below volumes/ in the bucket of the cluster have their ids"


def store_of(handle: Cluster, options: VolumeRestoreOptions) -> VolumeStore:
    """Returns the backups of the cluster whose backup is restored."""
    return VolumeStore(handle.store, options.from_cluster or handle.profile.name)


def read_backup(store: VolumeStore, backup: str, select: ClaimsToRestore) -> VolumeBackup:
    """Returns the manifest of a backup; `latest` is the newest one that has all selected claims, and is not from the future."""
    if backup != LATEST:
        found = VolumeBackupId.parse(backup)
        if found is None or found not in store.known():
            raise Refused(f"there is no backup {backup} in {store.store.uri(store.prefix)}", hint=NEW_ONE)
        return store.read(found)
    known = store.known()
    if not known:
        raise Refused(
            f"there is no backup of volumes in {store.store.uri(store.prefix)}",
            hint="take one with `kube-runbooks run volumes-backup CLUSTER`",
        )
    series = {one.series for one in known}
    if select.is_empty and len(series) > 1:
        raise Refused(
            f"latest could be a backup of each of {len(series)} selections",
            hint="select claims with --select-claims or --select-namespaces, or name a backup with --backup",
        )
    for one in store.counted():
        manifest = store.read(one)
        if not _missing(manifest, select):
            return manifest
    raise Refused(f"no backup has {select.in_words}", hint=NEW_ONE)


def _missing(manifest: VolumeBackup, select: ClaimsToRestore) -> list[str]:
    there = [(one.namespace, one.claim) for one in manifest.records]
    there += [(one.namespace, one.claim) for one in manifest.archives]
    claims = {f"{namespace}/{claim}" for namespace, claim in there}
    namespaces = {namespace for namespace, _ in there}
    return [one for one in select.claims if one not in claims] + [
        f"a claim of {one}" for one in select.namespaces if one not in namespaces
    ]


def observe(
    handle: Cluster, manifest: VolumeBackup, select: ClaimsToRestore, options: VolumeRestoreOptions, run_id: str
) -> VolumeRestoreFacts:
    """Reads what a restore has to know. It asks the nodes of archives."""
    kube = handle.kube
    if missing := _missing(manifest, select):
        raise Refused(f"backup {manifest.id} does not have {listed(missing)}", hint=NEW_ONE)
    records = [one for one in manifest.records if select.has(one.namespace, one.claim)]
    archives = [one for one in manifest.archives if select.has(one.namespace, one.claim)]
    has_snapshots = not records or kube.find(GROUP) is not None
    facts = VolumeRestoreFacts(
        observed_at=datetime.now(UTC),
        backup=manifest.id,
        from_cluster=manifest.cluster,
        has_snapshots=has_snapshots,
        disk_classes=tuple(parse_disk_class(raw) for raw in kube.items(DISK_CLASSES)),
        nodes=tuple(raw["metadata"]["name"] for raw in kube.heads("/api/v1/nodes")),
    )
    if not has_snapshots:
        return facts
    look = _Look(handle, manifest, options, run_id)
    every: list[VolumeRecord | Archive] = [*records, *archives]
    claims = [(one.namespace, one.claim) for one in every]
    facts = facts.model_copy(
        update={
            "snapshot_classes": tuple(parse_class(raw) for raw in kube.items(CLASSES)) if records else (),
            "found": tuple(look.at_snapshot(one) for one in records),
            "archives": tuple(on_all(look.at_archive, archives)),
            "users": read_users(kube, claims) if options.switch else (),
        }
    )
    return _tried(kube, manifest, facts, options)


def _tried(
    kube: KubeClient, manifest: VolumeBackup, facts: VolumeRestoreFacts, options: VolumeRestoreOptions
) -> VolumeRestoreFacts:
    """Asks the API server by dry runs whether it takes the new claims: quotas, policies, webhooks."""
    denied: dict[str, str] = {}
    made = {one.id for one in facts.claims if one.made}
    for target in plan_volume_restore(facts, options).targets:
        if not target.new_volume and target.id not in made:
            body = _new_claim(manifest, target)
            answer = kube.try_create(path_of_claims(target.record.namespace), body)
            denied[target.id] = "" if answer.is_fine else answer.message
    found = tuple(one.model_copy(update={"denied": denied.get(one.id, "")}) for one in facts.found)
    archives = tuple(one.model_copy(update={"denied": denied.get(one.id, "")}) for one in facts.archives)
    return facts.model_copy(update={"found": found, "archives": archives})


def _new_claim(manifest: VolumeBackup, target: SnapshotTarget | ArchiveTarget) -> JSON:
    if isinstance(target, ArchiveTarget):
        return beside(target.record, manifest.objects, target.made, target.suffix)[1]
    return new_claim(target, manifest.id)


class _Switch(NamedTuple):
    volume: str
    journal: Journal


class _Look:
    """Looks at one claim after another; what all have in common is read once."""

    def __init__(self, handle: Cluster, manifest: VolumeBackup, options: VolumeRestoreOptions, run_id: str) -> None:
        self.handle, self.kube, self.manifest, self.options, self.run_id = (
            handle,
            handle.kube,
            manifest,
            options,
            run_id,
        )
        self.switches = read_switches(self.kube)
        self._pods: dict[str, list[Pod]] = {}

    def at_snapshot(self, record: VolumeRecord) -> SnapshotFound:
        """Returns a claim with a snapshot, and what the cluster has of it."""
        _, common = self._at(record)
        nodes = [one.node for one in self._users(record) if one.node]
        source = read_source(self.kube, self.manifest.id, record)
        return SnapshotFound(record=record, source=source, node=nodes[0] if nodes else "", **common)

    def at_archive(self, one: Archive) -> ArchiveFound:
        """Returns a claim with an archive, and what the cluster and its node have of it."""
        names, common = self._at(one)
        if self.manifest.cluster != self.handle.profile.name:  # nodes of another cluster are not asked
            return ArchiveFound(record=one, problems=(what_is_elsewhere(one, self.manifest.cluster),), **common)
        try:
            volume = beside(one, self.manifest.objects, names.made, names.suffix, self.options.path)[0]
        except Refused as error:
            return ArchiveFound(record=one, problems=(Problem(text=error.problem, next_step=error.hint),), **common)
        raw = self.kube.find(f"{VOLUMES}/{volume['metadata']['name']}")
        existing = parse_existing(raw) if raw else None
        found = ArchiveFound(
            record=one,
            volume=volume["metadata"]["name"],
            policy=self._old_policy(one),
            folder=existing.folder if existing else "",
            **common,
        )
        if self.options.switch and found.journal is not None:  # it goes on with the volume that it has
            return found
        node = read_node(self.kube, one.node)
        if node is None:
            return found.model_copy(update={"problems": (what_is_gone(one),)})
        place = self._place_of(one, names)
        taken = why_not_free(one, existing, names.made, found.made) if existing else None
        problems = [place if isinstance(place, Problem) else None, taken]
        if self.options.switch:
            problems.append(why_no_pod_starts(node, parse_volume(volume).node_terms, self._users(one)))
        return found.model_copy(
            update={
                "folder": "" if taken else found.folder,
                "place": None if isinstance(place, Problem) else place,
                "problems": tuple(problem for problem in problems if problem),
            }
        )

    def _at(self, record: VolumeRecord | Archive) -> tuple[Names, dict[str, Any]]:
        """Returns the names, and what is found in the same way for a snapshot and for an archive."""
        kube, backup = self.kube, self.manifest.id
        mine = [
            one
            for one in self.switches
            if (one.journal.namespace, one.journal.claim) == (record.namespace, record.claim)
        ]
        live = read_live(kube, record.namespace, record.claim)
        begun = next((one for one in mine if not one.journal.done and not _is_taken_back(one.journal, live)), None)
        journal = begun.journal if begun else None
        names = names_for(backup, record, old_uid(live, journal), self.options)
        again = [
            one
            for one in mine
            if one.journal.done and one.journal.backup == backup and live and live.volume == one.volume
        ]
        return names, {
            "template": self._recorded(record),
            "live": live,
            "made": read_live(kube, record.namespace, names.made),
            "journal": journal,
            "new_volume": begun.volume if begun else "",
            "restored_by": again[0].journal.run if again else "",
            "finished": any(one.journal.run == self.run_id for one in again),
            "has_namespace": kube.find(f"/api/v1/namespaces/{record.namespace}") is not None,
        }

    def _place_of(self, one: Archive, names: Names) -> Place | Problem:
        """Returns the folder that gets an archive, or why its node cannot restore it."""
        try:
            return look_for_room(self.handle, one, names.suffix, self.options.path)
        except RunbookError as error:
            return Problem(text=error.problem, next_step=error.hint or f"ssh to {one.node}")

    def _old_policy(self, one: Archive) -> str:
        """Returns the reclaim policy of a volume at the backup."""
        raw = [raw for raw in self.manifest.objects if (raw["kind"], raw["metadata"]["name"]) == (VOLUME, one.volume)]
        return parse_disk(raw[0]).spec.persistent_volume_reclaim_policy if raw else ""

    def _users(self, record: VolumeRecord | Archive) -> tuple[Pod, ...]:
        return users_of(self._read_pods(record.namespace), [record.claim])

    def _recorded(self, record: VolumeRecord | Archive) -> Template | None:
        for raw in self.manifest.objects:
            meta = raw.get("metadata", {})
            if raw.get("kind") == "PersistentVolumeClaim" and (meta.get("namespace"), meta.get("name")) == (
                record.namespace,
                record.claim,
            ):
                return parse_template(raw)
        return None

    def _read_pods(self, namespace: str) -> list[Pod]:
        if namespace not in self._pods:
            self._pods[namespace] = read_pods(self.kube, namespace)
        return self._pods[namespace]


def _is_taken_back(journal: Journal, live: Live | None) -> bool:
    """Checks whether somebody has given the claim its old volume again."""
    return bool(live and live.volume and live.volume == journal.old_volume and live.uid != journal.claim_uid)


def read_switches(kube: KubeClient) -> list[_Switch]:
    """Reads the volumes to which a restore switches, or has switched, a claim."""
    found = [(raw["metadata"]["name"], parse_journal(raw)) for raw in kube.items(VOLUMES, labelSelector=RESTORE)]
    return [_Switch(name, journal) for name, journal in found if journal]


def read_live(kube: KubeClient, namespace: str, name: str) -> Live | None:
    """Reads a claim with its volume; None if it does not exist."""
    raw = kube.find(f"{path_of_claims(namespace)}/{name}")
    if raw is None:
        return None
    volume = (raw.get("spec") or {}).get("volumeName")
    return parse_live(raw, kube.find(f"{VOLUMES}/{volume}") if volume else None)


def read_pair(kube: KubeClient, namespace: str, snapshot: str, content: str) -> tuple[Snapshot | None, Content | None]:
    """Reads both objects of a snapshot."""
    one, other = kube.find(f"{path_of_snapshots(namespace)}/{snapshot}"), kube.find(f"{CONTENTS}/{content}")
    return parse_snapshot(one) if one else None, parse_content(other) if other else None


def read_source(kube: KubeClient, backup: str, record: VolumeRecord) -> Source:
    """Returns from which snapshot a claim of a backup is made."""
    mark = mark_of(backup, record.namespace, record.claim)
    return source_of(record, mark, *read_pair(kube, record.namespace, record.snapshot, record.content))


def read_pods(kube: KubeClient, namespace: str) -> list[Pod]:
    """Reads the pods of a namespace."""
    return [parse_pod(raw) for raw in kube.items(f"/api/v1/namespaces/{namespace}/pods")]


def read_node(kube: KubeClient, name: str) -> KubeNode | None:
    """Reads a node; None if the API does not have it."""
    raw = kube.find(f"{NODES}/{name}")
    return parse_node(raw, None) if raw else None


def read_users(kube: KubeClient, claims: Iterable[tuple[str, str]]) -> tuple[User, ...]:
    """Returns the workloads whose pods use the claims: by their templates, and by the pods that exist."""
    by_namespace: dict[str, list[str]] = defaultdict(list)
    for namespace, claim in claims:
        by_namespace[namespace].append(claim)
    return tuple(user for namespace, names in by_namespace.items() for user in _users(kube, namespace, names))


def _users(kube: KubeClient, namespace: str, claims: Sequence[str]) -> list[User]:
    raws = {
        Ref(namespace=namespace, kind=kind, name=raw["metadata"]["name"]): raw
        for kind in Kind
        for raw in kube.items(collection(namespace, kind.plural))
    }
    used: dict[Ref, set[str]] = defaultdict(set)
    others: list[User] = []
    for ref, raw in raws.items():
        used[ref].update(set(claims_of(raw, claims)) & set(claims))
    for pod in users_of(read_pods(kube, namespace), claims):
        owner = _ref_of(kube, namespace, pod)
        mine = set(pod.every_claim) & set(claims)
        if owner and owner in raws:
            used[owner].update(mine)
        else:
            others.append(_unknown(namespace, pod, mine))
    scalers = kube.items(f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers")
    known = [_user(ref, raws[ref], scalers, names) for ref, names in used.items() if names]
    return [*known, *others]


def _ref_of(kube: KubeClient, namespace: str, pod: Pod) -> Ref | None:
    owner = (pod.controller.kind, pod.controller.name) if pod.controller else None
    if owner and owner[0] == "ReplicaSet":
        raw = kube.find(f"{collection(namespace, 'replicasets')}/{owner[1]}")
        owner = controller_of(raw) if raw else None
    kind = KINDS.get(owner[0]) if owner else None
    return Ref(namespace=namespace, kind=kind, name=owner[1]) if kind and owner else None


def _unknown(namespace: str, pod: Pod, claims: Iterable[str]) -> User:
    owner = pod.controller
    who = f"{owner.kind} {owner.name}" if owner else f"the pod {pod.name} without a controller"
    names = tuple(f"{namespace}/{one}" for one in sorted(claims))
    return User(name=f"{namespace}/pod/{pod.name}", claims=names, problem=unknown_user(who, namespace, pod.name))


def _user(ref: Ref, raw: JSON, scalers: Sequence[JSON], claims: Iterable[str]) -> User:
    scaled = parse_scaled(raw)
    scaler = scaler_of(ref, scalers)
    name = str(scaler["metadata"]["name"]) if scaler else ""
    return User(
        name=ref.id,
        claims=tuple(f"{ref.namespace}/{one}" for one in sorted(claims)),
        ref=ref,
        uid=scaled.uid,
        replicas=scaled.wanted,
        problem=why_it_stays(ref, owner_of(*notes_of(raw)), name, scaled.when_scaled),
    )
