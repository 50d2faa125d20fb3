"""Reads the certificates of a cluster on all nodes, on their ports and in the API. It changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import task

from tasks.certificates.models.inventory import Certificate, Inventory, NodeCertificates
from tasks.certificates.models.places import Places
from tasks.certificates.probes.bundles import bundles_in, parse_bundles
from tasks.certificates.probes.certificates import look, look_closer, parse
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.models.profile import CertificateRules, KubeconfigCopy
from tasks.core.retries import OBSERVE

LOOK_LIMIT = timedelta(seconds=90)
"""Limits each of the two queries to a node. Each port of the node gets some seconds to answer."""

API_PORT = 6443
"""This is the port of an API server if neither its manifest nor the profile names one."""

BUNDLES = {
    "validatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
    "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
    "apiservices": "/apis/apiregistration.k8s.io/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
}
"""Maps the kinds whose objects have a `caBundle` to their API group."""


@task(**OBSERVE, task_run_name="observe-certificates-{cluster}")
def observe_certificates(cluster: str) -> Inventory:
    """Reads the certificates of all nodes and of the API in parallel.

    A node or an API that does not answer becomes a fact with the reason.
    """
    return look_at_inventory(open_cluster(cluster))


def look_at_inventory(handle: Cluster) -> Inventory:
    """Reads the complete inventory of certificates, as it is now."""
    looks: list[Callable[[], Any]] = [lambda: look_at_certificates(handle), lambda: look_at_bundles(handle)]
    nodes, (objects, problem) = on_all(lambda look: look(), looks)
    return Inventory(observed_at=datetime.now(UTC), nodes=nodes, objects=objects, api_problem=problem)


def read_certificate_rules(cluster: str) -> CertificateRules:
    """Returns the certificate settings of the profile."""
    return open_cluster(cluster).profile.certificates


def look_at_certificates(handle: Cluster) -> tuple[NodeCertificates, ...]:
    """Reads the certificates of all nodes in the profile in parallel."""
    return tuple(on_all(lambda name: look_at_node(handle, name), [node.name for node in handle.profile.nodes]))


def look_at_node(handle: Cluster, name: str) -> NodeCertificates:
    """Reads the certificates of one node. A node that cannot be reached becomes a fact with the reason."""
    shell, copies, port = handle.shell(name), copies_on(handle, name), handle.profile.kubernetes.port or API_PORT
    try:
        places = Places(folder=handle.profile.kubeadm.folder, shape=handle.shape(name))
        told = shell.ask(look(places), limit=LOOK_LIMIT)
        told += shell.ask(look_closer(name, told, places, copies, port), limit=LOOK_LIMIT)
    except RunbookError as error:
        return NodeCertificates(name=name, unreached=error.problem)
    return parse(name, told, places, copies, now=datetime.now(UTC))


def copies_on(handle: Cluster, name: str) -> tuple[KubeconfigCopy, ...]:
    """Returns the kubeconfig copies that the profile names for this node."""
    return tuple(copy for copy in handle.profile.certificates.kubeconfigs if not copy.nodes or name in copy.nodes)


def look_at_bundles(handle: Cluster) -> tuple[tuple[Certificate, ...], str]:
    """Reads each `caBundle` from the API. It returns the certificates, and the reason if they could not be read."""
    found: dict[str, bytes] = {}
    try:
        for kind, group in BUNDLES.items():
            for item in handle.kube.items(f"{group}/{kind}"):
                found |= dict(bundles_in(item, kind))
    except RunbookError as error:
        return (), error.problem
    return parse_bundles(found, now=datetime.now(UTC)), ""
