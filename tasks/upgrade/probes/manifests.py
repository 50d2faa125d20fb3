"""Compares a node's static pods and kubelet configuration with what kubeadm would write instead."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import yaml

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.kubeadm import ORDER
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.upgrade.models.folders import folder_of
from tasks.upgrade.models.manifests import NodeManifests, Patches, PodShape, StaticManifest
from tasks.upgrade.probes.settings import settings_of

COMPONENTS = ORDER
KUBELET = "kubelet"
"""Names the kubelet's configuration among the components."""

WRITTEN_TO = "/etc/kubernetes/manifests"
CONFIG, INSTANCE = "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/instance-config.yaml"
"""Names kubeadm's own files, whose paths cannot be chosen."""

APART = {"name", "image", "command", "args", "volumeMounts", "env"}
"""Names the fields of a container that are compared in another way, or not at all.

An upgrade changes the image anyway.
"""

JSON = Mapping[str, Any]


def look(patches: PurePosixPath | None, target: str) -> str:
    """Returns the script that prints what is there, and kubeadm's version.

    Its output is for `compared`. It uses the target's kubeadm if it is staged.
    """
    return script(
        __file__,
        "look_at_manifests",
        manifests=WRITTEN_TO,
        components=COMPONENTS,
        config=CONFIG,
        instance=INSTANCE,
        patches=patches or "",
        staged=f"{folder_of(target)}/kubeadm",
    )


def parse(stdout: bytes, kind: str = "manifest") -> dict[str, str]:
    """Returns each manifest by component, from the output of either script."""
    return {name: decoded(text) for name, text in Printed.of(stdout).pairs(kind)}


def problem_in(rendered: bytes) -> str:
    """Returns why kubeadm rendered nothing. It is empty if it did render."""
    return Printed.of(rendered).one("problem")


def has_patches(looked: bytes) -> bool:
    """Returns True if the folder of patches exists and is not empty."""
    told = Printed.of(looked)
    return bool(told.all("patch")) and not told.one("no_patches")


def decoded(text: str) -> str:
    """Decodes base64 text. Truncated text becomes empty, so that no parser accepts it."""
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except binascii.Error:
        return ""


def compared(  # noqa: PLR0913 - each with a name at the call
    node: str,
    looked: bytes,
    rendered: bytes = b"",
    *,
    control_plane: bool = True,
    problem: str = "",
    overrides: Sequence[JSON] = (),
) -> NodeManifests:
    """Returns what was found beside what was rendered.

    `problem` says why nothing was rendered, and `overrides` takes precedence over the kubelet's file.
    """
    told = Printed.of(looked)
    problem = problem or problem_in(rendered)
    found, written = parse(looked) if control_plane else {}, parse(rendered)
    if not problem and (KUBELET_WRITTEN not in written or (control_plane and "kube-apiserver" not in written)):
        problem = "kubeadm did not write the files into the folder of its --rootfs"
    return NodeManifests(
        node=node,
        problem=problem,
        manifests=tuple(
            _manifest(name, found[name], "" if problem else written.get(name, ""))
            for name in COMPONENTS
            if name in found
        ),
        kubelet=_kubelet(told, "" if problem else written[KUBELET_WRITTEN], overrides),
        patches=_patches(told),
        written_to=told.one("written_to"),
    )


KUBELET_WRITTEN = "config"
"""Names the kubelet's configuration among the files that kubeadm writes."""


def _manifest(component: str, found: str, written: str) -> StaticManifest:
    rendered = shape_of(component, written) if written else None
    try:
        return StaticManifest(component=component, found=shape_of(component, found), rendered=rendered)
    except ValueError as error:
        return StaticManifest(component=component, problem=str(error), rendered=rendered)


def _kubelet(told: Printed, written: str, overrides: Sequence[JSON]) -> StaticManifest:
    rendered = PodShape(settings=settings_of(written, "it", overrides)) if written else None
    if not (text := decoded(told.one("kubelet"))):
        problem = told.one("no_kubelet") or "it is empty"
        return StaticManifest(component=KUBELET, problem=problem, rendered=rendered)
    try:
        found = PodShape(settings=settings_of(text, "it", overrides))
        return StaticManifest(component=KUBELET, found=found, rendered=rendered)
    except ValueError as error:
        return StaticManifest(component=KUBELET, problem=str(error), rendered=rendered)


