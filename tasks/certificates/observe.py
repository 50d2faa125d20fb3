"""Certificates of a cluster: looked at on all nodes, on the wire and in the API, and shown. Changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import task

from tasks.certificates.models.inventory import Certificate, Inventory, NodeCertificates
from tasks.certificates.policy.metrics import to_prometheus
from tasks.certificates.probes.bundles import bundles_in, parse_bundles
from tasks.certificates.probes.certificates import look, parse
from tasks.certificates.tables import show_certificates
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.logs import log_about
from tasks.core.models.profile import CertificateRules, KubeconfigCopy
from tasks.core.retries import ACT, OBSERVE

LOOK = timedelta(seconds=90)
"""For a node: each of its ports has some seconds to answer."""

BUNDLES = {
    "validatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
    "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
    "apiservices": "/apis/apiregistration.k8s.io/v1",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
}
"""Whose objects have `caBundle`s."""

METRICS = "certificates.prom"


@task(**OBSERVE, task_run_name="observe-certificates-{cluster}")
def observe_certificates(cluster: str) -> Inventory:
    """All nodes and the API at once; what does not answer is a fact, with the reason."""
    handle = open_cluster(cluster)
    looks: list[Callable[[], Any]] = [lambda: look_at_certificates(handle), lambda: look_at_bundles(handle)]
    nodes, (objects, problem) = on_all(lambda look: look(), looks)
    return Inventory(observed_at=datetime.now(UTC), nodes=nodes, objects=objects, api_problem=problem)


@task(**ACT, task_run_name="publish-certificates-{cluster}")
def publish_certificates(cluster: str, inventory: Inventory) -> None:
    """The table in the Prefect UI, and the text file for Prometheus in the bucket."""
    store = open_cluster(cluster).store
    show_certificates(cluster, inventory)
    key = store.key(cluster, "metrics", METRICS)
    store.put(key, to_prometheus(inventory, cluster).encode(), "text/plain; version=0.0.4")
    log_about(cluster).info("%d certificates; for Prometheus: %s", len(inventory.certificates), store.uri(key))


def read_certificate_rules(cluster: str) -> CertificateRules:
    """What the profile says of certificates."""
    return open_cluster(cluster).profile.certificates


def look_at_certificates(handle: Cluster) -> tuple[NodeCertificates, ...]:
    """All nodes of the profile at once."""
    return tuple(on_all(lambda name: look_at_node(handle, name), [node.name for node in handle.profile.nodes]))


def look_at_node(handle: Cluster, name: str) -> NodeCertificates:
    """One of them; one that does not let us in is a fact."""
    profile = handle.profile
    folder, script = (
        profile.kubeadm.folder,
        look(profile.kubeadm.folder, copies_on(handle, name), profile.kubernetes.port),
    )
    try:
        output = handle.node(name).run(script, timeout=LOOK, sudo=True)
    except RunbookError as error:
        return NodeCertificates(name=name, unreached=error.problem)
    return parse(name, output.stdout, folder, now=datetime.now(UTC))


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
