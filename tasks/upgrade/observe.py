"""All that an upgrade asks the API, but the drains."""

from datetime import UTC, datetime

from tasks.clients.kube import KubeClient
from tasks.core.models import outside
from tasks.nodes.models.workloads import Webhook
from tasks.nodes.observe import look_at_nodes, look_at_workloads
from tasks.nodes.probes import api_facts
from tasks.upgrade.models.upgrade import ApiFacts

ADMISSION = "/apis/admissionregistration.k8s.io/v1"

SYSTEM = "/api/v1/namespaces/kube-system"


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
