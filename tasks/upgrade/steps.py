"""The upgrade of a cluster by kubeadm: each task looks at what is there, so that a run that died is run again."""

from datetime import timedelta

import yaml
from prefect import task

from tasks.clients.ssh import Job, run_job
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.models.profile import UpgradeRules
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.etcd.observe import look_at_members
from tasks.node_work.gates import lead_elsewhere
from tasks.node_work.waves import on_wave
from tasks.node_work.work import begin_node_work
from tasks.nodes.observe import look_at_machine
from tasks.nodes.policy.versions import KubernetesVersion
from tasks.nodes.probes.api_facts import cluster_configuration, with_etcd_tag
from tasks.run.locks import Check
from tasks.upgrade import scripts
from tasks.upgrade.models.manifests import NodeManifests
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
    CONFIGURATION,
    await_the_only_control_plane,
    configuration_of,
    look_at_manifests,
    observe_cluster,
)
from tasks.upgrade.policy.kubeadm import etcd_among, what_forbids_brought_etcd
from tasks.upgrade.policy.scope import RUNBOOK
from tasks.upgrade.proof import prove_addons, prove_nodes

STAGE_LIMIT = timedelta(minutes=30)
TRIM_LIMIT = timedelta(minutes=2)
"""To remove copies that are as large as etcd's database."""
ADDON_LIMIT = timedelta(minutes=5)


@task(**OBSERVE, task_run_name="observe-upgrade-{cluster}")
def observe_upgrade(cluster: str, version: str, options: UpgradeOptions) -> ClusterFacts:
    """Everything at once: machines with their repositories, the API with the forecast of each drain, etcd, earlier runs."""
    target = KubernetesVersion.parse(version).bare
    handle = open_cluster(cluster)
    await_the_only_control_plane(handle)
    return observe_cluster(handle, target, options)


def read_rules(cluster: str) -> UpgradeRules:
    """What the profile says of upgrades."""
    return open_cluster(cluster).profile.upgrade


@task(**PATIENT, task_run_name="stage-{plan.version}")
def stage_upgrade(cluster: str, plan: UpgradePlan, options: UpgradeOptions, run_id: str, check: Check) -> Staged:
    """Packages and images of the target onto all nodes of the plan; nothing that runs is changed. Names each node that cannot."""
    handle = open_cluster(cluster)
    check()
    wanted = configuration_of(handle) | {"kubernetesVersion": f"v{plan.version}"}
    text = yaml.safe_dump(with_etcd_tag(wanted, options.etcd_image_tag))

    def stage(node: NodeUpgrade) -> tuple[str, ...]:
        manager = look_at_machine(handle, node.name).packages.manager
        script = scripts.stage(manager, plan.version, text)
        job = Job(f"{job_name('stage', plan.version)}-{run_id}", script, STAGE_LIMIT, nice=10)
        images = scripts.parse_images(run_job(handle.node(node.name), job).output)
        log_about(node.name).info("packages and images of v%s are there", plan.version)
        return images

    images = tuple(dict.fromkeys(image for found in on_all(stage, plan.nodes) for image in found))
    _refuse_etcd_among(handle, images)
    return Staged(version=plan.version, nodes=tuple(node.name for node in plan.nodes), images=images)


@task(**ACT, task_run_name="pin-etcd-{tag}")
def pin_etcd(cluster: str, tag: str, check: Check) -> None:
    """Sets etcd.local.imageTag of kubeadm-config, or removes it (`default`); takes effect with the next kubeadm upgrade."""
    kube = open_cluster(cluster).kube
    found = kube.get(CONFIGURATION)
    wanted = with_etcd_tag(cluster_configuration(found), tag)
    if wanted == cluster_configuration(found):
        return
    check()
    found["data"]["ClusterConfiguration"] = yaml.safe_dump(wanted)
    kube.replace(CONFIGURATION, found)
    if cluster_configuration(kube.get(CONFIGURATION)) != wanted:
        raise NotYet("kubeadm-config was changed by somebody else meanwhile", hint="look who it was")


@task(**PATIENT, task_run_name="upgrade-{node.name}")
def upgrade_control_plane_node(cluster: str, node: NodeUpgrade, orders: Orders, check: Check) -> NodeUpgraded:
    """Gate, kubeadm, proof; gate, cordon, drain, kubelet, proof, uncordon. What is done already is left out."""
    handle = open_cluster(cluster)

    def manifests() -> NodeManifests:
        (seen,) = look_at_manifests(handle, [node.name])
        return seen

    return upgrade_control_plane(
        begin_node_work(handle, node.name, RUNBOOK, orders.run_id, check),
        node,
        orders,
        manifests=manifests,
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
    """Workers at once. Those that fail stay cordoned; more of them than the error budget stop the run."""
    handle = open_cluster(cluster)
    done, failed = on_wave(
        wave,
        lambda node: upgrade_worker(begin_node_work(handle, node.name, RUNBOOK, orders.run_id, check), node, orders),
        lambda node: node.name,
        failed_before=failed_before,
        budget=orders.options.waves.error_budget,
    )
    return WaveUpgraded(nodes=tuple(done), failed=failed)


@task(**PATIENT, task_run_name="prove-control-plane-{cluster}")
def prove_control_plane(cluster: str, plan: UpgradePlan, staged: Staged) -> tuple[str, ...]:
    """kubeadm-config has the target, CoreDNS and kube-proxy are rolled out, and Services answer from every node.

    kubeadm upgrades both addons with the last control plane, on all nodes at once. Asked before the first worker by every run:
    the one that did the control plane may have died since.
    """
    handle = open_cluster(cluster)
    return wait_for(lambda: prove_addons(handle, plan, staged), ADDON_LIMIT)


@task(**PATIENT, task_run_name="prove-upgraded-{cluster}")
def prove_upgraded(cluster: str, plan: UpgradePlan, staged: Staged, failed: tuple[str, ...]) -> Upgraded:
    """The same once more, and every node of the plan with its kubelet; etcd's members with their versions."""
    handle = open_cluster(cluster)
    addons = wait_for(lambda: prove_addons(handle, plan, staged), ADDON_LIMIT)
    return prove_nodes(handle, plan, failed, addons)


@task(**ACT, task_run_name="trim-kubeadm-backups-{cluster}")
def trim_kubeadm_backups(cluster: str, plan: UpgradePlan, keep: int, check: Check) -> Trimmed:
    """Removes kubeadm's copies from before older upgrades, of each kind all but the newest `keep`."""
    handle = open_cluster(cluster)
    check()

    def trim(node: NodeUpgrade) -> tuple[str, ...]:
        return tuple(handle.shell(node.name).run(scripts.trim_backups(keep), limit=TRIM_LIMIT).split())

    removed = on_all(trim, plan.nodes)
    return Trimmed(copies={node.name: names for node, names in zip(plan.nodes, removed, strict=True)})


def _refuse_etcd_among(handle: Cluster, images: tuple[str, ...]) -> None:
    """Where a member is too old for the etcd that this kubeadm brings."""
    if (brought := etcd_among(images)) is None:
        return
    if problem := what_forbids_brought_etcd(look_at_members(handle, "auto").members, brought):
        raise Refused(problem.text, hint=problem.next_step)
