"""Parses what the API publishes about CAs, and makes the objects that a rotation writes. All functions are pure."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tasks.ca_rotation.models import Half
from tasks.ca_rotation.probes.trust import halves_in
from tasks.certificates.probes.answer import decoded
from tasks.certificates.probes.x509 import certificates_in, fingerprint_of, pem_of
from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.outside import from_yaml, name_of
from tasks.core.probes.yaml_edit import Path, edited, edits

JSON = Mapping[str, Any]

ROOT = "kube-root-ca.crt"
"""This is the ConfigMap in each namespace with which pods verify their API server."""

INFO = "the kubeconfig in ConfigMap kube-public/cluster-info"

CLIENTS, FRONT_PROXIES = "client-ca-file", "requestheader-client-ca-file"
"""These are keys in extension-apiserver-authentication."""

_INFO_CA: Path = ("clusters", 0, "cluster", "certificate-authority-data")

_ENCODED = re.compile(r"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS[A-Za-z0-9+/]+=*")
"""Matches a certificate in base64, as a kubeconfig contains it."""

MIRROR = "kubernetes.io/config.mirror"

TOKENS = "kubernetes.io/service-account-token"
"""This is the type of Secrets with a token."""

SECRETS = "type!=helm.sh/release.v1"
"""Selects the Secrets to read. Helm's release Secrets are large, and nothing uses them to connect."""


def ids_in(text: str) -> tuple[str, ...]:
    """Returns the ids of the certificates in a bundle."""
    return tuple(half.id for half in halves_in(text.encode()))


def cluster_info_of(configmap: JSON | None) -> tuple[str, ...]:
    """Returns the ids of the CAs that a joining node trusts. The result is empty if the cluster has no cluster-info."""
    if configmap is None:
        return ()
    told = outside.InfoConfig.read(_kubeconfig(configmap), INFO).clusters[0].cluster
    return ids_in(
        _decoded(
            told.certificate_authority_data, INFO, "kubectl -n kube-public get configmap cluster-info -o yaml"
        ).decode(errors="replace")
    )


def with_authorities(configmap: JSON, bundle: bytes) -> dict[str, Any]:
    """Returns cluster-info with a new bundle of trusted CAs. The cluster itself renews its signatures."""
    outside.InfoConfig.read(_kubeconfig(configmap), INFO)
    text = data_of(configmap)["kubeconfig"]
    made = edits(text, {_INFO_CA: base64.b64encode(bundle).decode()}, INFO)
    return {**configmap, "data": {**configmap["data"], "kubeconfig": edited(text.encode(), made).decode()}}


def without_authority(configmap: JSON, key: str, gone: str) -> dict[str, Any]:
    """Returns extension-apiserver-authentication without the CA that has this id. API servers only ever add to it."""
    data = data_of(configmap)
    kept = [one for one in certificates_in(data.get(key, "").encode()) if fingerprint_of(one) != gone]
    return {**configmap, "data": {**data, key: "".join(map(pem_of, kept))}}


def data_of(configmap: JSON) -> dict[str, str]:
    """Returns the data of any ConfigMap."""
    return outside.ConfigMap.read(configmap, name_of("ConfigMap", configmap)).data


def root_cas_of(configmaps: Iterable[JSON]) -> dict[str, tuple[str, ...]]:
    """Maps each namespace to the ids of the CAs that its pods trust."""
    told = (outside.PlacedConfigMap.read(one, name_of("ConfigMap", one)) for one in configmaps)
    return {one.metadata.namespace: ids_in(one.data.get("ca.crt", "")) for one in told}


def without_root(namespaces: Iterable[JSON], roots: Iterable[str]) -> Iterator[str]:
    """Yields the namespaces whose pods get no CA. A namespace that is being deleted is left out, as it no longer has one."""
    for raw in namespaces:
        told = outside.Namespace.read(raw, name_of("namespace", raw))
        if told.status.phase != "Terminating" and told.metadata.name not in roots:
            yield told.metadata.name


