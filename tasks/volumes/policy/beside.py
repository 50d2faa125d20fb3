"""Decides what a restored archive becomes: a volume and a claim beside the old ones."""

from collections.abc import Sequence
from typing import Any

from tasks.core.errors import Refused
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.places import Target

JSON = dict[str, Any]

ARCHIVE = "kube-runbooks.io/volumes-archive"
"""Names the annotation of a restored volume and of its claim: the object key of their archive."""


def target_of(one: Archive, suffix: str, path: str = "") -> Target:
    """Returns the folder into which an archive is restored: beside the old one, or the one that a person named."""
    return Target(path=path or f"{one.path}-{suffix}", is_named=bool(path))


def volume_beside(one: Archive, suffix: str) -> str:
    """Returns the name of the new volume."""
    return f"{one.volume}-{suffix}"


def beside(one: Archive, objects: Sequence[JSON], name: str, suffix: str, path: str = "") -> tuple[JSON, JSON]:
    """Returns the new volume, and the new claim of that name. `Refused` if the manifest lacks the old ones."""
    old = _object(objects, "PersistentVolume", "", one.volume)["spec"]
    wanted = _object(objects, "PersistentVolumeClaim", one.namespace, one.claim)["spec"]
    volume = volume_beside(one, suffix)
    hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [one.node]}
    note = {"annotations": {ARCHIVE: one.data_key}}
    kept = {field: old[field] for field in ("capacity", "accessModes", "storageClassName") if field in old}
    spec = {
        **kept,
        "volumeMode": "Filesystem",
        "persistentVolumeReclaimPolicy": "Retain",
        "local": {"path": target_of(one, suffix, path).path},
        "nodeAffinity": old.get("nodeAffinity")
        or {"required": {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}},
        "claimRef": {"namespace": one.namespace, "name": name, "apiVersion": "v1", "kind": "PersistentVolumeClaim"},
    }
    claim = {
        "accessModes": wanted["accessModes"],
        "resources": wanted["resources"],
        "storageClassName": old.get("storageClassName", ""),
        "volumeName": volume,
    }
    about = {"apiVersion": "v1"}
    return (
        about | {"kind": "PersistentVolume", "metadata": {"name": volume, **note}, "spec": spec},
        about | {"kind": "PersistentVolumeClaim", "metadata": {"name": name, **note}, "spec": claim},
    )


def _object(objects: Sequence[JSON], kind: str, namespace: str, name: str) -> JSON:
    for raw in objects:
        meta = raw["metadata"]
        if (raw["kind"], meta.get("namespace", ""), meta["name"]) == (kind, namespace, name):
            return raw
    raise Refused(
        f"the manifest does not have the {kind} {name} as an object",
        hint="restore the folder alone, and create a volume and a claim by hand",
    )
