"""What the API hands out of authorities: pure parsers of its objects, and what a rotation makes of them."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import yaml

from tasks.ca_rotation.models import Half
from tasks.ca_rotation.probes.trust import halves_in
from tasks.certificates.probes.x509 import certificates_in, fingerprint_of, pem_of
from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.outside import from_yaml, name_of

JSON = Mapping[str, Any]

ROOT = "kube-root-ca.crt"
"""The ConfigMap of each namespace that pods find their API server by."""

INFO = "the kubeconfig in ConfigMap kube-public/cluster-info"

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
    told = outside.InfoConfig.read(_kubeconfig(configmap), INFO).clusters[0].cluster
    return ids_in(_decoded(told.certificate_authority_data, INFO).decode(errors="replace"))


def with_authorities(configmap: JSON, bundle: bytes) -> dict[str, Any]:
    """cluster-info that has others believe a bundle. Its signatures are made anew by the cluster itself."""
    config: Any = _kubeconfig(configmap)
    outside.InfoConfig.read(config, INFO)
    config["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(bundle).decode()
    return {**configmap, "data": {**configmap["data"], "kubeconfig": yaml.safe_dump(config)}}


def without_authority(configmap: JSON, key: str, gone: str) -> dict[str, Any]:
    """extension-apiserver-authentication without one of its authorities, by its id: API servers only ever add to it."""
    data = data_of(configmap)
    kept = [one for one in certificates_in(data.get(key, "").encode()) if fingerprint_of(one) != gone]
    return {**configmap, "data": {**data, key: "".join(map(pem_of, kept))}}


def data_of(configmap: JSON) -> dict[str, str]:
    """Of any ConfigMap."""
    return outside.ConfigMap.read(configmap, name_of("ConfigMap", configmap)).data


def root_cas_of(configmaps: Iterable[JSON]) -> dict[str, tuple[str, ...]]:
    """Namespace to what its pods believe."""
    told = (outside.PlacedConfigMap.read(one, name_of("ConfigMap", one)) for one in configmaps)
    return {one.metadata.namespace: ids_in(one.data.get("ca.crt", "")) for one in told}


def changed_at(configmaps: Iterable[JSON]) -> dict[str, datetime]:
    """Namespace to when that was written."""
    told = (outside.WrittenConfigMap.read(one, name_of("ConfigMap", one)).metadata for one in configmaps)
    return {one.namespace: max(_times(one)) for one in told}


def pods_before(pods: Iterable[JSON], since: Mapping[str, datetime]) -> Iterator[str]:
    """Running pods that were given what they believe before it was what it is: `namespace/name`.

    Without such a volume a pod does not talk to the API by what the cluster gives it; a static pod reads files of its node.
    """
    for raw in pods:
        pod = outside.GivenPod.read(raw, name_of("pod", raw))
        if pod.status.phase in {"Succeeded", "Failed"} or MIRROR in pod.metadata.annotations:
            continue
        written, started = since.get(pod.metadata.namespace), pod.status.start_time
        if written and started and _is_given_it(pod) and started < written:
            yield f"{pod.metadata.namespace}/{pod.metadata.name}"


def tokens_of_others(secrets: Iterable[JSON], signer: Half) -> Iterator[str]:
    """Secrets with a token of a service account that another key has signed: `namespace/name`. Of a token, its header alone is read."""
    for raw in secrets:
        what = name_of("Secret", raw)
        secret = outside.Secret.read(raw, what)
        token = _decoded(secret.data.get("token", ""), what)
        if token and _key_id(token) != key_id_of(signer):
            yield secret.id


def key_id_of(half: Half) -> str:
    """As API servers and the controller manager name a key in a token's header: its sha256."""
    return base64.urlsafe_b64encode(bytes.fromhex(half.public_key)).decode().rstrip("=")


def _key_id(token: bytes) -> str:
    head = token.partition(b".")[0]
    try:
        told = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
        return outside.TokenHeader.read(told, "the header of a token").kid
    except (ValueError, RecursionError, NotYet):
        return ""


def _kubeconfig(configmap: JSON) -> object:
    return from_yaml(data_of(configmap).get("kubeconfig", ""), INFO)


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise NotYet(f"{what} is not understood: {error}", hint="look at it: kubectl get -o yaml") from None


def _is_given_it(pod: outside.GivenPod) -> bool:
    sources = (source for volume in pod.spec.volumes for source in volume.projected.sources)
    return any(source.config_map.name == ROOT for source in sources)


def _times(metadata: outside.WrittenMetadata) -> Iterator[datetime]:
    yield metadata.creation_timestamp
    yield from (one.time for one in metadata.managed_fields if one.time)