def copies_of(configmaps: Iterable[JSON], old: Half, new: Half | None) -> Iterator[str]:
    """Yields the ConfigMaps with a copy of the old CA and without the new one, as `namespace/name`.

    The copy may be PEM or inside a kubeconfig.
    """
    for raw in configmaps:
        told = outside.PlacedConfigMap.read(raw, name_of("ConfigMap", raw))
        found = {one for text in told.data.values() for one in _ids_anywhere_in(text)}
        if old.id in found and (new is None or new.id not in found):
            yield f"{told.metadata.namespace}/{told.metadata.name}"


def secrets_with(secrets: Iterable[JSON], old: Half, new: Half | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the Secrets with the old CA and without the new one, by name, in two groups.

    The first group belongs to others. In the second, the cluster writes `ca.crt` next to a service account's token.
    Nothing of a Secret but its name is returned.
    """
    own: list[str] = []
    clusters: list[str] = []
    for raw in secrets:
        told = outside.Secret.read(raw, name_of("Secret", raw))
        texts = (decoded(text).decode(errors="replace") for text in told.data.values())
        found = {one for text in texts for one in _ids_anywhere_in(text)}
        if old.id in found and (new is None or new.id not in found):
            (clusters if told.type == TOKENS else own).append(told.id)
    return tuple(own), tuple(clusters)


def _ids_anywhere_in(text: str) -> Iterator[str]:
    yield from ids_in(text)
    for encoded in _ENCODED.findall(text):
        yield from ids_in(decoded(encoded).decode(errors="replace"))


def changed_at(configmaps: Iterable[JSON]) -> dict[str, datetime]:
    """Maps each namespace to the time at which its ConfigMap was last written."""
    told = (outside.WrittenConfigMap.read(one, name_of("ConfigMap", one)).metadata for one in configmaps)
    return {one.namespace: max(_times(one)) for one in told}


def pods_before(pods: Iterable[JSON], since: Mapping[str, datetime]) -> Iterator[str]:
    """Yields the running pods that started before the CAs of their namespace were last written, as `namespace/name`.

    A pod without such a volume does not use the cluster's CAs to talk to the API. A static pod reads files of its node.
    """
    for raw in pods:
        pod = outside.GivenPod.read(raw, name_of("pod", raw))
        if pod.status.phase in {"Succeeded", "Failed"} or MIRROR in pod.metadata.annotations:
            continue
        written, started = since.get(pod.metadata.namespace), pod.status.start_time
        if written and started and _is_given_it(pod) and started < written:
            yield f"{pod.metadata.namespace}/{pod.metadata.name}"


def tokens_of_others(secrets: Iterable[JSON], signer: Half) -> Iterator[str]:
    """Yields the Secrets with a service-account token that another key has signed, as `namespace/name`.

    Only the header of a token is read.
    """
    for raw in secrets:
        what = name_of("Secret", raw)
        secret = outside.Secret.read(raw, what)
        if secret.type not in {"", TOKENS}:
            continue
        token = _decoded(
            secret.data.get("token", ""),
            what,
            f"kubectl -n {secret.metadata.namespace} describe secret {secret.metadata.name}",
        )
        if token and _key_id(token) != key_id_of(signer):
            yield secret.id


def key_id_of(half: Half) -> str:
    """Returns the id of a key in a token's header, which is its sha256.

    API servers and the controller manager use this id.
    """
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


def _decoded(text: str, what: str, hint: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise NotYet(f"{what} could not be parsed: {error}", hint=hint) from None


def _is_given_it(pod: outside.GivenPod) -> bool:
    sources = (source for volume in pod.spec.volumes for source in volume.projected.sources)
    return any(source.config_map.name == ROOT for source in sources)


def _times(metadata: outside.WrittenMetadata) -> Iterator[datetime]:
    yield metadata.creation_timestamp
    yield from (one.time for one in metadata.managed_fields if one.time)
