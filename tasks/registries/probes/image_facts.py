"""Parses which images a node has, and from where its container runtime pulls others."""

import base64
import binascii
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tasks.core.models.images import Reference
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.registries.probes.mirrors import Place, folders_of, places_of

JSON = Mapping[str, Any]

OWN = (
    "/var/lib/kubelet/config.json",
    "/var/lib/kubelet/.dockercfg",
    "/root/.docker/config.json",
    "/root/.dockercfg",
    "/.docker/config.json",
    "/.dockercfg",
)
"""Lists the files in which the kubelet finds credentials of its node."""

PLUGINS = ("io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri")
"""Names the part of containerd that pulls for the kubelet: since version 2, and before."""

TABLES = ("mirrors", "configs", "auths")
"""Names the tables of registries that are older than hosts.toml."""


@dataclass(frozen=True)
class ImageFacts:
    """Is what a node says about images."""

    images: frozenset[str] | None
    """It has the names of the images on the node; none if they are not known."""
    roots: tuple[str, ...] = ()
    """They are the folders in which containerd looks for mirrors."""
    uncertain: tuple[str, ...] = ()

    def has(self, reference: Reference) -> bool | None:
        """Checks whether the node has an image already; None if that is not known."""
        return None if self.images is None else bool(self.images & set(reference.names))


@dataclass(frozen=True)
class Mirrors:
    """Is where a node pulls from. It may have secret headers, so it is no model."""

    places: dict[str, tuple[Place, ...]] = field(repr=False)
    problems: tuple[str, ...]


def look_at_images(endpoint: str) -> str:
    """Returns the command that asks a node for its images, and how it pulls others."""
    return script(__file__, "look_at_images", endpoint=endpoint, own=OWN)


def look_at_mirrors() -> str:
    """Returns the command that asks for mirrors; standard input is `in_lines` of `folders_of` each registry."""
    return script(__file__, "look_at_mirrors")


def parse_images(stdout: bytes, *, is_containerd: bool) -> ImageFacts:
    """Parses the output of `look_at_images`."""
    told = Printed.of(stdout)
    uncertain = ["its kubelet has a credential provider"] if told.all("provider") else []
    uncertain += [f"its kubelet has credentials in {file}" for file in told.all("own")]
    roots, problem = _roots(told) if is_containerd else ((), "it is known of containerd only from where it pulls")
    return ImageFacts(_images(told), roots, (*uncertain, problem) if problem else tuple(uncertain))


def _images(told: Printed) -> frozenset[str] | None:
    if told.all("names"):
        return frozenset(decoded(told.one("names")).split())
    try:
        found = json.loads(decoded(told.one("images")))["images"]
        return frozenset(name for one in found for part in ("repoTags", "repoDigests") for name in one.get(part) or [])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _roots(told: Printed) -> tuple[tuple[str, ...], str]:
    """Returns the folders in which containerd looks for mirrors, and what is not known about them."""
    if not told.all("config"):
        return (), f"containerd does not say its configuration: {decoded(told.one('no_config')).strip()}"
    try:
        plugins = tomllib.loads(decoded(told.one("config"))).get("plugins", {})
        found = [dict(plugins[name].get("registry") or {}) for name in PLUGINS if name in plugins]
        paths = [path for one in found for path in str(one.get("config_path", "")).split(":") if path]
    except (ValueError, TypeError, AttributeError):
        found, paths = [], []
    if not found:
        return (), "the configuration of containerd could not be parsed"
    if any(one.get(table) for one in found for table in TABLES):
        return tuple(paths), "containerd's configuration has tables of registries"
    return tuple(paths), ""


def parse_mirrors(stdout: bytes, roots: Sequence[str], registries: Sequence[str]) -> Mirrors:
    """Parses the output of `look_at_mirrors`. A registry without a folder is asked itself."""
    told = Printed.of(stdout)
    there = {unquote(one) for one in told.all("folder")}
    texts = {unquote(folder): decoded(text) for folder, text in told.pairs("hosts")}
    places, problems = {}, []
    for registry in registries:
        folder = next((one for one in folders_of(registry, roots) if one in there), "")
        if folder and folder not in texts:
            problems.append(f"{folder} has no hosts.toml")
        try:
            places[registry] = places_of(registry, texts.get(folder), folder)
        except (ValueError, TypeError, AttributeError) as error:
            problems.append(f"{folder}/hosts.toml could not be parsed: {error}")
            places[registry] = places_of(registry)
    return Mirrors(places, tuple(problems))


def in_lines(folders: Sequence[str]) -> bytes:
    """Encodes folders for `look_at_mirrors`."""
    return "".join(f"{one}\n" for one in folders).encode()


def decoded(text: str) -> str:
    """Returns a text that a script printed in base64; empty if it was cut off."""
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except binascii.Error:
        return ""
