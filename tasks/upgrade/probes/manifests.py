"""What kubeadm would write in the place of a node's static pods: rendered by the node's own kubeadm, into a folder of its own."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import yaml

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.kubeadm import MANIFESTS
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.nodes.probes.node_facts import version_in
from tasks.upgrade.models.manifests import NodeManifests, PodShape, StaticManifest

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
ENDPOINT = "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"
"""The annotation of an API server's manifest in which kubeadm keeps the address and the port that it gave to it."""

RENDER_SECONDS = 30
APART = {"name", "image", "command", "args", "volumeMounts", "env"}
"""Fields of a container that are compared in another way, or not at all: the image is what an upgrade changes."""

JSON = Mapping[str, Any]


def look() -> str:
    """The command that prints the manifests and kubeadm's version; its output is for `parse`."""
    return script(__file__, "look_at_manifests", manifests=MANIFESTS, components=COMPONENTS)


def render() -> str:
    """The command that has kubeadm write manifests of the configuration on its stdin. It changes nothing but a temporary folder."""
    return script(__file__, "render_manifests", render_seconds=RENDER_SECONDS)


def parse(stdout: bytes) -> dict[str, str]:
    """Component to its manifest, of what either command printed."""
    found = Printed.of(stdout).pairs("manifest")
    return {name: base64.b64decode(text).decode(errors="replace") for name, text in found}


def configuration_for(node: str, looked: bytes, cluster: JSON) -> str:
    """What kubeadm is given to render: the cluster's ClusterConfiguration, and what `kubeadm upgrade` finds out of this node.

    Raises `ValueError` with the reason where that is not known.
    """
    version = version_in(Printed.of(looked).one("kubeadm"))
    if not version:
        message = "there is no kubeadm"
        raise ValueError(message)
    if not cluster.get("apiVersion"):
        message = "kube-system/kubeadm-config has no ClusterConfiguration"
        raise ValueError(message)
    address, port = _endpoint(parse(looked).get("kube-apiserver", ""))
    own = {
        "apiVersion": cluster["apiVersion"],
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": address, "bindPort": port},
        "nodeRegistration": {"name": node, "criSocket": "unix:///run/containerd/containerd.sock"},
    }
    return yaml.safe_dump_all([own, {**cluster, "kubernetesVersion": f"v{version}"}])


def _endpoint(manifest: str) -> tuple[str, int]:
    pod = _pod(manifest)
    text = str((_of(pod, "metadata").get("annotations") or {}).get(ENDPOINT, ""))
    if not (found := re.fullmatch(r"\[?([0-9a-fA-F.:]+?)\]?:(\d+)", text)):
        message = f"the manifest of kube-apiserver has no annotation {ENDPOINT} with an address and a port"
        raise ValueError(message)
    return found[1], int(found[2])


def compared(node: str, looked: bytes, rendered: bytes, *, problem: str = "") -> NodeManifests:
    """What was found beside what was rendered; `problem` says why nothing was."""
    problem = problem or Printed.of(rendered).one("problem")
    found, written = parse(looked), parse(rendered)
    if not problem and "kube-apiserver" not in written:
        problem = "kubeadm did not write the manifests where it was told to"
    return NodeManifests(
        node=node,
        problem=problem,
        manifests=tuple(
            _manifest(name, found[name], "" if problem else written.get(name, ""))
            for name in COMPONENTS
            if name in found
        ),
    )


def _manifest(component: str, found: str, written: str) -> StaticManifest:
    rendered = shape_of(component, written) if written else None
    try:
        return StaticManifest(component=component, found=shape_of(component, found), rendered=rendered)
    except ValueError as error:
        return StaticManifest(component=component, problem=str(error), rendered=rendered)


def shape_of(component: str, manifest: str) -> PodShape:
    """Raises `ValueError` where it is no manifest of that component, with the reason."""
    pod = _pod(manifest)
    spec = _of(pod, "spec")
    containers = [one for one in spec.get("containers") or () if isinstance(one, dict)]
    own = next((one for one in containers if one.get("name") == component), None) or next(iter(containers), None)
    if own is None:
        message = "it has no container"
        raise ValueError(message)
    words = [str(word) for word in [*(own.get("command") or ()), *(own.get("args") or ())]]
    if not words or PurePosixPath(words[0]).name != component:
        message = (
            f"its command is not {component} but {words[0] if words else 'that of its image'}: its flags are not known"
        )
        raise ValueError(message)
    others = [one for one in containers if one is not own]
    return PodShape(flags=flag_values(words[1:]), mounts=dict(_mounts(own, spec)), rest=dict(_rest(pod, own, others)))


def flag_values(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """As Kubernetes and etcd read them: one or two dashes, `_` for `-`, a value after `=` or as the next word; each may come again."""
    flags: dict[str, tuple[str, ...]] = {}
    for word, following in pairwise([*words, "--"]):
        if not word.startswith("-") or word == "--":
            continue
        name, given, value = word.lstrip("-").partition("=")
        name = name.replace("_", "-")
        flags[name] = (*flags.get(name, ()), value if given else "true" if following.startswith("-") else following)
    return flags


def _pod(manifest: str) -> JSON:
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


def _of(pod: JSON, field: str) -> JSON:
    value = pod.get(field)
    return value if isinstance(value, dict) else {}


def _mounts(container: JSON, spec: JSON) -> Iterator[tuple[str, str]]:
    volumes = {one.get("name"): one for one in spec.get("volumes") or () if isinstance(one, dict)}
    for mount in container.get("volumeMounts") or ():
        source = volumes.get(mount.get("name"), {})
        path = (source.get("hostPath") or {}).get("path") or _digest({k: v for k, v in source.items() if k != "name"})
        yield str(mount.get("mountPath")), "/".join(str(part) for part in (path, mount.get("subPath")) if part)


def _rest(pod: JSON, container: JSON, others: Iterable[JSON]) -> Iterator[tuple[str, str]]:
    for kind in ("annotations", "labels"):
        for name, value in (_of(pod, "metadata").get(kind) or {}).items():
            yield f"{kind.removesuffix('s')} {name}", _digest(value)
    for name, value in _of(pod, "spec").items():
        if name not in {"containers", "volumes"}:
            yield f"spec.{name}", _digest(value)
    for name, value in container.items():
        if name not in APART:
            yield name, _digest(value)
    for one in container.get("env") or ():
        yield f"variable {one.get('name')}", _digest(one)
    for one in others:
        yield f"container {one.get('name')}", _digest(one)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
