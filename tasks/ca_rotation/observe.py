"""Reads the facts that a stage is planned from and proven by. It changes nothing.

These are what nodes and the API trust and publish.
"""

from collections.abc import Callable
from typing import Any

from prefect import task

from tasks.ca_rotation.models import ApiTrust, CaRotationFacts, Half, TrustOnNode
from tasks.ca_rotation.policy.trust import halves_of
from tasks.ca_rotation.probes import api, places, trust
from tasks.ca_rotation.probes.places import Places, files_of
from tasks.cert_rotation.observe import look_at_rotation
from tasks.certificates.observe import look_at_bundles
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.models.kubeadm import Authority
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.core.retries import OBSERVE
from tasks.core.secrets import resolve_secret
from tasks.upgrade.observe import SYSTEM

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
EXTENSION = f"{SYSTEM}/configmaps/extension-apiserver-authentication"


@task(**OBSERVE, task_run_name="observe-ca-rotation-{authority}")
def observe_ca_rotation(cluster: str, authority: Authority, run_id: str) -> CaRotationFacts:
    """Reads the facts of a leaf rotation, and what each node and the API trust and publish."""
    return look_at_ca_rotation(open_cluster(cluster), authority, run_id)


def look_at_ca_rotation(handle: Cluster, authority: Authority, run_id: str) -> CaRotationFacts:
    """Reads all facts of a stage. If the API does not answer, what it publishes is left out."""
    found = look_at_rotation(handle, run_id)
    names = [node.name for node in handle.profile.nodes]
    nodes = tuple(on_all(lambda name: look_at_trust(handle, name, authority), names))
    if found.api_problem:
        return CaRotationFacts(authority=authority, rotation=found, nodes=nodes)
    objects, problem = look_at_bundles(handle)
    inventory = found.inventory.model_copy(update={"objects": objects, "api_problem": problem})
    control_planes = {node.name for node in inventory.control_planes}
    old, new = halves_of(node for node in nodes if node.node in control_planes)
    return CaRotationFacts(
        authority=authority,
        rotation=found.model_copy(update={"inventory": inventory}),
        nodes=nodes,
        api=look_at_api_trust(handle, old, new),
    )


def look_at_trust(handle: Cluster, name: str, authority: Authority) -> TrustOnNode:
    """Reads what one node trusts. A node that cannot be reached becomes a fact with the reason."""
    try:
        found = look_at_places(handle, name)
        printed = handle.shell(name).ask(trust.look(files_of(authority, found), authority))
    except RunbookError as error:
        return TrustOnNode(node=name, unreached=error.problem)
    told = trust.parse(name, authority, found, printed)
    return told.model_copy(update={"kubelet_config": str(handle.shape(name).kubelet.kubeconfig)})


def look_at_places(handle: Cluster, name: str) -> Places:
    """Reads the current locations of a node's CAs. They are read each time because a rotation changes a flag."""
    shape = handle.shape(name)
    question = places.look(str(shape.kubelet.manifests), str(shape.parked), str(shape.kubelet.config))
    return places.parse(handle.shell(name).ask(question), str(shape.kubelet.config), shape.kubelet.overrides)


def look_at_api_trust(handle: Cluster, old: Half | None, new: Half | None) -> ApiTrust:
    """Reads what the API publishes, and which objects have copies of it.

    Tokens in Secrets are checked once there is a new half.
    """
    kube = handle.kube
    looks: list[Callable[[], Any]] = [
        lambda: kube.find(CLUSTER_INFO),
        lambda: kube.items("/api/v1/configmaps"),
        lambda: kube.items("/api/v1/namespaces"),
        lambda: kube.find(EXTENSION),
        lambda: kube.items("/api/v1/pods"),
        lambda: _secrets(kube) if old or new else ([], ""),
    ]
    cluster_info, configmaps, namespaces, extension, pods, (secrets, unread) = on_all(lambda look: look(), looks)
    roots = [one for one in configmaps if one["metadata"]["name"] == api.ROOT]
    root_cas, told = api.root_cas_of(roots), api.data_of(extension or {})
    others = [one for one in configmaps if one not in roots and not _is_known(one)]
    own, clusters = api.secrets_with(secrets, old, new) if old else ((), ())
    return ApiTrust(
        cluster_info=api.cluster_info_of(cluster_info),
        joinable=cluster_info is not None,
        root_cas=root_cas,
        rootless=tuple(api.without_root(namespaces, root_cas)),
        copies=tuple(api.copies_of(others, old, new)) if old else (),
        secrets=own,
        token_secrets=clusters,
        secrets_unread=unread,
        clients=api.ids_in(told.get(api.CLIENTS, "")),
        front_proxies=api.ids_in(told.get(api.FRONT_PROXIES, "")),
        old_pods=tuple(api.pods_before(pods, api.changed_at(roots))),
        old_tokens=tuple(api.tokens_of_others(secrets, new)) if new else (),
        worker=_trusted_by_worker(handle),
    )


def _secrets(kube: KubeClient) -> tuple[list[dict[str, Any]], str]:
    """Returns all Secrets except Helm's, or the reason why they cannot be read. The plan must report that reason."""
    try:
        return kube.items("/api/v1/secrets", fieldSelector=api.SECRETS), ""
    except RunbookError as error:
        return [], error.problem


def _is_known(configmap: dict[str, Any]) -> bool:
    """Checks whether a rotation itself or an API server writes this ConfigMap."""
    metadata = configmap["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/configmaps/{metadata['name']}"
    return path in {CLUSTER_INFO, EXTENSION}


def _trusted_by_worker(handle: Cluster) -> tuple[str, ...]:
    reference = handle.profile.kubernetes.kubeconfig
    if reference is None:
        return ()
    config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
    return api.ids_in(config.ca)
