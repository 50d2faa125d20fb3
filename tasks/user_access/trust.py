"""Reads where the API is, and which CAs its servers and its clients have."""

from typing import NamedTuple

from tasks.cluster import Cluster
from tasks.core.errors import Refused
from tasks.core.models import outside
from tasks.core.probes.addresses import address_of_text
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.core.probes.node_shape import API_PORT
from tasks.core.secrets import resolve_secret

SYSTEM = "/api/v1/namespaces/kube-system/configmaps"
ROOT, AUTHENTICATION = f"{SYSTEM}/kube-root-ca.crt", f"{SYSTEM}/extension-apiserver-authentication"


class Trust(NamedTuple):
    """Holds the server of a kubeconfig, and CAs in PEM. None of it is secret."""

    server: str
    servers: str
    """CAs of the API servers."""
    clients: str
    """CAs of clients with a certificate."""


def read_trust(handle: Cluster) -> Trust:
    """Reads the server and the CAs; raises `Refused` if the cluster does not say them."""
    return Trust(
        server=endpoint_of(handle),
        servers=_read(handle, ROOT, "ca.crt"),
        clients=_read(handle, AUTHENTICATION, "client-ca-file"),
    )


def endpoint_of(handle: Cluster) -> str:
    """Returns the URL of the whole control plane: controlPlaneEndpoint, or else the server of the profile's kubeconfig.

    It is empty if nothing says it.
    """
    endpoint = handle.cluster_shape().endpoint
    if endpoint:
        return f"https://{address_of_text(endpoint, handle.profile.kubernetes.port or API_PORT).text}"
    reference = handle.profile.kubernetes.kubeconfig
    if reference is None:
        return ""
    return parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig").server


def _read(handle: Cluster, path: str, key: str) -> str:
    told = outside.ConfigMap.read(handle.kube.get(path), path).data.get(key, "")
    if not told.strip():
        raise Refused(f"{path} has no {key}", hint="check kube-controller-manager and the API servers")
    return told
