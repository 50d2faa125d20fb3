"""Nodes: what all machines say of themselves, what the API says of them, and both together, at one moment."""

from datetime import UTC, datetime, timedelta

from tasks.at_once import on_all
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.errors import NotYet, Refused
from tasks.models import outside
from tasks.models.nodes import KubeNode, NodeFacts
from tasks.models.upgrade import ApiFacts, Webhook, Workload
from tasks.probes import api_facts, node_facts

CALL = timedelta(seconds=90)
"""For all that is asked of a machine at once, its package repository among it."""

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CONTROLLERS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
SYSTEM = "/api/v1/namespaces/kube-system"


def look_at_machines(handle: Cluster, target_minor: str = "") -> tuple[NodeFacts, ...]:
    """All nodes of the profile at once; one that does not let us in is a fact, with the reason."""
    return tuple(on_all(lambda name: look_at_machine(handle, name, target_minor), _names(handle)))


def look_at_machine(handle: Cluster, name: str, target_minor: str = "") -> NodeFacts:
    """One of them."""
    return _ask(handle, name, node_facts.look(target_minor))


def glance_at_machine(handle: Cluster, name: str) -> NodeFacts:
    """What tells whether it is well: no packages, no certificates, no versions of programs."""
    return _ask(handle, name, node_facts.glance())


def _ask(handle: Cluster, name: str, script: str) -> NodeFacts:
    try:
        connection = handle.node(name)
        connection.connect()
        asked = datetime.now(UTC)
        output = connection.run(script, timeout=CALL, sudo=True)
    except (NotYet, Refused) as error:
        return NodeFacts(name=name, unreached=str(error))
    return node_facts.parse(name, output.stdout, asked=asked, answered=datetime.now(UTC))


def look_at_nodes(kube: KubeClient) -> tuple[KubeNode, ...]:
    """All nodes of the API, with their leases."""
    return api_facts.parse_nodes(kube.items("/api/v1/nodes"), kube.items(LEASES))


def look_at_workloads(kube: KubeClient) -> tuple[Workload, ...]:
    """Deployments, StatefulSets and DaemonSets of all namespaces."""
    return tuple(
        api_facts.parse_workload(kind, item)
        for kind, plural in CONTROLLERS.items()
        for item in kube.items(f"/apis/apps/v1/{plural}")
    )


def look_at_api(kube: KubeClient) -> ApiFacts:
    """All that an upgrade asks the API, but the drains."""
    kubeadm_config = kube.find(f"{SYSTEM}/configmaps/kubeadm-config")
    kubeadm = outside.ClusterConfiguration.read(api_facts.cluster_configuration(kubeadm_config), "kubeadm-config")
    kubelet = kube.find(f"{SYSTEM}/configmaps/kubelet-config")
    return ApiFacts(
        observed_at=datetime.now(UTC),
        version=outside.Version.read(kube.get("/version"), "the answer to GET /version").git_version.removeprefix("v"),
        nodes=look_at_nodes(kube),
        kubeadm_version=kubeadm.kubernetes_version.removeprefix("v"),
        etcd_image_tag=kubeadm.etcd.local.image_tag,
        kubelet_fail_cgroup_v1=api_facts.kubelet_setting(kubelet, "failCgroupV1"),
        workloads=look_at_workloads(kube),
        pods_not_ready=api_facts.not_ready(kube.items(f"{SYSTEM}/pods")),
        unavailable_apis=api_facts.unavailable_apis(kube.items("/apis/apiregistration.k8s.io/v1/apiservices")),
        webhooks=_webhooks(kube),
        deprecated=api_facts.parse_deprecated(kube.text("/metrics")),
    )


def _webhooks(kube: KubeClient) -> tuple[Webhook, ...]:
    hooks = [
        item
        for kind in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
        for item in kube.items(f"{ADMISSION}/{kind}")
    ]
    if not hooks:
        return ()
    slices = kube.items("/apis/discovery.k8s.io/v1/endpointslices")
    return api_facts.parse_webhooks(hooks, api_facts.nodes_of_services(slices))


def _names(handle: Cluster) -> list[str]:
    return [node.name for node in handle.profile.nodes]
