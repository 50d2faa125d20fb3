"""Observes a cluster before an upgrade acts: nodes, the API, etcd and manifests, at one moment."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.folders import JOBS
from tasks.core.waits import Wait
from tasks.drain.observe import observe_forecasts
from tasks.etcd.observe import look_at_members
from tasks.gates.observe import what_gates_say
from tasks.node_work.controllers import look_at_controllers
from tasks.node_work.proof import look_at_symptoms
from tasks.nodes.models.workloads import Webhook
from tasks.nodes.observe import glance_at_machine, look_at_machines, look_at_nodes, look_at_workloads
from tasks.nodes.policy.versions import KubernetesVersion
from tasks.nodes.probes import api_facts
from tasks.run.history import read_history
from tasks.run.models.records import UPGRADE_JOBS
from tasks.upgrade import kubeadm_writes
from tasks.upgrade.kubeadm_writes import CONFIGURATION, look_at_addons, look_at_manifests
from tasks.upgrade.models.upgrade import ApiFacts, ClusterFacts, UpgradeOptions
from tasks.upgrade.policy.plan import next_minor, what_may_pass
from tasks.upgrade.policy.scope import RUNBOOK
from tasks.upgrade.secret import read_a_secret

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
SYSTEM = kubeadm_writes.SYSTEM
"""This is the API path of kube-system."""

KUBEADM_LIMIT = timedelta(minutes=30)
"""Limits a run of kubeadm.

It waits for five minutes for each of the four static pods. It does not wait for images, because they are on
the node.
"""

BACK_LIMIT = timedelta(minutes=3)
"""Limits the wait until the only API server answers after that."""


SETTLE_LIMIT = timedelta(minutes=1)
"""Limits how long a plan waits for what is often over within seconds, such as an election of etcd, before it refuses."""


def observe_settled(handle: Cluster, version: str, options: UpgradeOptions) -> ClusterFacts:
    """Observes everything, and again while the plan would be refused only for what is often over within seconds."""
    target = KubernetesVersion.parse(version).bare
    with Wait("the cluster to settle", SETTLE_LIMIT, about=handle.profile.name) as wait:
        while True:
            facts = observe_cluster(handle, target, options)
            passing = what_may_pass(facts, version, options, handle.profile.upgrade, now=datetime.now(UTC))
            if not passing or wait.is_over:
                return facts
            wait.says("; ".join(f"{one.subject}: {one.problem}" for one in passing))
            wait.pause()


def observe_cluster(handle: Cluster, target: str, options: UpgradeOptions) -> ClusterFacts:
    """Observes everything in parallel.

    That is nodes with their repositories, the API with a forecast of each drain, etcd, and earlier runs.
    """
    minor = minor_to_ask(handle, target, chain=options.chain)
    looks: list[Callable[[], Any]] = [
        lambda: look_at_machines(handle, minor),
        lambda: look_at_api(handle.kube),
        lambda: observe_forecasts(handle.kube, [node.name for node in handle.profile.nodes], options.drain),
        lambda: look_at_members(handle, "auto"),
        lambda: read_history(handle.store, handle.profile.name, RUNBOOK),
        lambda: what_gates_say(handle, handle.profile.gates),
        lambda: look_at_controllers(handle.kube, handle.control_planes),
        lambda: look_at_manifests(handle, [node.name for node in handle.profile.nodes], target),
        lambda: look_at_addons(handle, min(handle.control_planes), target),
        lambda: on_all(lambda name: read_a_secret(handle, name), handle.control_planes),
    ]
    machines, api, forecasts, etcd, history, gates, controllers, found, addons, secrets = on_all(
        lambda look: look(), looks
    )
    return ClusterFacts(
        observed_at=datetime.now(UTC),
        target=target if target.startswith(f"{minor}.") else f"{minor}.0",
        nodes=machines,
        api=api.model_copy(update={"forecasts": forecasts}),
        etcd=etcd,
        controllers=controllers,
        manifests=found,
        addons=addons,
        secrets=tuple(secrets),
        symptoms=look_at_symptoms(handle, machines),
        history=history,
        gates=gates,
    )


def configuration_of(handle: Cluster) -> dict[str, Any]:
    """Returns the ClusterConfiguration of kubeadm-config. It is empty when there is none."""
    return api_facts.cluster_configuration(handle.kube.find(CONFIGURATION))


def configured_version(handle: Cluster) -> str:
    """Returns the version in the ClusterConfiguration, with its v. It is empty when there is none."""
    return str(configuration_of(handle).get("kubernetesVersion", ""))


def minor_to_ask(handle: Cluster, target: str, *, chain: bool) -> str:
    """Returns the minor version whose repository is queried.

    It is the target's, or that of the first step of a chain.
    """
    configured = KubernetesVersion.observed(configured_version(handle))
    return next_minor(configured.bare if configured else target, target, chain=chain)


def look_at_api(kube: KubeClient) -> ApiFacts:
    """Returns everything that an upgrade asks the API, except the drains."""
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


def await_the_only_control_plane(handle: Cluster) -> None:
    """Waits until an earlier kubeadm job on the only control plane node has finished.

    The run that started it may have died. Meanwhile the API is not always there, so neither a plan nor a lock
    is possible. With several control plane nodes, one of them always answers.
    """
    if len(handle.control_planes) == 1 and (at_work := _jobs_at_work(handle)):
        log_about(handle.profile.name).info(
            "a job of an earlier run is under way, its end is waited for: %s", ", ".join(at_work)
        )
        name = handle.profile.name
        wait_for(lambda: _refuse_jobs(handle), KUBEADM_LIMIT, what="kubeadm of an earlier run to end", about=name)
        wait_for(lambda: configuration_of(handle), BACK_LIMIT, what="the only API server to answer", about=name)


def _refuse_jobs(handle: Cluster) -> None:
    if at_work := _jobs_at_work(handle):
        raise NotYet(f"still under way: {', '.join(at_work)}", hint=f"check {JOBS}/*/output on the node")


def _jobs_at_work(handle: Cluster) -> list[str]:
    machines = on_all(lambda name: glance_at_machine(handle, name), handle.control_planes)
    return [f"{one.name}: {job}" for one in machines for job in one.jobs if job.startswith(UPGRADE_JOBS)]
