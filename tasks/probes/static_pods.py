"""Static pods of a kubeadm control plane: what their manifests say of etcd and of the API server's way to it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, Self

import yaml

from tasks.models.base import Model
from tasks.models.cluster import EtcdEndpoint, EtcdOnNode

MANIFESTS = "/etc/kubernetes/manifests"
ETCD_MANIFEST = f"{MANIFESTS}/etcd.yaml"
API_SERVER_MANIFEST = f"{MANIFESTS}/kube-apiserver.yaml"


class EtcdPod(Model):
    """A member as its flags have it, mostly those of a static pod."""

    name: str
    image: str
    data_dir: PurePosixPath
    client_urls: tuple[str, ...]
    peer_urls: tuple[str, ...]
    ca: PurePosixPath
    certificate: PurePosixPath
    key: PurePosixPath

    @classmethod
    def of_flags(cls, flags: Mapping[str, str], *, image: str) -> Self | None:
        """None when one is missing that kubeadm gives."""
        try:
            return cls(
                name=flags["name"],
                image=image,
                data_dir=PurePosixPath(flags["data-dir"]),
                client_urls=tuple(flags["advertise-client-urls"].split(",")),
                peer_urls=tuple(flags["initial-advertise-peer-urls"].split(",")),
                ca=PurePosixPath(flags["trusted-ca-file"]),
                certificate=PurePosixPath(flags["cert-file"]),
                key=PurePosixPath(flags["key-file"]),
            )
        except KeyError:
            return None


class EtcdOfApiServer(Model):
    """What an API server is told of etcd."""

    servers: tuple[str, ...]
    ca: PurePosixPath
    certificate: PurePosixPath
    key: PurePosixPath


def image_of(manifest: str) -> str:
    """Of its first container; empty when there is no manifest."""
    return str(_container(manifest).get("image", ""))


def parse_etcd(manifest: str) -> EtcdPod | None:
    """None when this is no etcd of kubeadm's making: something in it is not understood."""
    return EtcdPod.of_flags(flags_of(manifest), image=image_of(manifest))


def parse_api_server(manifest: str) -> EtcdOfApiServer | None:
    """None when this is no API server that talks to etcd by TLS."""
    flags = flags_of(manifest)
    try:
        return EtcdOfApiServer(
            servers=tuple(flags["etcd-servers"].split(",")),
            ca=PurePosixPath(flags["etcd-cafile"]),
            certificate=PurePosixPath(flags["etcd-certfile"]),
            key=PurePosixPath(flags["etcd-keyfile"]),
        )
    except KeyError:
        return None


def flags_of(manifest: str) -> dict[str, str]:
    """`--name=value` of its first container's command and arguments."""
    container = _container(manifest)
    return parse_flags([str(word) for word in [*container.get("command", []), *container.get("args", [])]])


def host_path_of(manifest: str, path: PurePosixPath) -> PurePosixPath | None:
    """What of the host is mounted at a path of its first container."""
    names = {str(mount.get("mountPath")): mount.get("name") for mount in _container(manifest).get("volumeMounts", [])}
    pod = yaml.safe_load(manifest) or {}
    for volume in pod.get("spec", {}).get("volumes", []):
        if volume.get("name") == names.get(str(path)) and "hostPath" in volume:
            return PurePosixPath(str(volume["hostPath"]["path"]))
    return None


def parse_flags(words: Sequence[str]) -> dict[str, str]:
    """`--name=value`, `--name value`, and `--name` alone, which is `true`."""
    flags = {}
    for word, following in pairwise([*words, "--"]):
        if word.startswith("--"):
            name, given, value = word.removeprefix("--").partition("=")
            flags[name] = value if given else "true" if following.startswith("--") else following
    return flags


def endpoints_of(node: str, etcd_manifest: str, api_server_manifest: str) -> tuple[EtcdEndpoint, ...]:
    """The members that a control plane node knows: its own, or those of an external etcd, which it can reach."""
    if pod := parse_etcd(etcd_manifest):
        folder = pod.ca.parent
        on_node = EtcdOnNode(
            ca=pod.ca,
            certificate=folder / "healthcheck-client.crt",
            key=folder / "healthcheck-client.key",
        )
        return tuple(EtcdEndpoint(url=url, node=node, on_node=on_node) for url in pod.client_urls[:1])
    if api := parse_api_server(api_server_manifest):
        return tuple(
            EtcdEndpoint(url=url, node=node, on_node=_from_afar(url, api))
            for url in api.servers
            if "127.0.0.1" not in url
        )
    return ()


def _from_afar(url: str, api: EtcdOfApiServer) -> EtcdOnNode:
    host, _, port = url.removeprefix("https://").rpartition(":")
    return EtcdOnNode(
        address=host, port=int(port), server_name=host, ca=api.ca, certificate=api.certificate, key=api.key
    )


def _container(manifest: str) -> Mapping[str, Any]:
    try:
        pod = yaml.safe_load(manifest) or {}
        container: Mapping[str, Any] = pod["spec"]["containers"][0]
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return {}
    return container
