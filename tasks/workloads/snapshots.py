"""Keeps workloads in the bucket: the exact objects before a change, and after its proof."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tasks.backup.archive import pack, seal, unpack, unseal
from tasks.clients.kube import KubeClient
from tasks.clients.objectstore import ObjectStore
from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.core.secrets import resolve_secret
from tasks.nodes.policy.references import references_of
from tasks.run.reports import read_kept
from tasks.workloads.models.names import Ref
from tasks.workloads.models.rollback import CONFIG_MAP, RESOURCES
from tasks.workloads.models.rollout import Snapshot
from tasks.workloads.probes.targets import template_of
from tasks.workloads.targets import find_scaler

JSON = dict[str, Any]

TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - a type
"""Is the type of a Secret with a token of a ServiceAccount: the API makes its content, and deletes an old one."""


class Kept(NamedTuple):
    """Says where a snapshot is, and which Secrets it does not have."""

    key: str
    left_out: tuple[str, ...]


def prefix_of(store: ObjectStore, cluster: str, ref: Ref) -> str:
    """Returns the prefix of all snapshots of a workload."""
    return store.key(cluster, "workloads", ref.namespace, ref.kind.value, ref.name) + "/"


def take_snapshot(handle: Cluster, ref: Ref, raw: JSON, revision: str, run_id: str, *, proven: bool) -> Kept:  # noqa: PLR0913
    """Keeps the workload, its ConfigMaps, its HorizontalPodAutoscaler, and its Secrets if the profile has recipients.

    The key is new each time, so no snapshot replaces another one.
    """
    kube, now = handle.kube, datetime.now(UTC)
    used = references_of(template_of(raw))
    recipients = handle.profile.backup.recipients
    metadata = raw.get("metadata") or {}
    snapshot = Snapshot(
        taken_at=now,
        run_id=run_id,
        proven=proven,
        namespace=ref.namespace,
        workload=ref.workload,
        uid=str(metadata.get("uid", "")),
        resource_version=str(metadata.get("resourceVersion", "")),
        revision=revision,
        body={
            **{name: value for name, value in raw.items() if name != "status"},
            "metadata": {name: value for name, value in metadata.items() if name != "managedFields"},
        },
        scaler=find_scaler(kube, ref) or {},
        config_maps={name: read_config(kube, ref.namespace, CONFIG_MAP, name) for name in used.config_maps},
        secrets=used.secrets,
        sealed=bool(recipients and used.secrets),
    )
    name = f"{now:%Y%m%dT%H%M%S%fZ}-{run_id}-{'proven' if proven else 'before'}"
    key = f"{prefix_of(handle.store, handle.profile.name, ref)}{name}"
    if snapshot.sealed:
        found = {f"{one}.json": _secret(kube, ref.namespace, one) for one in used.secrets}
        handle.store.put_new(f"{key}.secrets.age", seal(pack(found, now), recipients), "application/octet-stream")
    handle.store.put_new(f"{key}.json", snapshot.model_dump_json().encode(), "application/json")
    return Kept(f"{key}.json", () if snapshot.sealed else used.secrets)


def read_snapshot(store: ObjectStore, key: str) -> Snapshot:
    """Reads a snapshot; raises `Refused` if it does not exist or could not be parsed."""
    found = read_kept(store, key, Snapshot) if key else None
    if found is None:
        raise Refused(
            f"the snapshot {store.uri(key) if key else '(no key)'} cannot be read",
            hint="`kubectl rollout undo` brings back the template alone",
        )
    return found


class Secrets(NamedTuple):
    """Has the Secrets of a snapshot, and those that stay as they are, with the reason and the fix. It is never printed."""

    content: dict[str, JSON]
    staying: tuple[str, ...] = ()
    because: str = ""
    next_step: str = ""

    def __repr__(self) -> str:
        """Hides the content."""
        return f"Secrets({sorted(self.content)})"


def open_secrets(handle: Cluster, snapshot: Snapshot, key: str) -> Secrets:
    """Decrypts the Secrets of a snapshot with the profile's identity, in memory. A token of a ServiceAccount is left out."""
    if not snapshot.secrets:
        return Secrets({})
    if not snapshot.sealed:
        return Secrets(
            {},
            snapshot.secrets,
            "the snapshot does not have them",
            "add backup.recipients to the profile, so that the next one has them",
        )
    if handle.profile.backup.identity is None:
        return Secrets(
            {},
            snapshot.secrets,
            "the profile has no backup.identity that decrypts them",
            "set backup.identity of the profile, or decrypt NAME.secrets.age with `age -d`, and apply them by hand",
        )
    identity = resolve_secret(handle.profile.backup.identity, "backup.identity")
    place = f"{key.removesuffix('.json')}.secrets.age"
    try:
        found = unpack(unseal(handle.store.get(place), identity))
    except ValueError as error:
        return Secrets(
            {}, snapshot.secrets, f"{handle.store.uri(place)}: {error}", "correct backup.identity of the profile"
        )
    content = {name.removesuffix(".json"): json.loads(text) for name, text in found.items()}
    tokens = tuple(name for name, one in content.items() if one.get("type") == TOKEN)
    kept = {name: one for name, one in content.items() if one and name not in tokens}
    return Secrets(
        kept,
        tokens,
        "only the API makes tokens of a ServiceAccount",
        "use a token of `kubectl create token` or of a projected volume",
    )


def read_config(kube: KubeClient, namespace: str, kind: str, name: str) -> JSON:
    """Returns a ConfigMap or a Secret without its managedFields; empty if it does not exist."""
    found = kube.find(f"/api/v1/namespaces/{namespace}/{RESOURCES[kind]}/{name}")
    if found is None:
        return {}
    metadata = {name: value for name, value in (found.get("metadata") or {}).items() if name != "managedFields"}
    return found | {"metadata": metadata}


def _secret(kube: KubeClient, namespace: str, name: str) -> bytes:
    """Returns a Secret as JSON; it goes into the encrypted archive only. An optional one may not exist."""
    return json.dumps(kube.find(f"/api/v1/namespaces/{namespace}/secrets/{name}") or {}).encode()
