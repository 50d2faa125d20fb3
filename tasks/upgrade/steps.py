"""Upgrades a cluster by kubeadm. Each task checks the current state, so a run that died can be started again."""

from datetime import timedelta

from prefect import task

from tasks.clients.ssh import Job, run_job
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.kubeadm_yaml import dump_all
from tasks.core.logs import log_about
from tasks.core.models.profile import UpgradeRules
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.etcd.observe import look_at_members
from tasks.node_work.gates import lead_elsewhere
from tasks.node_work.waves import on_wave
from tasks.node_work.work import begin_node_work
from tasks.nodes.probes.api_facts import cluster_configuration, with_etcd_tag
from tasks.run.locks import Check
from tasks.upgrade import scripts
from tasks.upgrade.kubeadm_writes import CONFIGURATION, NodeLooks
from tasks.upgrade.models.upgrade import (
    ClusterFacts,
    NodeUpgrade,
    NodeUpgraded,
    Orders,
    Staged,
    Trimmed,
    Upgraded,
    UpgradeOptions,
    UpgradePlan,
    WaveUpgraded,
)
from tasks.upgrade.node import job_name, upgrade_control_plane, upgrade_worker
from tasks.upgrade.observe import (
    await_the_only_control_plane,
    configuration_of,
    observe_settled,
)
from tasks.upgrade.policy.kubeadm import etcd_among, what_forbids_brought_etcd
from tasks.upgrade.policy.scope import RUNBOOK
from tasks.upgrade.probes.rendering import registration_at
from tasks.upgrade.proof import prove_addons, prove_nodes
from tasks.upgrade.sources import place_sources

STAGE_LIMIT = timedelta(minutes=30)
TRIM_LIMIT = timedelta(minutes=2)
"""Limits the removal of copies that are as large as etcd's database."""
ADDON_LIMIT = timedelta(minutes=5)


@task(**OBSERVE, task_run_name="observe-upgrade-{cluster}")
def observe_upgrade(cluster: str, version: str, options: UpgradeOptions) -> ClusterFacts:
    """Observes everything in parallel.

    That is nodes with their repositories, the API with a forecast of each drain, etcd, and earlier runs. What is
    often over within seconds is observed again before the plan refuses.
    """
    handle = open_cluster(cluster)
    await_the_only_control_plane(handle)
    return observe_settled(handle, version, options)


def read_rules(cluster: str) -> UpgradeRules:
    """Returns the rules of the profile for upgrades."""
    return open_cluster(cluster).profile.upgrade


@task(**PATIENT, task_run_name="stage-{plan.version}")
def stage_upgrade(cluster: str, plan: UpgradePlan, options: UpgradeOptions, run_id: str, check: Check) -> Staged:
    """Downloads packages and images of the target to all nodes of the plan.

    Nothing that runs is changed. The error names each node that cannot do so.
    """
    handle = open_cluster(cluster)
    check()
    wanted = configuration_of(handle) | {"kubernetesVersion": f"v{plan.version}"}
    configuration = with_etcd_tag(wanted, options.etcd_image_tag)

    def stage(node: NodeUpgrade) -> tuple[str, ...]:
        sources = place_sources(handle.shell(node.name), plan.version)
        endpoint = handle.shape(node.name).kubelet.runtime_endpoint
        text = dump_all([*registration_at(endpoint, configuration), configuration])
        script = scripts.stage(sources.manager, plan.version, text, control_plane=node.control_plane, endpoint=endpoint)
        job = Job(f"{job_name('stage', plan.version)}-{run_id}", script, STAGE_LIMIT, nice=10)
        images = scripts.parse_images(run_job(handle.node(node.name), job).output)
        if not images:
            raise NotYet(
                f"{node.name}: kubeadm of v{plan.version} named no image", hint=f"check {job.folder}/output there"
            )
        log_about(node.name).info("packages and images of v%s are there", plan.version)
        return images

    images = tuple(dict.fromkeys(image for found in on_all(stage, plan.nodes) for image in found))
    _refuse_etcd_among(handle, images)
    return Staged(version=plan.version, nodes=tuple(node.name for node in plan.nodes), images=images)


