"""Builds the shape of one node from the output of `tasks/cluster/look_at_shape.sh`."""

import base64
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ETCD, SCHEDULER
from tasks.core.models.outside import from_yaml
from tasks.core.models.shape import Address, EtcdShape, KubeletShape, NodeShape, Pod
from tasks.core.probes.addresses import nearest, reached_at
from tasks.core.probes.kubelet_config import eviction_hard, in_order, overlaid, patches_of
from tasks.core.probes.pod_shape import lease_of, pod_in
from tasks.core.probes.printed import Printed
from tasks.core.probes.static_pods import every_flag, flags_of, place_on_host

PARKED = "kube-runbooks-parked"
"""Names the folder for parked manifests.

It is next to the manifests' folder, on the same file system, so that a move is one rename.

Inside the manifests' folder the kubelet would read it.
"""

CONFIGURED = (CONTROLLER_MANAGER, SCHEDULER)
"""Lists the static pods that connect to the API with a kubeconfig.

They may have a configuration file of their own that names the kubeconfig.
"""

API_PORT, CONTROLLERS_PORT, SCHEDULER_PORT, KUBELET_PORT, HEALTHZ_PORT = 6443, 10257, 10259, 10250, 10248
"""These are the programs' own default ports."""


class Places(Model):
    """These are the places that the script reads.

    They are known only after a first run of it, which uses kubeadm's places.
    """

    config: PurePosixPath
    config_dir: str = ""
    pod_configs: str = ""
    """It has a line for each static pod whose flags name a configuration: the pod, and the file on the node."""
    manifests: PurePosixPath

    @property
    def parked(self) -> PurePosixPath:
        """Returns the folder for parked manifests, next to the manifests' folder."""
        return self.manifests.parent / PARKED


def places_at_first(kubeadm: PurePosixPath) -> Places:
    """Returns the places in which kubeadm puts the files."""
    return Places(config=PurePosixPath("/var/lib/kubelet/config.yaml"), manifests=kubeadm / "manifests")


