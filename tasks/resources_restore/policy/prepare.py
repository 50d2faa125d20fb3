"""Prepares an object of a backup for a restore: it drops what would do harm, and says what it changes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from tasks.resources_restore.models import JSON, Key, Target
from tasks.resources_restore.policy.compare import normal

RECLAIM = "kube-runbooks.io/reclaim-policy"
"""Annotates a PersistentVolume that is written as Retain with the policy that it gets back once it is bound."""

NO_DATA = "the backup has no data of it: if the storage has deleted the volume, leave it and its claim out, and restore the claim with volumes-restore"
"""Says what a PersistentVolume is that does not exist: a name for data elsewhere."""

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

BIND = frozenset({"pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"})

DROPPED = BIND | {
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubernetes.io/service-account.uid",
}
"""Lists annotations that speak of the cluster of then."""

SNAPSHOTS = frozenset(
    {("snapshot.storage.k8s.io", "VolumeSnapshot"), ("snapshot.storage.k8s.io", "VolumeSnapshotContent")}
)

JOB_LABELS = frozenset({"controller-uid", "batch.kubernetes.io/controller-uid"})
"""Lists the labels by which the API server tells the pods of a Job; the new Job gets its own."""


class Around(NamedTuple):
    """Holds what a preparation has to know about the cluster and about the rest of the run."""

    volumes: Collection[str] = ()
    """PersistentVolumes that exist or that the same run restores."""
    handles: Mapping[str, str] = {}
    """The volume of each CSI handle that is live: a second PersistentVolume of it would lose data."""
    bound: Collection[str] = ()
    """PersistentVolumes that are bound, so that they get their reclaim policy back."""
    stored: Mapping[str, tuple[JSON, ...]] = {}
    """Versions of live CustomResourceDefinitions in which objects may be stored, by name."""
    owners: Mapping[Key, str] = {}
    """uids of live owners; an owner that is not here has none."""
    coming: Collection[Key] = ()
    """Objects that the same run creates."""
    moved: Mapping[str, str] = {}
    """Namespaces that are restored into others."""
    other: str = ""
    """The cluster whose backup it is, if it is not this one: its volumes are still its own."""


class Prepared(NamedTuple):
    """Holds the object as it is sent, and what it has otherwise than the backup."""

    body: JSON
    notes: tuple[str, ...] = ()
    problem: str = ""
    next_step: str = ""


def prepare(target: Target, body: JSON, around: Around, live: JSON | None = None) -> Prepared:
    """Returns the object as the API server gets it; `live` is the one in the cluster, if there is one."""
    made = normal(body)
    made["apiVersion"], made["kind"] = target.api_version, target.kind
    metadata = made["metadata"]
    metadata["name"] = target.name
    metadata.pop("namespace", None)
    if target.namespaced:
        metadata["namespace"] = target.namespace
    notes = [*_finalizers(metadata), *_owners(metadata, target, around)]
    moved = target.namespace != target.source
    _drop(metadata, "annotations", DROPPED | {APPLIED} if moved else DROPPED)
    if (target.group, target.kind) == ("", "PersistentVolume"):
        return _volume(made, notes, around)
    if (target.group, target.kind) in SNAPSHOTS:
        return _snapshot(target, made, notes, body, live)
    if change := _CHANGES.get((target.group, target.kind)):
        notes += change(made, around, target)
    made["metadata"] = {name: value for name, value in metadata.items() if value}
    return Prepared(made, tuple(notes))


def _finalizers(metadata: JSON) -> Iterable[str]:
    """Yields the finalizers that are dropped: without their controller nobody could ever delete the object."""
    found = [one for one in metadata.pop("finalizers", None) or () if not one.startswith("kubernetes.io/")]
    if found:
        yield f"without the finalizers {', '.join(found)}: their controller adds them again"


def _owners(metadata: JSON, target: Target, around: Around) -> Iterable[str]:
    """Yields which owners are not there. The uid of an owner of then would make the garbage collector delete the object."""
    kept = []
    for owner in metadata.pop("ownerReferences", None) or ():
        key = owner_key(owner, target)
        uid = around.owners.get(key) or around.owners.get(key._replace(namespace=""))
        if uid:
            kept.append(owner | {"uid": uid})
        elif key not in around.coming and key._replace(namespace="") not in around.coming:
            yield f"without its owner {key.kind} {key.name}, which is neither in the cluster nor in this run"
    if kept:
        metadata["ownerReferences"] = kept


def owner_key(owner: JSON, target: Target) -> Key:
    """Returns which object an owner reference means, in the namespace of the object."""
    group = str(owner.get("apiVersion", "")).rpartition("/")[0]
    return Key(group, str(owner.get("kind", "")), target.namespace, str(owner.get("name", "")))


def owners_of(body: JSON, target: Target) -> tuple[Key, ...]:
    """Returns the owners that an object names."""
    return tuple(owner_key(one, target) for one in body.get("metadata", {}).get("ownerReferences") or ())


def awaited(body: JSON, ready: JSON, target: Target) -> tuple[Key, ...]:
    """Returns the owners that an object names and is sent without, because they are not in the cluster."""
    sent = owners_of(ready, target)
    return tuple(key for key in owners_of(body, target) if key not in sent)


def _drop(metadata: JSON, what: str, names: Collection[str]) -> None:
    if found := metadata.get(what):
        metadata[what] = {name: value for name, value in found.items() if name not in names}


def _namespace(made: JSON, around: Around, target: Target) -> Iterable[str]:
    del around, target
    made.get("spec", {}).pop("finalizers", None)
    return ()


def _account(made: JSON, around: Around, target: Target) -> Iterable[str]:
    del around, target
    made.pop("secrets", None)
    return ()


def _pod(made: JSON, around: Around, target: Target) -> Iterable[str]:
    """Drops what the scheduler and admission set, among it the volume with the token of the ServiceAccount."""
    del around, target
    spec = made.get("spec", {})
    for name in ("nodeName", "priority", "preemptionPolicy"):
        spec.pop(name, None)
    tokens = {one["name"] for one in spec.get("volumes", ()) if one["name"].startswith("kube-api-access-")}
    spec["volumes"] = [one for one in spec.get("volumes", ()) if one["name"] not in tokens]
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for one in spec.get(kind, ()):
            one["volumeMounts"] = [mount for mount in one.get("volumeMounts", ()) if mount["name"] not in tokens]
    spec.pop("ephemeralContainers", None)
    return ()


def _claim(made: JSON, around: Around, target: Target) -> Iterable[str]:
    spec = made.get("spec", {})
    volume = spec.get("volumeName", "")
    if not volume:
        return
    if target.source != target.namespace:
        del spec["volumeName"]
        yield f"without its volume {volume}, which belongs to {target.source}: the claim gets a NEW, EMPTY volume"
    elif volume not in around.volumes:
        yield f"its PersistentVolume {volume} is neither in the cluster nor in this run: the claim stays Pending"


def _volume(made: JSON, notes: list[str], around: Around) -> Prepared:
    """Writes a volume as Retain until it is bound: a released volume with Delete loses its data within seconds."""
    spec = made.get("spec", {})
    claim = spec.get("claimRef")
    if claim:
        spec["claimRef"] = {name: value for name, value in claim.items() if name not in {"uid", "resourceVersion"}}
    name = made["metadata"]["name"]
    handle = handle_of(made)
    if handle and around.handles.get(handle, name) != name:
        other = around.handles[handle]
        problem = (
            f"the PersistentVolume {other} has the same volume {handle}: two of them would delete each other's data"
        )
        return Prepared(made, tuple(notes), problem, f"kubectl describe persistentvolume {other}")
    policy = spec.get("persistentVolumeReclaimPolicy", "Retain")
    _drop(made["metadata"], "annotations", BIND | {RECLAIM})
    if around.other:
        spec["persistentVolumeReclaimPolicy"] = "Retain"
        notes.append(
            f"it names the volume of cluster {around.other}, so it stays Retain: the two clusters must not use it at the same time"
        )
    elif policy != "Retain" and claim and name not in around.bound:
        spec["persistentVolumeReclaimPolicy"] = "Retain"
        made["metadata"]["annotations"] = (made["metadata"].get("annotations") or {}) | {RECLAIM: policy}
        notes.append(f"with the reclaim policy Retain until it is bound, then {policy} again")
    if name not in around.bound:
        notes.append(NO_DATA)
    return Prepared(made, tuple(notes))


def _snapshot(target: Target, made: JSON, notes: list[str], body: JSON, live: JSON | None) -> Prepared:
    """Lets a snapshot name what the storage has: by its claim or volume, the storage would take a new one of the data of now."""
    status, spec = body.get("status") or {}, made.get("spec", {})
    is_content = target.kind == "VolumeSnapshotContent"
    known = status.get("snapshotHandle" if is_content else "boundVolumeSnapshotContentName")
    name = "snapshotHandle" if is_content else "volumeSnapshotContentName"
    if is_content:
        owner = spec.get("volumeSnapshotRef") or {}
        spec["volumeSnapshotRef"] = {
            one: value for one, value in owner.items() if one not in {"uid", "resourceVersion"}
        }
    made["metadata"] = {one: value for one, value in made["metadata"].items() if value}
    source = (live or {}).get("spec", {}).get("source")
    if live is not None and name not in (source or {}):
        return Prepared(made, tuple(notes))
    if target.source != target.namespace:
        problem = f"it is a snapshot of a claim of {target.source}, and cannot move"
        return Prepared(made, tuple(notes), problem, "make claims of snapshots with volumes-restore")
    if not known:
        problem = "the storage had not taken it yet: now it would take another one, of the data of now"
        return Prepared(made, tuple(notes), problem, "take a snapshot with volumes-backup")
    if is_content:
        spec["deletionPolicy"] = "Retain"
        notes.append(
            f"with deletionPolicy Retain, and by its handle {known}: the storage has the snapshot, or it never gets ready"
        )
    spec["source"] = {name: known}
    return Prepared(made, tuple(notes))


def is_released(volume: JSON | None) -> bool:
    """Checks whether a volume still names a claim that is gone, so that no other claim gets it; with Delete, it is going too."""
    spec = (volume or {}).get("spec", {})
    phase = (volume or {}).get("status", {}).get("phase")
    return (phase, spec.get("persistentVolumeReclaimPolicy")) == ("Released", "Retain")


def claim_of(volume: JSON) -> Key:
    """Returns the claim that a volume names."""
    claim = volume.get("spec", {}).get("claimRef") or {}
    return Key("", "PersistentVolumeClaim", str(claim.get("namespace", "")), str(claim.get("name", "")))


def handle_of(volume: JSON) -> str:
    """Returns the volume of a PersistentVolume as its CSI driver knows it; empty for other kinds of volumes."""
    csi = volume.get("spec", {}).get("csi") or {}
    return f"{csi['driver']}/{csi['volumeHandle']}" if csi.get("driver") and csi.get("volumeHandle") else ""


def _job(made: JSON, around: Around, target: Target) -> Iterable[str]:
    """Drops the selector that the API server made, and its labels: the new Job gets its own."""
    del around, target
    spec = made.get("spec", {})
    if not spec.get("manualSelector"):
        spec.pop("selector", None)
        for metadata in (made["metadata"], spec.get("template", {}).get("metadata", {})):
            _drop(metadata, "labels", JOB_LABELS)
    return ()


def _definition(made: JSON, around: Around, target: Target) -> Iterable[str]:
    """Keeps the live versions in which objects may be stored: the API server refuses to lose one."""
    spec = made.get("spec", {})
    if spec.pop("preserveUnknownFields", False):
        for version in spec.get("versions", ()):
            version.setdefault("schema", {}).setdefault("openAPIV3Schema", {"type": "object"})
            version["schema"]["openAPIV3Schema"]["x-kubernetes-preserve-unknown-fields"] = True
        yield "preserveUnknownFields is set in the schema of each version instead"
    have = {version["name"] for version in spec.get("versions", ())}
    for live in around.stored.get(target.name, ()):
        if live["name"] not in have:
            spec["versions"] = [*spec["versions"], live | {"storage": False}]
            yield f"with the live version {live['name']} as well, in which objects are stored"


def _aggregated(made: JSON, around: Around, target: Target) -> Iterable[str]:
    """Drops the rules that a controller collects from other roles: they are its fields."""
    del around, target
    if made.get("aggregationRule"):
        made.pop("rules", None)
    return ()


def _hooks(made: JSON, around: Around, target: Target) -> Iterable[str]:
    del around, target
    for hook in made.get("webhooks") or ():
        if hook.get("sideEffects") in {"Some", "Unknown"}:
            hook["sideEffects"] = "None"
            yield f"the webhook {hook.get('name')} with sideEffects None: the API takes nothing else"


def _subjects(made: JSON, around: Around, target: Target) -> Iterable[str]:
    del target
    for subject in made.get("subjects") or ():
        if moved := around.moved.get(subject.get("namespace", "")):
            yield f"for the ServiceAccount {moved}/{subject.get('name')} instead of that in {subject['namespace']}"
            subject["namespace"] = moved


_RBAC, _ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
_CHANGES: Mapping[tuple[str, str], Callable[[JSON, Around, Target], Iterable[str]]] = {
    ("", "Namespace"): _namespace,
    ("", "ServiceAccount"): _account,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("batch", "Job"): _job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    (_ADMISSION, "MutatingWebhookConfiguration"): _hooks,
    (_ADMISSION, "ValidatingWebhookConfiguration"): _hooks,
    (_RBAC, "ClusterRole"): _aggregated,
    (_RBAC, "RoleBinding"): _subjects,
    (_RBAC, "ClusterRoleBinding"): _subjects,
}
"""Maps kinds to what is changed beyond what every object loses."""


def without(body: JSON, names: Iterable[str]) -> JSON:
    """Returns a Service without these fields of its spec, and without the node ports if they are among them."""
    made: dict[str, Any] = deepcopy(body)
    dropped = set(names)
    spec = {name: value for name, value in made.get("spec", {}).items() if name not in dropped}
    if "nodePort" in dropped:
        spec["ports"] = [
            {name: value for name, value in port.items() if name != "nodePort"} for port in spec.get("ports", ())
        ]
    return made | {"spec": spec}
