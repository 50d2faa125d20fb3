"""Compares the objects of kubeadm's addons, kube-proxy and CoreDNS, with what kubeadm would write instead."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tasks.core.models.base import Model
from tasks.upgrade.models.manifests import PodShape, StaticManifest
from tasks.upgrade.probes.manifests import digest, parse, part_of, shape_of_pod
from tasks.upgrade.probes.settings import settings_of

CORE, APPS = "/api/v1/namespaces/kube-system", "/apis/apps/v1/namespaces/kube-system"

JSON = Mapping[str, Any]


class AddonObject(Model):
    """This is an object that kubeadm writes. kubeadm leaves it alone if the ConfigMap `unless` does not exist."""

    kind: str
    name: str
    path: str
    unless: str

    @property
    def called(self) -> str:
        """Returns the name that people use for the object."""
        return f"{self.kind} {self.name}"


PROXY_CONFIG = AddonObject(
    kind="ConfigMap", name="kube-proxy", path=f"{CORE}/configmaps/kube-proxy", unless="kube-proxy"
)
OBJECTS = (
    PROXY_CONFIG,
    AddonObject(kind="DaemonSet", name="kube-proxy", path=f"{APPS}/daemonsets/kube-proxy", unless="kube-proxy"),
    AddonObject(kind="Deployment", name="coredns", path=f"{APPS}/deployments/coredns", unless="coredns"),
    AddonObject(kind="Service", name="kube-dns", path=f"{CORE}/services/kube-dns", unless="coredns"),
)
"""Lists the objects that are compared. kubeadm keeps a changed Corefile, with all of its ConfigMap."""

NEVER_OURS = re.compile(
    r"deprecated\.daemonset\.|deployment\.kubernetes\.io/|kubectl\.kubernetes\.io/|kubeadm\.kubernetes\.io/component-config"
)
"""Matches annotations that controllers, kubectl and kubeadm write for themselves."""

PLAIN = ("template", "selector", "replicas")
"""Names fields of a spec that are compared in another way, or that kubeadm keeps."""


def written_by(rendered: bytes) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns each object that kubeadm printed, by kind and name.

    It raises `ValueError` if the output is no YAML. kubeadm prints lines about its patches between the objects.
    Then there is no line end after `---`.
    """
    found = {}
    for name, text in parse(rendered, "addon").items():
        lines = [line for line in text.splitlines() if not line.startswith("[patches]")]
        separated = re.sub(r"^---(?=\S)", "---\n", "\n".join(lines), flags=re.MULTILINE)
        try:
            documents = [one for one in yaml.safe_load_all(separated) if isinstance(one, dict)]
        except (yaml.YAMLError, ValueError) as error:
            message = f"what kubeadm prints of {name} is no YAML: {' '.join(str(error).split())}"
            raise ValueError(message) from error
        for one in documents:
            found[(str(one.get("kind")), str(part_of(one, "metadata").get("name")))] = one
    return found


def instead_of(found: JSON, written: JSON) -> dict[str, Any]:
    """Returns what kubeadm writes instead: its own object, with the current number of replicas."""
    metadata = {**part_of(written, "metadata"), "resourceVersion": part_of(found, "metadata").get("resourceVersion")}
    body: dict[str, Any] = {**written, "metadata": metadata}
    if found.get("kind") == "Deployment":
        body["spec"] = {**part_of(written, "spec"), "replicas": part_of(found, "spec").get("replicas")}
    return body


def compared(one: AddonObject, found: JSON | None, written: JSON | None) -> StaticManifest:
    """Returns what is there beside what kubeadm would write. Either of them may be `None`."""
    try:
        return StaticManifest(
            component=one.called,
            found=None if found is None else _shape(one, found),
            rendered=None if written is None else _shape(one, written),
        )
    except ValueError as error:
        return StaticManifest(component=one.called, problem=str(error))


def _shape(one: AddonObject, told: JSON) -> PodShape:
    if one.kind == "ConfigMap":
        return _shape_of_configuration(told)
    template = part_of(part_of(told, "spec"), "template")
    own = dict(_rest(told))
    if not template:
        return PodShape(rest=own)
    pod = shape_of_pod(one.name, template, image_runs=True)
    rest = {name: value for name, value in pod.rest.items() if not NEVER_OURS.search(name)}
    return pod.model_copy(update={"rest": rest | own})


def _shape_of_configuration(told: JSON) -> PodShape:
    data = part_of(told, "data")
    texts = {f"data.{name}": digest(_meant(str(text))) for name, text in data.items() if name != "config.conf"}
    settings = settings_of(str(data["config.conf"]), "config.conf") if "config.conf" in data else {}
    return PodShape(settings=settings, rest=texts | dict(_rest(told)))


def _meant(text: str) -> object:
    """Returns the same value for two YAML texts with the same meaning."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text


def _rest(told: JSON) -> Iterator[tuple[str, str]]:
    """Yields the fields of the object itself, not those of its pods."""
    metadata = part_of(told, "metadata")
    for kind in ("labels", "annotations"):
        for name, value in part_of(metadata, kind).items():
            if not NEVER_OURS.search(name):
                yield f"metadata.{kind}.{name}", digest(value)
    for name, value in part_of(told, "spec").items():
        if name not in PLAIN:
            yield f"spec.{name}", digest(value)
