"""Parses Secrets of registries, ServiceAccounts, and pods that name Secrets."""

from collections.abc import Mapping
from typing import Any

from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.nodes.policy.owners import owner_of
from tasks.nodes.policy.references import references_of
from tasks.nodes.probes.owners import notes_of
from tasks.pod_security.probes.pods import KINDS
from tasks.registries.models.secrets import LABEL, Account, Entry, FoundSecret, Namer

JSON = Mapping[str, Any]


def parse_secret(raw: JSON, entries: tuple[Entry, ...], problem: str) -> FoundSecret:
    """Parses a Secret; `entries` are what it has, and `problem` says why it has none."""
    metadata = outside.Marked.read(raw, name_of("secret", raw)).metadata
    owner = owner_of(*notes_of(raw))
    return FoundSecret(
        namespace=metadata.namespace,
        name=metadata.name,
        uid=metadata.uid,
        ours=metadata.labels.get(LABEL, ""),
        owner=owner.who if owner else "",
        owner_way=owner.way if owner else "",
        entries=entries,
        problem=problem,
    )


def parse_account(raw: JSON) -> Account:
    """Parses a ServiceAccount."""
    told = outside.PullingAccount.read(raw, name_of("serviceaccount", raw))
    return Account(
        namespace=told.metadata.namespace,
        name=told.metadata.name,
        secrets=tuple(one.name for one in told.image_pull_secrets),
    )


def parse_namer(kind: str, raw: JSON) -> Namer | None:
    """Parses a pod, or an object that makes pods; None if it names no Secret."""
    template: Any = raw
    for part in KINDS[kind].template:
        template = template.get(part) or {}
    uses = references_of(template).secrets
    if not uses:
        return None
    metadata = outside.Placed.read(raw, name_of(kind.lower(), raw)).metadata
    spec = template["spec"]
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return Namer(
        kind=kind,
        namespace=metadata.namespace,
        name=metadata.name,
        pulls=tuple(str(one.get("name", "")) for one in spec.get("imagePullSecrets") or []),
        uses=uses,
        images=tuple(dict.fromkeys(str(one["image"]) for one in containers if one.get("image"))),
    )
