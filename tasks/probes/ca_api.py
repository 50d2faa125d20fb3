"""What the API hands out of authorities: pure parsers of its objects, and what a rotation makes of them."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import yaml

from tasks.models.ca_rotation import Half
from tasks.probes.ca_rotation import halves_in
from tasks.probes.x509 import certificates_in, fingerprint_of, pem_of

JSON = Mapping[str, Any]

ROOT = "kube-root-ca.crt"
"""The ConfigMap of each namespace that pods find their API server by."""

CLIENTS, FRONT_PROXIES = "client-ca-file", "requestheader-client-ca-file"
"""In extension-apiserver-authentication."""

MIRROR = "kubernetes.io/config.mirror"


def ids_in(text: str) -> tuple[str, ...]:
    """Of a bundle of certificates."""
    return tuple(half.id for half in halves_in(text.encode()))


def cluster_info_of(configmap: JSON | None) -> tuple[str, ...]:
    """What a node believes that joins; nothing where the cluster has no cluster-info."""
    if configmap is None:
        return ()
    return ids_in(base64.b64decode(_cluster_of(yaml.safe_load(configmap["data"]["kubeconfig"]))).decode())


def with_authorities(configmap: JSON, bundle: bytes) -> dict[str, Any]:
    """cluster-info that has others believe a bundle. Its signatures are made anew by the cluster itself."""
    config = yaml.safe_load(configmap["data"]["kubeconfig"])
    config["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(bundle).decode()
    return {**configmap, "data": {**configmap["data"], "kubeconfig": yaml.safe_dump(config)}}


def without_authority(configmap: JSON, key: str, gone: str) -> dict[str, Any]:
    """extension-apiserver-authentication without one of its authorities, by its id: API servers only ever add to it."""
    kept = [one for one in certificates_in(configmap["data"][key].encode()) if fingerprint_of(one) != gone]
    return {**configmap, "data": {**configmap["data"], key: "".join(map(pem_of, kept))}}


def root_cas_of(configmaps: Iterable[JSON]) -> dict[str, tuple[str, ...]]:
    """Namespace to what its pods believe."""
    return {one["metadata"]["namespace"]: ids_in(one["data"].get("ca.crt", "")) for one in configmaps}


def changed_at(configmaps: Iterable[JSON]) -> dict[str, datetime]:
    """Namespace to when that was written."""
    return {one["metadata"]["namespace"]: max(_times(one["metadata"])) for one in configmaps}


def pods_before(pods: Iterable[JSON], since: Mapping[str, datetime]) -> Iterator[str]:
    """Running pods that were given what they believe before it was what it is: `namespace/name`.

    Without such a volume a pod does not talk to the API by what the cluster gives it; a static pod reads files of its node.
    """
    for pod in pods:
        metadata, status = pod["metadata"], pod.get("status", {})
        if status.get("phase") in {"Succeeded", "Failed"} or MIRROR in (metadata.get("annotations") or {}):
            continue
        written, started = since.get(metadata["namespace"]), status.get("startTime")
        if written and started and _is_given_it(pod) and _time(started) < written:
            yield f"{metadata['namespace']}/{metadata['name']}"


def tokens_of_others(secrets: Iterable[JSON], signer: Half) -> Iterator[str]:
    """Secrets with a token of a service account that another key has signed: `namespace/name`. Of a token, its header alone is read."""
    for secret in secrets:
        token = base64.b64decode((secret.get("data") or {}).get("token", ""))
        if token and _key_id(token) != key_id_of(signer):
            yield f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"


def key_id_of(half: Half) -> str:
    """As API servers and the controller manager name a key in a token's header: its sha256."""
    return base64.urlsafe_b64encode(bytes.fromhex(half.public_key)).decode().rstrip("=")


def _key_id(token: bytes) -> str:
    head = token.partition(b".")[0]
    try:
        return str(json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4))).get("kid", ""))
    except ValueError:
        return ""


def _cluster_of(config: Mapping[str, Any]) -> str:
    return str(config["clusters"][0]["cluster"]["certificate-authority-data"])


def _is_given_it(pod: JSON) -> bool:
    projected = (volume.get("projected") or {} for volume in pod["spec"].get("volumes") or [])
    sources = (source for one in projected for source in one.get("sources") or [])
    return any((source.get("configMap") or {}).get("name") == ROOT for source in sources)


def _times(metadata: JSON) -> Iterator[datetime]:
    yield _time(metadata["creationTimestamp"])
    yield from (_time(field["time"]) for field in metadata.get("managedFields") or [] if "time" in field)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
