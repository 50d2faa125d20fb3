"""Parses workloads, pods and namespaces as the Pod Security Standards see them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tasks.core.models import outside
from tasks.nodes.probes.owners import notes_of
from tasks.pod_security.models import Level, Namespace

JSON = Mapping[str, Any]
Notes = tuple[dict[str, str], tuple[str, str, str] | None, tuple[str, ...]]
"""This type is what shows the owner of an object: annotations and labels, the controller, and the managers."""

ENFORCE = "pod-security.kubernetes.io/enforce"
TEMPLATE = ("spec", "template")


class Kind(NamedTuple):
    """Is a kind whose objects make pods."""

    group: str
    plural: str
    template: tuple[str, ...] = TEMPLATE
    can_change: bool = True
    """Its template can be changed in place."""


KINDS: Mapping[str, Kind] = {
    "Deployment": Kind("/apis/apps/v1", "deployments"),
    "StatefulSet": Kind("/apis/apps/v1", "statefulsets"),
    "DaemonSet": Kind("/apis/apps/v1", "daemonsets"),
    "CronJob": Kind("/apis/batch/v1", "cronjobs", ("spec", "jobTemplate", "spec", "template")),
    "Job": Kind("/apis/batch/v1", "jobs", can_change=False),
    "ReplicaSet": Kind("/apis/apps/v1", "replicasets"),
    "ReplicationController": Kind("/api/v1", "replicationcontrollers"),
    "Pod": Kind("/api/v1", "pods", (), can_change=False),
}


class Found(NamedTuple):
    """Is an object that makes pods, and a pod of it."""

    kind: str
    namespace: str
    name: str
    pod: outside.SecuredPod
    notes: Notes

    @property
    def path(self) -> str:
        """Returns its path in the API."""
        kind = KINDS[self.kind]
        return f"{kind.group}/namespaces/{self.namespace}/{kind.plural}/{self.name}"


def parse_found(kind: str, raw: JSON) -> Found | None:
    """Parses an object of a kind in `KINDS`. It returns None if another object in `KINDS` makes it."""
    head = outside.OwnedObject.read(raw, outside.name_of(kind.lower(), raw)).metadata
    if any(one.controller and one.kind in KINDS for one in head.owner_references):
        return None
    told: Any = raw
    for part in KINDS[kind].template:
        told = told.get(part) or {}
    pod = outside.SecuredPod.read(told, f"the pod of {outside.name_of(kind.lower(), raw)}")
    return Found(kind, head.namespace, head.name, pod, notes_of(raw))


def parse_namespace(raw: JSON) -> Namespace:
    """Parses a namespace. The API server reads a level that does not exist as restricted."""
    metadata = outside.Namespace.read(raw, outside.name_of("namespace", raw)).metadata
    told = metadata.labels.get(ENFORCE, "")
    level = Level(told) if told in set(Level) else Level.RESTRICTED if told else Level.PRIVILEGED
    return Namespace(name=metadata.name, enforces=level, version=metadata.labels.get(f"{ENFORCE}-version", ""))
