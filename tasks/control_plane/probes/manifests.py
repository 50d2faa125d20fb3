"""Static pods of a kubeadm control plane: what their manifests say."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Self

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.kubeadm import MANIFESTS
from tasks.core.models.outside import from_yaml

ETCD_MANIFEST = f"{MANIFESTS}/etcd.yaml"


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
    return _pod(manifest).container.image


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
    container = _pod(manifest).container
    return parse_flags([*container.command, *container.args])


def host_path_of(manifest: str, path: PurePosixPath) -> PurePosixPath | None:
    """What of the host is mounted at a path of its first container."""
    pod = _pod(manifest)
    names = {mount.mount_path: mount.name for mount in pod.container.volume_mounts}
    for volume in pod.spec.volumes:
        if volume.host_path and volume.name == names.get(str(path)):
            return PurePosixPath(volume.host_path.path)
    return None


def place_on_host(manifest: str, path: str) -> str:
    """A path of its first container as the node knows it: manifests name the former, and a hostPath may be another."""
    pod = _pod(manifest)
    folders = {volume.name: volume.host_path.path for volume in pod.spec.volumes if volume.host_path}
    mounts = [
        (PurePosixPath(mount.mount_path), PurePosixPath(folders[mount.name], mount.sub_path))
        for mount in pod.container.volume_mounts
        if mount.name in folders and PurePosixPath(path).is_relative_to(mount.mount_path)
    ]
    if not mounts:
        return path
    inside, outside_it = max(mounts, key=lambda mount: len(mount[0].parts))
    return str(outside_it / PurePosixPath(path).relative_to(inside))


def parse_flags(words: Sequence[str]) -> dict[str, str]:
    """`--name=value`, `--name value`, and `--name` alone, which is `true`."""
    flags = {}
    for word, following in pairwise([*words, "--"]):
        if word.startswith("--"):
            name, given, value = word.removeprefix("--").partition("=")
            flags[name] = value if given else "true" if following.startswith("--") else following
    return flags


def _pod(manifest: str) -> outside.Manifest:
    """One that says nothing where there is none, or none that is understood."""
    try:
        return outside.Manifest.read(from_yaml(manifest, "a manifest") or {}, "a manifest")
    except NotYet:
        return outside.Manifest()