class _Kubelet:
    """This holds the kubelet's flags, which take precedence, and its configuration."""

    def __init__(self, told: Printed, looked_at: Places) -> None:
        self.problems: list[str] = []
        self.looked_at = looked_at
        given = list(_flags(told))
        self.flags = dict(given)
        if not self.flags:
            self.problems.append("no flags of the kubelet: it does not run, and its unit names none")
        drop_ins = in_order((unquote(path), _decoded(text)) for path, text in told.pairs("dropin"))
        self.drop_ins = tuple(path for path, _ in drop_ins)
        found = [(path, self._read(text, path)) for path, text in drop_ins]
        self.overrides = patches_of([one for _, one in found], self.flags)
        self.problems += [
            f"{path} has no kind: KubeletConfiguration: the kubelet does not start again with it"
            for path, one in found
            if one and one.get("kind") != "KubeletConfiguration"
        ]
        known = len(self.problems)
        own = self._read(_decoded(told.one("config")), str(looked_at.config)) if told.all("config") else {}
        self.config_problem = "".join(self.problems[known:])
        unread = [path for path in told.all("unread") if looked_at.config_dir and path.startswith(looked_at.config_dir)]
        self._doubts = [*(f"{path} could not be read" for path in unread), *self.problems]
        self.values = overlaid(own, self.overrides)
        if folder := next((one for one in told.all("absent") if one == f"{looked_at.config_dir}/"), ""):
            self.problems.append(
                f"--config-dir of the kubelet is {folder}, which is not there: it does not start again"
            )
        if not told.all("config"):
            why = "is not there" if str(looked_at.config) in told.all("absent") else "could not be read"
            self.config_problem = f"{looked_at.config} {why}: the kubelet's defaults are assumed"
            self.problems.append(self.config_problem)
            self._doubts.append(self.config_problem)
        self._thresholds = [value for name, value in given if name == "eviction-hard"]
        self._patched = (own, [one for _, one in found])

    def _read(self, text: str, where: str) -> Mapping[str, Any]:
        try:
            found = from_yaml(text, where)
        except NotYet as error:
            self.problems.append(error.problem)
            return {}
        if isinstance(found, Mapping):
            return found
        self.problems.append(f"{where} is no KubeletConfiguration")
        return {}

    def word(self, flag: str, field: str, default: str) -> str:
        """Returns the flag, else the field, else the default; an empty value counts as missing."""
        return str(self.flags.get(flag) or self.values.get(field) or default)

    def port(self, flag: str, field: str, default: int) -> int:
        """Returns the port from a flag, else from a field, else the default; 0 counts as a value."""
        value = self.flags.get(flag, self.values.get(field, default))
        try:
            return int(value)
        except (TypeError, ValueError):
            self.problems.append(f"{field} is {value!r}, which is no port: {default} is assumed")
            return default

    @property
    def places(self) -> Places:
        """Returns where the kubelet's configuration and its static pods are."""
        manifests = self.word("pod-manifest-path", "staticPodPath", str(self.looked_at.manifests))
        return Places(
            config=PurePosixPath(self.flags.get("config") or self.looked_at.config),
            config_dir=self.flags.get("config-dir", ""),
            pod_configs=self.looked_at.pod_configs,
            manifests=PurePosixPath(manifests),
        )

    def file(self, *fields: str) -> PurePosixPath | None:
        """Returns the file that a field names. The kubelet reads it from the folder of its configuration."""
        found: object = self.values
        for field in fields:
            found = found.get(field) if isinstance(found, Mapping) else None
        return self.places.config.parent / str(found) if found else None

    def shape(self, manifests: PurePosixPath) -> KubeletShape:
        """Returns the kubelet's whole shape; `manifests` is the folder after all links are followed."""
        healthz = self.port("healthz-port", "healthzPort", HEALTHZ_PORT)
        healthz_host = reached_at(self.word("healthz-bind-address", "healthzBindAddress", "127.0.0.1"))
        port = self.port("port", "port", KUBELET_PORT)
        return KubeletShape(
            config=self.places.config,
            kubeconfig=PurePosixPath(self.flags.get("kubeconfig") or "/etc/kubernetes/kubelet.conf"),
            pki=PurePosixPath(self.flags.get("cert-dir") or "/var/lib/kubelet/pki"),
            manifests=manifests,
            healthz=Address(host=healthz_host, port=healthz) if healthz else None,
            drop_ins=self.drop_ins,
            overrides=self.overrides,
            address=Address(host=reached_at(self.word("address", "address", "")), port=port),
            runtime_endpoint=self.word("container-runtime-endpoint", "containerRuntimeEndpoint", ""),
            cluster_domain=self.word("cluster-domain", "clusterDomain", ""),
            cluster_dns=_words(self.flags.get("cluster-dns") or self.values.get("clusterDNS")),
            client_ca=self.file("authentication", "x509", "clientCAFile"),
            serving_certificate=self.file("tlsCertFile"),
            serving_key=self.file("tlsPrivateKeyFile"),
            asks_for_serving=self.values.get("serverTLSBootstrap") is True,
            config_problem=self.config_problem,
            root=PurePosixPath(self.flags.get("root-dir") or "/var/lib/kubelet") if self.flags else None,
            **self._eviction(),
        )

    def _eviction(self) -> dict[str, Any]:
        """Returns the hard eviction thresholds, or why they are not known. A flag replaces those of all files."""
        doubts = [] if self._thresholds else self._doubts
        try:
            found = eviction_hard(*self._patched, self._thresholds)
        except ValueError as error:
            doubts, found = [*doubts, str(error)], {}
        return {"eviction_problem": "; ".join(doubts)} if doubts else {"eviction_hard": found}


def places_told(stdout: bytes, looked_at: Places) -> Places:
    """Returns the places that the script has to read.

    The observation is complete when they are the places that it has read.
    """
    told = Printed.of(stdout)
    named = {pod: _config_of(text) for kind in ("parked", "manifest") for pod, text in told.pairs(kind)}
    configs = "\n".join(f"{pod} {path}" for pod, path in sorted(named.items()) if path and pod in CONFIGURED)
    return _Kubelet(told, looked_at).places.model_copy(update={"pod_configs": configs})


