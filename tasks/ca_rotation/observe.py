"""What a stage of a rotation is planned from, and proven by: what nodes and the API trust and hand out. Changes nothing."""

from collections.abc import Callable
from typing import Any

from prefect import task

from tasks.ca_rotation.models import ApiTrust, CaRotationFacts, Half, TrustOnNode
from tasks.ca_rotation.policy.trust import halves_of
from tasks.ca_rotation.probes import api
from tasks.ca_rotation.probes.trust import look, parse
from tasks.cert_rotation.observe import look_at_rotation
from tasks.certificates.observe import look_at_bundles
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
    """As for a renewal, and what each node and the API trust and hand out."""
    return look_at_ca_rotation(open_cluster(cluster), authority, run_id)


def look_at_ca_rotation(handle: Cluster, authority: Authority, run_id: str) -> CaRotationFacts:
    """All of it, now; without what the API hands out where it does not answer."""
    found = look_at_rotation(handle, run_id)
    names = [node.name for node in handle.profile.nodes]
    nodes = tuple(on_all(lambda name: look_at_trust(handle, name, authority), names))
    if found.api_problem:
        return CaRotationFacts(authority=authority, rotation=found, nodes=nodes)
    objects, _ = look_at_bundles(handle)
    inventory = found.inventory.model_copy(update={"objects": objects})
    control_planes = {node.name for node in inventory.control_planes}
    _, new = halves_of(node for node in nodes if node.node in control_planes)
    return CaRotationFacts(
        authority=authority,
        rotation=found.model_copy(update={"inventory": inventory}),
        nodes=nodes,
        api=look_at_api_trust(handle, new),
    )


def look_at_trust(handle: Cluster, name: str, authority: Authority) -> TrustOnNode:
    """One node; one that does not let us in is a fact."""
    try:
        return parse(name, handle.shell(name).ask(look(handle.profile.kubeadm.folder, authority)))
    except RunbookError as error:
        return TrustOnNode(node=name, unreached=error.problem)


def look_at_api_trust(handle: Cluster, new: Half | None) -> ApiTrust:
    """What the API hands out. Tokens in Secrets are looked at once there is a new half."""
    kube = handle.kube
    looks: list[Callable[[], Any]] = [
        lambda: kube.find(CLUSTER_INFO),
        lambda: kube.items("/api/v1/configmaps", fieldSelector=f"metadata.name={api.ROOT}"),
        lambda: api.data_of(kube.get(EXTENSION)),
        lambda: kube.items("/api/v1/pods"),
        lambda: kube.items("/api/v1/secrets", fieldSelector="type=kubernetes.io/service-account-token") if new else [],
    ]
    cluster_info, roots, extension, pods, secrets = on_all(lambda look: look(), looks)
    return ApiTrust(
        cluster_info=api.cluster_info_of(cluster_info),
        joinable=cluster_info is not None,
        root_cas=api.root_cas_of(roots),
        clients=api.ids_in(extension.get(api.CLIENTS, "")),
        front_proxies=api.ids_in(extension.get(api.FRONT_PROXIES, "")),
        old_pods=tuple(api.pods_before(pods, api.changed_at(roots))),
        old_tokens=tuple(api.tokens_of_others(secrets, new)) if new else (),
        worker=_trusted_by_worker(handle),
    )


def _trusted_by_worker(handle: Cluster) -> tuple[str, ...]:
    reference = handle.profile.kubernetes.kubeconfig
    if reference is None:
        return ()
    config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
    return api.ids_in(config.ca)
