"""Static pods of a kubeadm control plane: what their manifests say of etcd and of the API server's way to it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, Self

import yaml

from tasks.models.base import Model

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
    peers: tuple[str, ...] = ()
    """Names of the members that there were when it joined, its own among them."""

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
                peers=tuple(peer.partition("=")[0] for peer in flags.get("initial-cluster", "").split(",") if peer),
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


def _container(manifest: str) -> Mapping[str, Any]:
    try:
        pod = yaml.safe_load(manifest) or {}
        container: Mapping[str, Any] = pod["spec"]["containers"][0]
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        return {}
    return container
