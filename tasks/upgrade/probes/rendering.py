"""Builds the input for a node's kubeadm to render.

The input is what kubeadm would find in the cluster and on the node at its upgrade.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml
from pydantic import Field

from tasks.core.kubeadm_yaml import dump_all
from tasks.core.models.base import Model
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.nodes.probes.node_facts import version_in
from tasks.upgrade.probes.manifests import decoded, parse, part_of, read_pod

ENDPOINT = "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"
"""Names the annotation of an API server's manifest in which kubeadm keeps the address and port that it assigned."""

CRI_SOCKET = "kubeadm.alpha.kubernetes.io/cri-socket"
"""Names the annotation of a Node with its container runtime, as kubeadm wrote it when the node joined."""

RENDER_SECONDS = 30

NOWHERE = "/nonexistent/kube-runbooks"
"""Names a certificate folder that does not exist, for workers.

A worker has ca.crt and no key. kubeadm takes that for an external CA, and renders nothing.
"""

JSON = Mapping[str, Any]


class ClusterTold(Model):
    """This holds the ConfigMaps of the cluster that kubeadm reads."""

    cluster: dict[str, Any] = Field(default={})
    kubelet: str = ""
    proxy: str = ""


class NodeTold(Model):
    """This holds what kubeadm reads from a node.

    `socket` is the annotation of the Node, and `endpoint` is what its kubelet uses. Without an `address`,
    kubeadm takes that of the default route, which a node need not have.
    """

    name: str
    control_plane: bool
    address: str = ""
    socket: str = ""
    endpoint: str = ""


def render(looked: bytes, *, control_plane: bool, addons: bool = False) -> str:
    """Returns the script that makes kubeadm render from the configuration on its standard input.

    It changes only a temporary folder.
    """
    return script(
        __file__,
        "render_manifests",
        program=Printed.of(looked).one("program"),
        render_seconds=RENDER_SECONDS,
        control_plane=control_plane,
        addons=addons,
    )


def configuration_for(node: NodeTold, looked: bytes, told: ClusterTold, patches: PurePosixPath | None = None) -> str:
    """Returns the documents as kubeadm reads them.

    It raises `ValueError` with the reason if something that it needs is not known.
    """
    version = version_in(Printed.of(looked).one("kubeadm"))
    if not version:
        message = "there is no kubeadm"
        raise ValueError(message)
    api_version = told.cluster.get("apiVersion")
    if not api_version:
        message = "kube-system/kubeadm-config has no ClusterConfiguration"
        raise ValueError(message)
    own: dict[str, Any] = {"apiVersion": api_version, "kind": "InitConfiguration"}
    registration = {"name": node.name}
    if socket := _socket(node, looked):
        registration["criSocket"] = socket
    own["nodeRegistration"] = registration
    if node.control_plane:
        address, port = _endpoint(parse(looked).get("kube-apiserver", ""))
        own["localAPIEndpoint"] = {"advertiseAddress": address, "bindPort": port}
    elif node.address:
        own["localAPIEndpoint"] = {"advertiseAddress": node.address}
    if patches:
        own["patches"] = {"directory": str(patches)}
    kubelet, proxy = _read(told.kubelet, "kubelet-config"), _read(told.proxy, "kube-proxy")
    cluster = {**told.cluster, "kubernetesVersion": f"v{version}"}
    if not node.control_plane:
        kubelet = _with_client_ca(kubelet, str(cluster.get("certificatesDir") or "/etc/kubernetes/pki"))
        cluster["certificatesDir"] = NOWHERE
    configurations = [kubelet, proxy]
    return dump_all([own, cluster, *(one for one in configurations if one)])


def _with_client_ca(kubelet: JSON, certificates: str) -> JSON:
    """Adds the client CA as kubeadm does. Otherwise kubeadm would use NOWHERE as the folder."""
    authentication = part_of(kubelet, "authentication")
    x509 = {"clientCAFile": f"{certificates}/ca.crt", **part_of(authentication, "x509")}
    known = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
    return {**known, **kubelet, "authentication": {**authentication, "x509": x509}}


def registration_at(endpoint: str, cluster: JSON) -> tuple[dict[str, Any], ...]:
    """Returns the document that tells kubeadm the container runtime.

    It is empty if the runtime is not known; then kubeadm finds it.
    """
    if not endpoint:
        return ()
    kind = {"apiVersion": cluster.get("apiVersion"), "kind": "InitConfiguration"}
    return ({**kind, "nodeRegistration": {"criSocket": endpoint}},)


def _socket(node: NodeTold, looked: bytes) -> str:
    """Returns the container runtime socket in kubeadm's own order.

    That is the file of the node, the annotation, and what its kubelet uses. If it is empty, kubeadm finds the
    socket.
    """
    instance = _read(decoded(Printed.of(looked).one("instance")), "instance-config.yaml")
    return str(instance.get("containerRuntimeEndpoint") or node.socket or node.endpoint)


def _read(text: str, what: str) -> JSON:
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = f"{what} is no YAML: {' '.join(str(error).split())}"
        raise ValueError(message) from error
    return found if isinstance(found, dict) else {}


def _endpoint(manifest: str) -> tuple[str, int]:
    pod = read_pod(manifest)
    text = str((part_of(pod, "metadata").get("annotations") or {}).get(ENDPOINT, ""))
    if not (found := re.fullmatch(r"\[?([0-9a-fA-F.:]+?)\]?:(\d+)", text)):
        message = f"the manifest of kube-apiserver has no annotation {ENDPOINT} with an address and a port"
        raise ValueError(message)
    return found[1], int(found[2])
