"""Finds what restored objects name and nobody has: a dry run sees no missing ServiceAccount, ConfigMap, Secret or claim."""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby

from tasks.core.models.findings import cautioned, listed
from tasks.core.models.plan import Caution
from tasks.core.words import counted
from tasks.resources_restore.models import JSON, Key, Target

RESOURCES = {
    "ServiceAccount": "serviceaccounts",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "PersistentVolumeClaim": "persistentvolumeclaims",
}
"""Maps the kinds that are looked for to their resources."""

GENERATED = frozenset({("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")})
"""Lists what every namespace gets."""

SHOWN = 20
"""Limits how many names of a kind a plan shows."""

TEMPLATES = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("apps", "ReplicaSet"),
        ("", "ReplicationController"),
        ("batch", "Job"),
    }
)
"""Lists the kinds with a pod template in their spec."""


def references_of(target: Target, body: JSON) -> frozenset[Key]:
    """Returns the objects without which this one does not work as it did; what it calls optional is none of them."""
    found = _named(target, body)
    return frozenset(
        Key("", kind, namespace, name) for kind, namespace, name in found if name and (kind, name) not in GENERATED
    )


def _named(target: Target, body: JSON) -> Iterator[tuple[str, str, str]]:
    where, kind, spec = target.namespace, (target.group, target.kind), body.get("spec") or {}
    if kind == ("", "Pod"):
        pods = spec
    elif kind in TEMPLATES:
        pods = (spec.get("template") or {}).get("spec") or {}
    elif kind == ("batch", "CronJob"):
        job = (spec.get("jobTemplate") or {}).get("spec") or {}
        pods = (job.get("template") or {}).get("spec") or {}
    else:
        pods = {}
    yield from ((one, where, name) for one, name in _of_pod(pods))
    if kind == ("", "ServiceAccount"):
        yield from (("Secret", where, one.get("name", "")) for one in body.get("imagePullSecrets") or ())
    if kind == ("networking.k8s.io", "Ingress"):
        yield from (("Secret", where, one.get("secretName", "")) for one in spec.get("tls") or ())
    if target.group == "rbac.authorization.k8s.io":
        for one in body.get("subjects") or ():
            if one.get("kind") == "ServiceAccount":
                yield "ServiceAccount", one.get("namespace") or where, one.get("name", "")


def _of_pod(spec: JSON) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", spec.get("serviceAccountName") or ""
    yield from (("Secret", one.get("name", "")) for one in spec.get("imagePullSecrets") or ())
    for volume in spec.get("volumes") or ():
        yield "PersistentVolumeClaim", (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
        for one in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            yield from _needed("ConfigMap", one.get("configMap"), "name")
            yield from _needed("Secret", one.get("secret"), "secretName")
            yield from _needed("Secret", one.get("secret"), "name")
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for one in container.get("envFrom") or ():
            yield from _needed("ConfigMap", one.get("configMapRef"), "name")
            yield from _needed("Secret", one.get("secretRef"), "name")
        for one in container.get("env") or ():
            source = one.get("valueFrom") or {}
            yield from _needed("ConfigMap", source.get("configMapKeyRef"), "name")
            yield from _needed("Secret", source.get("secretKeyRef"), "name")


def _needed(kind: str, source: JSON | None, field: str) -> Iterator[tuple[str, str]]:
    if source and not source.get("optional"):
        yield kind, source.get(field, "")


def path_of(key: Key) -> str:
    """Returns the path of such an object in the API."""
    return f"/api/v1/namespaces/{key.namespace}/{RESOURCES[key.kind]}/{key.name}"


def missing_words(missing: Collection[Key]) -> Iterable[Caution]:
    """Returns one caution for each kind, with the names."""
    for kind, found in groupby(sorted(missing), lambda one: one.kind):
        names = [f"{one.namespace}/{one.name}" for one in found]
        yield cautioned(
            kind,
            f"restored objects name {counted(len(names), kind)} that neither the cluster nor this restore has: {listed(names, SHOWN)}",
            "restore or create them too: pods do not start without them",
        )
