"""Certificates of a cluster: looked at on all nodes, on the wire and in the API. Changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import task

from tasks.certificates.models.inventory import Certificate, Inventory, NodeCertificates
from tasks.certificates.probes.bundles import bundles_in, parse_bundles
from tasks.certificates.probes.certificates import look, parse
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.models.profile import CertificateRules, KubeconfigCopy
from tasks.core.retries import OBSERVE

LOOK_LIMIT = timedelta(seconds=90)
"""For a node: each of its ports has some seconds to answer."""

BUNDLES = {
    "validatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
    "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
    "apiservices": "/apis/apiregistration.k8s.io/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
}
"""Whose objects have `caBundle`s."""


@task(**OBSERVE, task_run_name="observe-certificates-{cluster}")
def observe_certificates(cluster: str) -> Inventory:
    """All nodes and the API at once; what does not answer is a fact, with the reason."""
    return look_at_inventory(open_cluster(cluster))


def look_at_inventory(handle: Cluster) -> Inventory:
    """All that there is, now."""
    looks: list[Callable[[], Any]] = [lambda: look_at_certificates(handle), lambda: look_at_bundles(handle)]
    nodes, (objects, problem) = on_all(lambda look: look(), looks)
    return Inventory(observed_at=datetime.now(UTC), nodes=nodes, objects=objects, api_problem=problem)


def read_certificate_rules(cluster: str) -> CertificateRules:
    """What the profile says of certificates."""
    return open_cluster(cluster).profile.certificates


def look_at_certificates(handle: Cluster) -> tuple[NodeCertificates, ...]:
    """All nodes of the profile at once."""
    return tuple(on_all(lambda name: look_at_node(handle, name), [node.name for node in handle.profile.nodes]))


def look_at_node(handle: Cluster, name: str) -> NodeCertificates:
    """One of them; one that does not let us in is a fact."""
    folder, port = handle.profile.kubeadm.folder, handle.profile.kubernetes.port
    try:
        printed = handle.shell(name).ask(look(folder, copies_on(handle, name), port), limit=LOOK_LIMIT)
    except RunbookError as error:
        return NodeCertificates(name=name, unreached=error.problem)
    return parse(name, printed, folder, now=datetime.now(UTC))


def copies_on(handle: Cluster, name: str) -> tuple[KubeconfigCopy, ...]:
    """Copies of kubeconfigs that the profile names for that node."""
    return tuple(copy for copy in handle.profile.certificates.kubeconfigs if not copy.nodes or name in copy.nodes)


def look_at_bundles(handle: Cluster) -> tuple[tuple[Certificate, ...], str]:
    """What the API has, or why that is not known."""
    found: dict[str, bytes] = {}
    try:
        for kind, group in BUNDLES.items():
            for item in handle.kube.items(f"{group}/{kind}"):
                found |= dict(bundles_in(item, kind))
    except RunbookError as error:
        return (), error.problem
    return parse_bundles(found, now=datetime.now(UTC)), ""
