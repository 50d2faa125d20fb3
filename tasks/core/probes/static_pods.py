"""Reads the manifests of a kubeadm control plane's static pods."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.kubeadm import ORDER
from tasks.core.models.outside import from_yaml

_FLAG = re.compile(r"--?[A-Za-z]")


class EtcdOfApiServer(Model):
    """This is an API server's configuration for etcd."""

    servers: tuple[str, ...]
    ca: PurePosixPath
    certificate: PurePosixPath
    key: PurePosixPath


def image_of(manifest: str) -> str:
    """Returns the image of the first container; empty if there is no manifest."""
    return _pod(manifest).container.image


def parse_api_server(manifest: str) -> EtcdOfApiServer | None:
    """Returns the API server's etcd flags; None if this is no API server that connects to etcd by TLS."""
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


def doubles_in(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Maps each file to the control plane pod that it contains.

    Files with other pods are left out, and so are files that a kubelet cannot read either.
    """
    found = {name: _component_in(text) for name, text in files}
    return {name: pod for name, pod in found.items() if pod}


def _component_in(manifest: str) -> str:
    try:
        found = from_yaml(manifest, "it")
        told = outside.Manifest.read(found, "it") if isinstance(found, Mapping) else None
    except NotYet:
        return ""
    names = (one.name for one in told.spec.containers) if told else ()
    return next((name for name in names if name in ORDER), "")


def flags_of(manifest: str) -> dict[str, str]:
    """Returns the flags `--name=value` of the first container's command and arguments."""
    return parse_flags(words_of(manifest))


def words_of(manifest: str) -> list[str]:
    """Returns the first container's command and arguments."""
    container = _pod(manifest).container
    return [*container.command, *container.args]


class ServingPair(Model):
    """This is a certificate and key that a program serves to clients that ask for certain names.

    It is one value of `--tls-sni-cert-key`.
    """

    certificate: str
    key: str
    names: tuple[str, ...] = ()
    """It lists the names; if it is empty, the names in the certificate apply."""


def serving_pair_of(value: str) -> ServingPair:
    """Parses `CERTIFICATE,KEY` or `CERTIFICATE,KEY:NAME,NAME`.

    It raises `ValueError`, which says what could not be parsed.
    """
    files, colon, names = value.partition(":")
    found = [file.strip() for file in files.split(",")]
    if len(found) != 2 or not all(found) or (colon and not names.strip()):  # noqa: PLR2004 - a pair
        message = f"{value!r} is not CERTIFICATE,KEY or CERTIFICATE,KEY:NAME,NAME"
        raise ValueError(message)
    return ServingPair(
        certificate=found[0], key=found[1], names=tuple(name.strip() for name in names.split(",") if name.strip())
    )


def host_path_of(manifest: str, path: PurePosixPath) -> PurePosixPath | None:
    """Returns the host's path for a path in the first container, through the mount that is nearest to it.

    It returns None if that path is not on a hostPath.
    """
    pod = _pod(manifest)
    folders = {volume.name: volume.host_path.path for volume in pod.spec.volumes if volume.host_path}
    mounts = [
        (PurePosixPath(mount.mount_path), mount)
        for mount in pod.container.volume_mounts
        if path.is_relative_to(mount.mount_path)
    ]
    if not mounts:
        return None
    inside, nearest = max(mounts, key=lambda mount: len(mount[0].parts))
    if nearest.name not in folders:
        return None
    return PurePosixPath(folders[nearest.name], nearest.sub_path) / path.relative_to(inside)


def place_on_host(manifest: str, path: str) -> str:
    """Returns the node's path for a path in the first container.

    Manifests name the container's path, and the hostPath may be another one.
    """
    return str(host_path_of(manifest, PurePosixPath(path)) or path)


def environment_of(manifest: str) -> dict[str, str]:
    """Returns the first container's environment variables whose values the manifest itself gives."""
    return {
        str(one["name"]): str(one["value"]) for one in _pod(manifest).container.env if {"name", "value"} <= one.keys()
    }


def parse_flags(words: Sequence[str]) -> dict[str, str]:
    """Returns the flags of a command line: `--name=value`, `--name value`, and `--name` alone, which is `true`.

    One dash is as good as two, and `_` is as good as `-`.
    """
    return dict(every_flag(words))


def every_flag(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields each flag of a command line with its value. A flag that is given several times is yielded each time."""
    for word, following in pairwise([*words, "--"]):
        if _FLAG.match(word):
            name, given, value = word.lstrip("-").partition("=")
            yield name.replace("_", "-"), value if given else "true" if following.startswith("-") else following


def _pod(manifest: str) -> outside.Manifest:
    """Returns the parsed manifest; an empty one if there is none or it cannot be parsed."""
    try:
        return outside.Manifest.read(from_yaml(manifest, "a manifest") or {}, "a manifest")
    except NotYet:
        return outside.Manifest()