def parse(name: str, stdout: bytes, looked_at: Places) -> NodeShape:
    """Returns a node's shape from the output of a script that read the places that the node itself names."""
    told = Printed.of(stdout)
    kubelet = _Kubelet(told, looked_at)
    manifests = PurePosixPath(_decoded(told.one("real")).strip() or looked_at.manifests)
    its_shape = kubelet.shape(manifests)
    problems = [*kubelet.problems, *(f"{path} could not be read" for path in told.all("unread"))]
    pods, texts = {}, [(pod, text, True) for pod, text in told.pairs("parked")]
    texts += [(pod, text, False) for pod, text in told.pairs("manifest")]
    configs = dict(told.pairs("pod_config"))
    for pod, text, parked in texts:
        try:
            pods[pod] = pod_in(_decoded(text), parked=parked)
            if pod in CONFIGURED:
                pods[pod] = _with_config(pod, pods[pod], _decoded(text), configs.get(pod), told)
        except ValueError as error:
            problems.append(f"the manifest of {pod}: {error}")
    problems += [
        f"{name}: {told}" for name, pod in pods.items() for told in (pod.config_problem, *pod.pair_problems) if told
    ]
    addresses = _Addresses(pods, problems)
    return NodeShape(
        name=name,
        hostname=told.one("hostname"),
        kubelet=its_shape,
        parked=manifests.parent / PARKED,
        pods=pods,
        api_server=addresses.api_server(),
        etcd=addresses.etcd(),
        controller_manager=addresses.of_controller(CONTROLLER_MANAGER, CONTROLLERS_PORT),
        scheduler=addresses.of_controller(SCHEDULER, SCHEDULER_PORT),
        problems=tuple(problems),
    )


class _Addresses:
    """This finds the addresses at which static pods are reached on their node."""

    def __init__(self, pods: Mapping[str, Pod], problems: list[str]) -> None:
        self._pods, self._problems = pods, problems

    def api_server(self) -> Address | None:
        pod = self._pods.get(API_SERVER)
        return self._bound(API_SERVER, pod, API_PORT) if pod else None

    def of_controller(self, name: str, port: int) -> Address | None:
        pod = self._pods.get(name)
        return self._bound(name, pod, port) if pod else None

    def etcd(self) -> EtcdShape | None:
        pod = self._pods.get(ETCD)
        if pod is None:
            return None
        try:
            client, peer = (nearest(_words(pod.flags.get(flag))) for flag in ("listen-client-urls", "listen-peer-urls"))
        except ValueError as error:
            self._problems.append(f"the manifest of {ETCD}: {error}")
            return None
        return EtcdShape(client=client, peer=peer, pod=pod)

    def _bound(self, name: str, pod: Pod, default: int) -> Address | None:
        port = pod.flags.get("secure-port", str(default))
        if not port.isdigit():
            self._problems.append(f"the manifest of {name}: --secure-port={port} is no port")
            return None
        return Address(host=reached_at(pod.flags.get("bind-address", "")), port=int(port)) if int(port) else None


def _config_of(encoded: str) -> str:
    """Returns the file on the node that `--config` of a manifest names.

    It returns an empty string if the manifest names none, or if `parse` cannot parse the manifest.
    """
    try:
        manifest = _decoded(encoded)
    except ValueError:
        return ""
    path = flags_of(manifest).get("config", "")
    return place_on_host(manifest, path) if path else ""


def _with_config(name: str, pod: Pod, manifest: str, config: str | None, told: Printed) -> Pod:
    """Returns the pod with the kubeconfig that it uses, and the Lease by which it elects its leader.

    With a `--config`, kube-scheduler ignores `--kubeconfig`. It takes its ports only from flags (v1.36). The Lease of
    a configuration that could not be read is not known.
    """
    flag, path = pod.files.get("kubeconfig"), pod.files.get("config")
    if path is None:
        return pod.model_copy(update={"kubeconfig": flag, "lease": lease_of(name, pod.flags)})
    if config is None:
        why = "is not there" if str(path) in told.all("absent") else "could not be read"
        return pod.model_copy(update={"kubeconfig": flag, "config_problem": f"its configuration {path} {why}"})
    where = f"its configuration {path}"
    try:
        known = outside.ComponentConfig.read(from_yaml(_decoded(config), where) or {}, where)
    except NotYet as error:
        return pod.model_copy(update={"kubeconfig": flag, "config_problem": error.problem})
    found = known.client_connection.kubeconfig
    pod = pod.model_copy(update={"lease": lease_of(name, pod.flags, known.leader_election)})
    if not found:
        problem = f"{where} names no clientConnection.kubeconfig"
        return pod.model_copy(update={"kubeconfig": flag, "config_problem": problem})
    return pod.model_copy(update={"kubeconfig": PurePosixPath(place_on_host(manifest, found))})


def _flags(told: Printed) -> Iterator[tuple[str, str]]:
    """Yields the flags of the kubelet's process, or of its unit if it does not run."""
    if words := told.one("words"):
        yield from every_flag(_decoded(words).splitlines()[1:])
        return
    for variable in shlex.split(_decoded(told.one("environment"))):
        yield from every_flag(variable.partition("=")[2].split())


def _words(value: object) -> tuple[str, ...]:
    """Returns the words of a flag that are separated by commas, or of a list."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
