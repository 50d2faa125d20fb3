"""Handles kubelets' requests for serving certificates: which nodes they belong to, and which are approved."""

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tasks.cert_rotation.models.rotation import Approved, ServingRequest
from tasks.cert_rotation.models.serving import Identities
from tasks.cert_rotation.policy.serving_requests import what_forbids_approval
from tasks.cert_rotation.probes.serving_requests import (
    approved,
    endpoints_of,
    is_pending,
    parse_identities,
    parse_request,
    parse_requests,
)
from tasks.certificates.models.inventory import NodeCertificates
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.logs import log_about
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.core.secrets import resolve_secret
from tasks.nodes.probes.api_facts import cluster_configuration
from tasks.run.locks import Check
from tasks.run.models.lock import micro_time
from tasks.upgrade.observe import SYSTEM

NODES, SERVICES = "/api/v1/nodes", "/api/v1/services"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CONFIGURATION = f"{SYSTEM}/configmaps/kubeadm-config"

WHY = "requestor, usages and subject are a kubelet's, and the names are those of its node"


def pending(kube: KubeClient) -> tuple[ServingRequest, ...]:
    """Returns the undecided requests."""
    return parse_requests(kube.items(REQUESTS))


def approve(
    kube: KubeClient,
    wanted: Sequence[ServingRequest],
    nodes: Sequence[NodeCertificates],
    known: Identities,
    check: Check,
) -> Approved:
    """Approves requests after it has read and checked each one again.

    A request that does not pass every check stays as it is, with the reason.
    """
    done, left = [], {}
    for found in wanted:
        check()
        item = kube.find(f"{REQUESTS}/{found.name}")
        if item is None or not is_pending(item):
            left[found.name] = "somebody else has decided about it, or deleted it"
            continue
        if problems := what_forbids_approval(parse_request(item), nodes, known):
            left[found.name] = "; ".join(problems)
            continue
        body = approved(item, now=micro_time(datetime.now(UTC)), reason=WHY)
        kube.replace(f"{REQUESTS}/{found.name}/approval", body)
        log_about(found.username).info("%s is approved: %s", found.name, ", ".join(found.names))
        done.append(found.name)
    return Approved(approved=tuple(done), left=left)


def addresses_of(host: str) -> tuple[str, ...]:
    """Returns the addresses that the Prefect worker resolves for a name. The result is empty if it finds none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def who_is_who(handle: Cluster, resolve: Callable[[str], tuple[str, ...]] = addresses_of) -> Identities:
    """Returns the identities of all nodes, from the profile and from parts of the API that no kubelet can write."""
    configuration = cluster_configuration(handle.kube.find(CONFIGURATION))
    hosts = endpoints_of(configuration, _own_server(handle))
    return parse_identities(
        {node.name: node.address for node in handle.profile.nodes},
        handle.kube.items(NODES),
        handle.kube.items(SERVICES),
        configuration,
        dict(zip(hosts, map(resolve, hosts), strict=True)),
    )


def _own_server(handle: Cluster) -> str:
    reference = handle.profile.kubernetes.kubeconfig
    if reference is None:
        return ""
    return parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig").server