@task(**ACT, task_run_name="pin-etcd-{tag}")
def pin_etcd(cluster: str, tag: str, check: Check) -> None:
    """Sets etcd.local.imageTag of kubeadm-config, or removes it (`default`).

    It takes effect with the next kubeadm upgrade.
    """
    kube = open_cluster(cluster).kube
    found = kube.get(CONFIGURATION)
    wanted = with_etcd_tag(cluster_configuration(found), tag)
    if wanted == cluster_configuration(found):
        return
    check()
    found["data"]["ClusterConfiguration"] = dump_all([wanted])
    kube.replace(CONFIGURATION, found)
    if cluster_configuration(kube.get(CONFIGURATION)) != wanted:
        raise NotYet(
            "kubeadm-config was changed by somebody else meanwhile",
            hint="check metadata.managedFields of the ConfigMap kube-system/kubeadm-config to see who; then run it again",
        )


@task(**PATIENT, task_run_name="upgrade-{node.name}")
def upgrade_control_plane_node(cluster: str, node: NodeUpgrade, orders: Orders, check: Check) -> NodeUpgraded:
    """Upgrades a control plane node: gate, kubeadm, proof; gate, cordon, drain, kubelet, proof, uncordon.

    Finished parts are left out.
    """
    handle = open_cluster(cluster)
    return upgrade_control_plane(
        begin_node_work(handle, node.name, RUNBOOK, orders.run_id, check),
        node,
        orders,
        looks=NodeLooks(handle, node),
        move_leader=lambda facts: lead_elsewhere(handle, facts, node.name),
    )


@task(**PATIENT, task_run_name="upgrade-wave")
def upgrade_wave(
    cluster: str,
    wave: tuple[NodeUpgrade, ...],
    orders: Orders,
    check: Check,
    failed_before: int,
) -> WaveUpgraded:
    """Upgrades several workers at once.

    Workers that fail stay cordoned. More failures than max_failed stop the run.
    """
    handle = open_cluster(cluster)
    done, failed = on_wave(
        wave,
        lambda node: upgrade_worker(
            begin_node_work(handle, node.name, RUNBOOK, orders.run_id, check),
            node,
            orders,
            looks=NodeLooks(handle, node),
        ),
        lambda node: node.name,
        failed_before=failed_before,
        budget=orders.options.waves.max_failed,
    )
    return WaveUpgraded(nodes=tuple(done), failed=failed)


@task(**PATIENT, task_run_name="prove-control-plane-{cluster}")
def prove_control_plane(cluster: str, plan: UpgradePlan, staged: Staged) -> tuple[str, ...]:
    """Proves that kubeadm-config has the target and that CoreDNS and kube-proxy are rolled out.

    Services must answer from every node. kubeadm upgrades both addons with the last control plane node, on all
    nodes at once. Every run checks this before the first worker, because the run that upgraded the control
    plane may have died since.
    """
    handle = open_cluster(cluster)
    return _await_addons(handle, plan, staged)


@task(**PATIENT, task_run_name="prove-upgraded-{cluster}")
def prove_upgraded(cluster: str, plan: UpgradePlan, staged: Staged, failed: tuple[str, ...]) -> Upgraded:
    """Repeats the proof of the control plane, and proves that every node of the plan has its kubelet.

    It returns etcd's members with their versions.
    """
    handle = open_cluster(cluster)
    addons = _await_addons(handle, plan, staged)
    return prove_nodes(handle, plan, failed, addons)


@task(**ACT, task_run_name="trim-kubeadm-backups-{cluster}")
def trim_kubeadm_backups(cluster: str, plan: UpgradePlan, keep: int, check: Check) -> Trimmed:
    """Removes kubeadm's copies from before older upgrades. Of each kind it keeps only the newest `keep`."""
    handle = open_cluster(cluster)
    check()

    def trim(node: NodeUpgrade) -> tuple[str, ...]:
        return tuple(handle.shell(node.name).run(scripts.trim_backups(keep), limit=TRIM_LIMIT).split())

    removed = on_all(trim, plan.nodes)
    return Trimmed(copies={node.name: names for node, names in zip(plan.nodes, removed, strict=True)})


def _await_addons(handle: Cluster, plan: UpgradePlan, staged: Staged) -> tuple[str, ...]:
    what = "the addons to be rolled out, and Services to answer from every node"
    return wait_for(lambda: prove_addons(handle, plan, staged), ADDON_LIMIT, what=what, about=handle.profile.name)


def _refuse_etcd_among(handle: Cluster, images: tuple[str, ...]) -> None:
    """Refuses the upgrade if a member is too old for the etcd that this kubeadm brings."""
    if (brought := etcd_among(images)) is None:
        return
    if problem := what_forbids_brought_etcd(look_at_members(handle, "auto").members, brought):
        raise Refused(problem.text, hint=problem.next_step)
