"""What an upgrade knows of a cluster before it acts: machines, the API, etcd and manifests, at one moment."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.drain.observe import observe_forecasts
from tasks.etcd.observe import look_at_members
from tasks.node_work.controllers import look_at_controllers
from tasks.node_work.proof import look_at_symptoms
from tasks.node_work.site_gates import what_gates_say
from tasks.nodes.models.workloads import Webhook
from tasks.nodes.observe import glance_at_machine, look_at_machines, look_at_nodes, look_at_workloads
from tasks.nodes.policy.versions import KubernetesVersion
from tasks.nodes.probes import api_facts
from tasks.run.history import read_history
from tasks.run.models.records import UPGRADE_JOBS
from tasks.upgrade.models.manifests import NodeManifests
from tasks.upgrade.models.upgrade import ApiFacts, ClusterFacts, UpgradeOptions
from tasks.upgrade.policy.plan import next_minor
from tasks.upgrade.policy.scope import RUNBOOK
from tasks.upgrade.probes import manifests

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
SYSTEM = "/api/v1/namespaces/kube-system"
CONFIGURATION = f"{SYSTEM}/configmaps/kubeadm-config"

RENDER_LIMIT = timedelta(seconds=90)
"""For a look at the manifests of a node, and for kubeadm to render its own."""

KUBEADM_LIMIT = timedelta(minutes=30)
"""kubeadm waits for five minutes for each of the four static pods, and for the images of none: they are there."""

BACK_LIMIT = timedelta(minutes=3)
"""For the only API server to be back after that."""


def observe_cluster(handle: Cluster, target: str, options: UpgradeOptions) -> ClusterFacts:
    """Everything at once: machines with their repositories, the API with the forecast of each drain, etcd, earlier runs."""
    minor = minor_to_ask(handle, target, chain=options.chain)
    looks: list[Callable[[], Any]] = [
        lambda: look_at_machines(handle, minor),
        lambda: look_at_api(handle.kube),
        lambda: observe_forecasts(handle.kube, [node.name for node in handle.profile.nodes], options.drain),
        lambda: look_at_members(handle, "auto"),
        lambda: read_history(handle.store, handle.profile.name, RUNBOOK),
        lambda: what_gates_say(handle),
        lambda: look_at_controllers(handle.kube, handle.control_planes),
        lambda: look_at_manifests(handle, handle.control_planes),
    ]
    machines, api, forecasts, etcd, history, gates, controllers, found = on_all(lambda look: look(), looks)
    return ClusterFacts(
        observed_at=datetime.now(UTC),
        target=target if target.startswith(f"{minor}.") else f"{minor}.0",
        nodes=machines,
        api=api.model_copy(update={"forecasts": forecasts}),
        etcd=etcd,
        controllers=controllers,
        manifests=found,
        symptoms=look_at_symptoms(handle, machines),
        history=history,
        gates=gates,
    )


def configuration_of(handle: Cluster) -> dict[str, Any]:
    """ClusterConfiguration of kubeadm-config; empty when there is none."""
    return api_facts.cluster_configuration(handle.kube.find(CONFIGURATION))


def configured_version(handle: Cluster) -> str:
    """The version in it, with its v; empty when it says none."""
    return str(configuration_of(handle).get("kubernetesVersion", ""))


def minor_to_ask(handle: Cluster, target: str, *, chain: bool) -> str:
    """Whose repository is asked: the target's, or that of the first step of a chain."""
    configured = KubernetesVersion.observed(configured_version(handle))
    return next_minor(configured.bare if configured else target, target, chain=chain)


def look_at_api(kube: KubeClient) -> ApiFacts:
    """All that an upgrade asks the API, but the drains."""
    kubeadm_config = kube.find(CONFIGURATION)
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


def look_at_manifests(handle: Cluster, names: Sequence[str]) -> tuple[NodeManifests, ...]:
    """Static pods of all these nodes at once, with what kubeadm would write in their place; a node that does not answer is a fact."""
    configuration = configuration_of(handle)
    return tuple(on_all(lambda name: _look_at_manifests(handle, name, configuration), names))


def _look_at_manifests(handle: Cluster, name: str, configuration: Mapping[str, Any]) -> NodeManifests:
    shell = handle.shell(name)
    try:
        looked = shell.ask(manifests.look(), limit=RENDER_LIMIT)
        try:
            given = manifests.configuration_for(name, looked, configuration)
        except ValueError as error:
            return manifests.compared(name, looked, b"", problem=str(error))
        rendered = shell.ask(manifests.render(), stdin=given.encode(), limit=RENDER_LIMIT)
    except (NotYet, Refused) as error:
        return NodeManifests(node=name, problem=str(error))
    return manifests.compared(name, looked, rendered)


def await_the_only_control_plane(handle: Cluster) -> None:
    """Where a run died while kubeadm was at work on the only control plane node, its end is waited for.

    The API comes and goes meanwhile: neither a plan nor a lock can be had of it. Of several one answers always.
    """
    if len(handle.control_planes) == 1 and (at_work := _jobs_at_work(handle)):
        log_about(handle.profile.name).info(
            "a job of an earlier run is under way, its end is waited for: %s", ", ".join(at_work)
        )
        wait_for(lambda: _refuse_jobs(handle), KUBEADM_LIMIT)
        wait_for(lambda: configuration_of(handle), BACK_LIMIT)


def _refuse_jobs(handle: Cluster) -> None:
    if at_work := _jobs_at_work(handle):
        raise NotYet(f"still under way: {', '.join(at_work)}", hint="look at its output on the node")


def _jobs_at_work(handle: Cluster) -> list[str]:
    machines = on_all(lambda name: glance_at_machine(handle, name), handle.control_planes)
    return [f"{one.name}: {job}" for one in machines for job in one.jobs if job.startswith(UPGRADE_JOBS)]