def _patches(told: Printed) -> Patches | None:
    """Returns the patches, or `None` if no folder was checked. An empty folder is a problem."""
    files = {decoded(name): hashlib.sha256(base64.b64decode(text)).hexdigest() for name, text in told.pairs("patch")}
    problem = told.one("no_patches")
    return Patches(files=dict(sorted(files.items())), problem=problem) if files or problem else None


def shape_of(component: str, manifest: str) -> PodShape:
    """Returns the shape of a manifest.

    It raises `ValueError` with the reason if the text is no manifest of that component.
    """
    return shape_of_pod(component, read_pod(manifest))


def shape_of_pod(component: str, pod: JSON, *, image_runs: bool = False) -> PodShape:
    """Returns the shape of a parsed pod. With `image_runs`, the image may define which program it runs."""
    spec = part_of(pod, "spec")
    containers = [one for one in spec.get("containers") or () if isinstance(one, dict)]
    own = next((one for one in containers if one.get("name") == component), None) or next(iter(containers), None)
    if own is None:
        message = "it has no container"
        raise ValueError(message)
    command = own.get("command") or ([component] if image_runs else ())
    words = [str(word) for word in [*command, *(own.get("args") or ())]]
    if not words or PurePosixPath(words[0]).name != component:
        message = (
            f"its command is not {component} but {words[0] if words else 'that of its image'}: its flags are not known"
        )
        raise ValueError(message)
    others = [one for one in containers if one is not own]
    return PodShape(flags=flag_values(words[1:]), mounts=dict(_mounts(own, spec)), rest=dict(_rest(pod, own, others)))


def flag_values(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Parses flags as Kubernetes and etcd do.

    They have one or two dashes, and `_` stands for `-`. The value follows `=` or is the next word, and each
    flag may appear several times.
    """
    flags: dict[str, tuple[str, ...]] = {}
    for word, following in pairwise([*words, "--"]):
        if not word.startswith("-") or word == "--":
            continue
        name, given, value = word.lstrip("-").partition("=")
        name = name.replace("_", "-")
        flags[name] = (*flags.get(name, ()), value if given else "true" if following.startswith("-") else following)
    return flags


def read_pod(manifest: str) -> JSON:
    """Parses a pod. It raises `ValueError` with the reason if the text is no pod."""
    try:
        pod = yaml.safe_load(manifest)
    except (yaml.YAMLError, ValueError) as error:
        message = f"it is no YAML: {' '.join(str(error).split())}"
        raise ValueError(message) from error
    if not isinstance(pod, dict) or pod.get("kind") != "Pod":
        message = "it is no Pod"
        raise ValueError(message)
    try:
        outside.Manifest.read(pod, "it")
    except NotYet as error:
        raise ValueError(error.problem) from error
    return pod


def part_of(pod: JSON, field: str) -> JSON:
    """Returns a field that is a map, or an empty map if it is none."""
    value = pod.get(field)
    return value if isinstance(value, dict) else {}


def _mounts(container: JSON, spec: JSON) -> Iterator[tuple[str, str]]:
    volumes = {one.get("name"): one for one in spec.get("volumes") or () if isinstance(one, dict)}
    for mount in container.get("volumeMounts") or ():
        source = volumes.get(mount.get("name"), {})
        path = (source.get("hostPath") or {}).get("path") or digest({k: v for k, v in source.items() if k != "name"})
        yield str(mount.get("mountPath")), "/".join(str(part) for part in (path, mount.get("subPath")) if part)


def _rest(pod: JSON, container: JSON, others: Iterable[JSON]) -> Iterator[tuple[str, str]]:
    for kind in ("annotations", "labels"):
        for name, value in (part_of(pod, "metadata").get(kind) or {}).items():
            yield f"{kind.removesuffix('s')} {name}", digest(value)
    for name, value in part_of(pod, "spec").items():
        if name not in {"containers", "volumes"}:
            yield f"spec.{name}", digest(value)
    for name, value in container.items():
        if name not in APART:
            yield name, digest(value)
    for one in container.get("env") or ():
        yield f"variable {one.get('name')}", digest(one)
    for one in others:
        yield f"container {one.get('name')}", digest(one)


def digest(value: object) -> str:
    """Returns a short digest that is the same for equal values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
