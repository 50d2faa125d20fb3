"""The upgrade of a cluster by kubeadm: each task looks at what is there, so that a run that died is run again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from prefect import task

from tasks.clients.ssh import Job, run_job
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.profile import UpgradeRules
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.drain.observe import observe_forecasts
from tasks.etcd.observe import look_at_members
from tasks.node_work.controllers import look_at_controllers
from tasks.node_work.gates import lead_elsewhere
from tasks.node_work.models.health import Expected
from tasks.node_work.proof import find_services, look_at_symptoms, services_that_fail
from tasks.node_work.site_gates import what_gates_say
from tasks.node_work.waves import on_wave
from tasks.node_work.work import NodeWork, begin_node_work
from tasks.nodes.observe import glance_at_machine, look_at_machine, look_at_machines, look_at_nodes, look_at_workloads
from tasks.nodes.policy.versions import EtcdVersion, KubernetesVersion, what_forbids_etcd
from tasks.nodes.probes.api_facts import cluster_configuration, name_and_version, parse_node, with_etcd_tag
from tasks.nodes.probes.node_facts import version_that_runs, what_runs
from tasks.run.history import read_history
from tasks.run.locks import Check
from tasks.run.models.records import UPGRADE_JOBS
from tasks.upgrade.manifests import look_at_manifests
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
from tasks.upgrade.observe import SYSTEM, look_at_api
from tasks.upgrade.policy.losses import GIVE_IT
from tasks.upgrade.policy.manifests import what_is_dear, what_would_go
from tasks.upgrade.policy.plan import next_minor
from tasks.upgrade.policy.scope import ADDONS, RUNBOOK
from tasks.upgrade.probes import scripts as upgrade

ETCD = "etcd"
STAGE_LIMIT = timedelta(minutes=30)
INSTALL_LIMIT = timedelta(minutes=15)
KUBEADM_LIMIT = timedelta(minutes=30)
"""kubeadm waits for five minutes for each of the four static pods, and for the images of none: they are there."""

BACK_LIMIT = timedelta(minutes=3)
TRIM_LIMIT = timedelta(minutes=2)
ADDON_LIMIT = timedelta(minutes=5)
CONFIGURATION = f"{SYSTEM}/configmaps/kubeadm-config"


@task(**OBSERVE, task_run_name="observe-upgrade-{cluster}")
def observe_upgrade(cluster: str, version: str, options: UpgradeOptions) -> ClusterFacts:
    """Everything at once: machines with their repositories, the API with the forecast of each drain, etcd, earlier runs."""
    target = KubernetesVersion.parse(version).bare
    handle = open_cluster(cluster)
    _await_the_only_control_plane(handle)
    minor = _next_minor(handle, target, chain=options.chain)
    looks: list[Callable[[], Any]] = [
        lambda: look_at_machines(handle, minor),
        lambda: look_at_api(handle.kube),
        lambda: observe_forecasts(handle.kube, [node.name for node in handle.profile.nodes], options.drain),
        lambda: look_at_members(handle, "auto"),
        lambda: read_history(handle.store, cluster, RUNBOOK),
        lambda: what_gates_say(handle),
        lambda: look_at_controllers(handle.kube, handle.control_planes),
        lambda: look_at_manifests(handle, handle.control_planes, _configuration(handle)),
    ]
    machines, api, forecasts, etcd, history, gates, controllers, manifests = on_all(lambda look: look(), looks)
    return ClusterFacts(
        observed_at=datetime.now(UTC),
        target=target if target.startswith(f"{minor}.") else f"{minor}.0",
        nodes=machines,
        api=api.model_copy(update={"forecasts": forecasts}),
        etcd=etcd,
        controllers=controllers,
        manifests=manifests,
        symptoms=look_at_symptoms(handle, machines),
        history=history,
        gates=gates,
    )


def read_rules(cluster: str) -> UpgradeRules:
    """What the profile says of upgrades."""
    return open_cluster(cluster).profile.upgrade


@task(**PATIENT, task_run_name="stage-{plan.version}")
def stage_upgrade(cluster: str, plan: UpgradePlan, options: UpgradeOptions, run_id: str, check: Check) -> Staged:
    """Packages and images of the target onto all nodes of the plan; nothing that runs is changed. Names each node that cannot."""
    handle = open_cluster(cluster)
    check()
    text = yaml.safe_dump(_configuration_for(handle, plan.version, options.etcd_image_tag))

    def stage(node: NodeUpgrade) -> tuple[str, ...]:
        manager = look_at_machine(handle, node.name).packages.manager
        script = upgrade.stage(manager, plan.version, text)
        job = Job(f"{_job_name('stage', plan.version)}-{run_id}", script, STAGE_LIMIT, nice=10)
        images = upgrade.parse_images(run_job(handle.node(node.name), job).output)
        log_about(node.name).info("packages and images of v%s are there", plan.version)
        return images

    images = tuple(dict.fromkeys(image for found in on_all(stage, plan.nodes) for image in found))
    staged = Staged(version=plan.version, nodes=tuple(node.name for node in plan.nodes), images=images)
    _check_etcd_minimum(handle, staged)
    return staged


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
    """Gate, kubeadm, proof; gate, cordon, drain, kubelet, proof, uncordon. What is done already is left out.

    The gate is asked before anything is touched, and once more right before kubeadm: packages, and a kubelet that asks another
    API server, take their minutes.
    """
    handle = open_cluster(cluster)
    work = begin_node_work(handle, node.name, RUNBOOK, orders.run_id, check)
    before, moved = _kubelet_in_use(work), ""
    with work.left_as_it_should_be(upgrade.evidence()):
        if _needs_kubeadm(work, node, orders.staged):
            work.gate(allow_downtime=orders.options.allow_downtime)
            work.note_before()
            since = work.now()
            with _kubelet_asks_others(work, orders):
                _install_kubeadm(work, node)
                _refuse_losses(handle, node.name)
                facts = work.gate(allow_downtime=orders.options.allow_downtime)
                moved = lead_elsewhere(handle, facts, node.name)
                _upgrade_by_kubeadm(work, node)
            # kubeadm may have restarted the kubelet, whose program may be newer than what ran before
            kubelet = version_that_runs(work.run(what_runs()).encode(), "kubelet") or before
            work.prove(_expected(node, orders.options, kubelet=kubelet, since=since, settle=timedelta()))
        if _needs_kubelet(work, node):
            work.gate(allow_downtime=orders.options.allow_downtime)
            _upgrade_kubelet(work, node, orders.options)
        else:
            work.forget_before()
    return _result(work, node, before, moved)


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
    budget = orders.options.waves.error_budget
    done, failed = on_wave(
        wave,
        lambda node: _upgrade_worker(handle, node, orders, check),
        lambda node: node.name,
        failed_before=failed_before,
        budget=budget,
    )
    return WaveUpgraded(nodes=tuple(done), failed=failed)


@task(**PATIENT, task_run_name="prove-control-plane-{cluster}")
def prove_control_plane(cluster: str, plan: UpgradePlan, staged: Staged) -> tuple[str, ...]:
    """kubeadm-config has the target, CoreDNS and kube-proxy are rolled out, and Services answer from every node.

    kubeadm upgrades both addons with the last control plane, on all nodes at once. Asked before the first worker by every run:
    the one that did the control plane may have died since.
    """
    handle = open_cluster(cluster)
    return wait_for(lambda: _prove_addons(handle, plan, staged), ADDON_LIMIT)


@task(**PATIENT, task_run_name="prove-upgraded-{cluster}")
def prove_upgraded(cluster: str, plan: UpgradePlan, staged: Staged, failed: tuple[str, ...]) -> Upgraded:
    """The same once more, and every node of the plan with its kubelet; etcd's members with their versions."""
    handle = open_cluster(cluster)
    addons = wait_for(lambda: _prove_addons(handle, plan, staged), ADDON_LIMIT)
    nodes = {node.name: node.kubelet for node in look_at_nodes(handle.kube)}
    old = [one.name for one in plan.nodes if nodes.get(one.name) != plan.version and one.name not in failed]
    if old:
        raise NotYet(f"not of v{plan.version}: {', '.join(old)}", hint="run it again: it goes on where it was")
    members = look_at_members(handle, "auto").members
    return Upgraded(
        version=plan.version,
        nodes=nodes,
        etcd={one.label: one.status.version for one in members if one.status},
        addons=addons,
        service_paths=tuple(
            node.name for node in handle.profile.nodes if node.name in nodes and node.name not in plan.services_before
        ),
    )


@task(**ACT, task_run_name="trim-kubeadm-backups-{cluster}")
def trim_kubeadm_backups(cluster: str, plan: UpgradePlan, keep: int, check: Check) -> Trimmed:
    """Removes kubeadm's copies from before older upgrades, of each kind all but the newest `keep`."""
    handle = open_cluster(cluster)
    check()

    def trim(node: NodeUpgrade) -> tuple[str, ...]:
        done = handle.node(node.name).run(upgrade.trim_backups(keep), timeout=TRIM_LIMIT, sudo=True)
        return tuple(done.stdout.decode(errors="replace").split())

    removed = on_all(trim, plan.nodes)
    return Trimmed(copies={node.name: names for node, names in zip(plan.nodes, removed, strict=True)})


def _await_the_only_control_plane(handle: Cluster) -> None:
    """Where a run died while kubeadm was at work on the only control plane node, its end is waited for.

    The API comes and goes meanwhile: neither a plan nor a lock can be had of it. Of several one answers always.
    """
    if len(handle.control_planes) == 1 and _jobs_at_work(handle):
        told = ", ".join(_jobs_at_work(handle))
        log_about(handle.profile.name).info("a job of an earlier run is under way, its end is waited for: %s", told)
        wait_for(lambda: _refuse_jobs(handle), KUBEADM_LIMIT)
        wait_for(lambda: _configuration(handle), BACK_LIMIT)


def _refuse_jobs(handle: Cluster) -> None:
    if at_work := _jobs_at_work(handle):
        raise NotYet(f"still under way: {', '.join(at_work)}", hint="look at its output on the node")


def _jobs_at_work(handle: Cluster) -> list[str]:
    machines = on_all(lambda name: glance_at_machine(handle, name), handle.control_planes)
    return [f"{one.name}: {job}" for one in machines for job in one.jobs if job.startswith(UPGRADE_JOBS)]


def _next_minor(handle: Cluster, target: str, *, chain: bool) -> str:
    """Whose repository is asked: the target's, or that of the first step of a chain."""
    configured = KubernetesVersion.observed(str(_configuration(handle).get("kubernetesVersion", "")))
    return next_minor(configured.bare if configured else target, target, chain=chain)


def _configuration(handle: Cluster) -> dict[str, Any]:
    return cluster_configuration(handle.kube.find(CONFIGURATION))


def _upgrade_worker(handle: Cluster, node: NodeUpgrade, orders: Orders, check: Check) -> NodeUpgraded:
    work = begin_node_work(handle, node.name, RUNBOOK, orders.run_id, check)
    before = _kubelet_in_use(work)
    with work.left_as_it_should_be(upgrade.evidence()):
        if not work.is_true(upgrade.is_upgraded(node.target)) and before != node.target:
            _install_kubeadm(work, node)
            _upgrade_by_kubeadm(work, node)
            work.unproven = False  # kubeadm changes nothing that runs on a worker
        if _needs_kubelet(work, node):
            work.gate_of_worker()
            _upgrade_kubelet(work, node, orders.options)
    return _result(work, node, before, "")


def _needs_kubeadm(work: NodeWork, node: NodeUpgrade, staged: Staged) -> bool:
    """Its static pods are not those of the target, kubeadm was cut off before its end, or the plan saw that something is left."""
    wanted = dict(map(name_and_version, staged.images))
    pods = {pod.name: pod.version for pod in work.machine.static_pods}
    if node.unfinished or any(pods[name] != wanted[name] for name in pods.keys() & wanted.keys() - {ETCD}):
        return True
    return _moves_etcd(work, staged) or _is_cut_off(work, staged)


def _is_cut_off(work: NodeWork, staged: Staged) -> bool:
    """The manifests are the target's, but kubeadm did not come to its end."""
    return _kubelet_in_use(work) != staged.version and not work.is_true(upgrade.is_upgraded(staged.version))


def _moves_etcd(work: NodeWork, staged: Staged) -> bool:
    """This node's kubeadm replaces its member; it never moves one back."""
    runs = (pod.version for pod in work.machine.static_pods if pod.name == ETCD)
    brings = (version for name, version in map(name_and_version, staged.images) if name == ETCD)
    before, after = (EtcdVersion.observed(next(found, "")) for found in (runs, brings))
    return bool(before and after and before < after)


def _needs_kubelet(work: NodeWork, node: NodeUpgrade) -> bool:
    """It is old; or an earlier run has taken the node out of service and did not come to its end."""
    return _is_old(work, node) or work.is_ours


def _kubelet_in_use(work: NodeWork) -> str:
    """The version of its process: as that says itself, else as it told the API."""
    return work.machine.kubelet_runs or parse_node(work.handle.kube.get(f"/api/v1/nodes/{work.name}"), None).kubelet


def _is_old(work: NodeWork, node: NodeUpgrade) -> bool:
    """Its process, or its program: a package may be new while nobody has restarted what runs."""
    return {work.machine.kubelet, _kubelet_in_use(work)} != {node.target}


@contextmanager
def _kubelet_asks_others(work: NodeWork, orders: Orders) -> Iterator[None]:
    """While kubeadm replaces etcd, where there is another API server to ask: else the member is away for a minute."""
    endpoint = str(_configuration(work.handle).get("controlPlaneEndpoint", ""))
    if not endpoint or len(work.handle.control_planes) == 1 or not _moves_etcd(work, orders.staged):
        yield
        return
    if work.machine.kubelet != _kubelet_in_use(work):  # its restart would make it newer than its API server
        yield
        return
    before = work.now()
    with work.part("kubelet asks others"):
        changed = "changed" in work.run(upgrade.point_kubelet_at(endpoint))
    if changed:
        work.unproven = True
        pod = work.machine.static_pod("kube-apiserver")
        version = pod.version if pod else ""
        settle = timedelta(seconds=2)
        work.prove(
            Expected(
                kubelet=work.machine.kubelet, since=before, control_plane=version, stable_for=settle, promised=False
            )
        )
    try:
        yield
    except RunbookError:
        with suppress(RunbookError):  # the next attempt does it
            work.run(upgrade.point_kubelet_back())
        raise
    work.run(upgrade.point_kubelet_back())


def _install_kubeadm(work: NodeWork, node: NodeUpgrade) -> None:
    """The program alone: it touches nothing of what runs."""
    manager, version = work.machine.packages.manager, node.target
    with work.part("package kubeadm"):
        if work.machine.kubeadm != version:
            script = upgrade.switch_repository(manager, version) + upgrade.install(manager, version, ["kubeadm"])
            work.job(_job_name("install-kubeadm", version), script, INSTALL_LIMIT, touches=False)


def _refuse_losses(handle: Cluster, name: str) -> None:
    """The rule of the plan, with the manifests of this moment and what kubeadm of the target writes: an hour may have passed."""
    (seen,) = look_at_manifests(handle, [name], _configuration(handle))
    if not seen.manifests:
        raise NotYet(f"{name}: its manifests could not be read: {seen.problem or 'there are none'}")
    if strange := [f"{one.component}: {one.problem}" for one in seen.manifests if one.problem]:
        raise Refused(
            f"{name}: a manifest could not be parsed, so nobody knows what kubeadm would take away: {'; '.join(strange)}",
            hint="repair it in /etc/kubernetes/manifests",
        )
    harmful = [loss for manifest in seen.manifests for loss in what_would_go(manifest) if loss.harm]
    if harmful:
        told = "; ".join(f"{one.component} without {one.words}: {one.harm}" for one in harmful)
        raise Refused(f"{name}: kubeadm would write {told}", hint=GIVE_IT)
    dear = [flag for manifest in seen.manifests for flag in what_is_dear(manifest)]
    if seen.problem and dear:
        told = f"kubeadm could not render its manifests: {seen.problem}; it may take {', '.join(dear)} away"
        raise Refused(f"{name}: {told}", hint=GIVE_IT)


def _upgrade_by_kubeadm(work: NodeWork, node: NodeUpgrade) -> None:
    handle, version = work.handle, node.target
    configured = str(_configuration(handle).get("kubernetesVersion", ""))
    script = upgrade.upgrade_by_kubeadm(
        version,
        apply=node.applies or (node.control_plane and configured != f"v{version}"),
        ignored=handle.profile.upgrade.ignore_preflight_errors,
    )
    handle.kube.prefer(*(name for name in handle.control_planes if name != node.name))
    with work.part("kubeadm upgrade"):
        try:
            work.job(_job_name("kubeadm", version), script, KUBEADM_LIMIT)
        except CommandFailed as error:
            if upgrade.ROLLED_BACK.search(error.problem):
                raise CommandFailed(
                    f"{node.name}: kubeadm put the old control plane back: {error.problem}",
                    hint=f"look at why, then run it again; {error.hint}",
                ) from error
            raise


def _upgrade_kubelet(work: NodeWork, node: NodeUpgrade, options: UpgradeOptions) -> None:
    """Out of service, the packages, the new kubelet, and in service again once it is proven."""
    work.cordon_and_drain(f"{RUNBOOK} to v{node.target}", options.drain)
    manager, since = work.machine.packages.manager, work.now()
    if _is_old(work, node):
        with work.part("package kubelet"):
            script = upgrade.install(manager, node.target, ["kubelet", "kubectl"]) + upgrade.restart_kubelet(
                node.target
            )
            done = work.job(_job_name("install-kubelet", node.target), script, INSTALL_LIMIT)
        since = upgrade.parse_restarted(done.output, since)
    work.prove(_expected(node, options, kubelet=node.target, since=since))
    work.give_back()


def _expected(
    node: NodeUpgrade, options: UpgradeOptions, *, kubelet: str, since: datetime, settle: timedelta | None = None
) -> Expected:
    control_plane = node.target if node.control_plane else ""
    return Expected(
        kubelet=kubelet,
        since=since,
        control_plane=control_plane,
        stable_for=options.settle if settle is None else settle,
    )


def _result(work: NodeWork, node: NodeUpgrade, before: str, moved: str) -> NodeUpgraded:
    drained = work.drained
    return NodeUpgraded(
        node=node.name,
        before=before,
        after=node.target,
        evicted=drained.evicted if drained else (),
        waited_for=drained.waited_for if drained else (),
        leader_moved_to=moved,
        stays_cordoned=bool(drained and drained.cordoned_before),
        noticed=work.noticed,
        parts=tuple(work.parts),
        took=work.took,
    )


def _prove_addons(handle: Cluster, plan: UpgradePlan, staged: Staged) -> tuple[str, ...]:
    kube = handle.kube
    configured = str(_configuration(handle).get("kubernetesVersion", ""))
    if configured != f"v{staged.version}":
        raise NotYet(f"kubeadm-config has {configured}, not v{staged.version}", hint="look at kubeadm's output")
    wanted = {name_and_version(image) for image in staged.images}
    found = [one for one in look_at_workloads(kube) if one.name in ADDONS]
    for one in found:
        if not plan.left_behind and not wanted.issuperset(map(name_and_version, one.images)):
            raise NotYet(f"{one.name} has the image {', '.join(one.images)}", hint="look at kubeadm's output")
        if not one.rolled_out and not one.by_hand:
            raise NotYet(f"{one.name}: not all pods are of {', '.join(one.images)} yet", hint="look at its rollout")
        if one.ready < one.desired:
            raise NotYet(f"{one.name}: {one.ready} of {one.desired} pods are ready", hint="look at them")
    services = find_services(kube)
    names = [node.name for node in handle.profile.nodes if kube.find(f"/api/v1/nodes/{node.name}")]
    failing = dict(zip(names, on_all(lambda name: services_that_fail(handle, name, services), names), strict=True))
    wrong = [
        f"{name}: {problem}"
        for name, said in failing.items()
        for service, problem in said.items()
        if f"Service {service}" not in plan.services_before.get(name, ())
    ]
    if wrong:
        told = "; ".join(wrong)
        raise NotYet(
            f"Services do not answer from every node, whatever their pods say: {told}",
            hint="look at the log of kube-proxy there; deleting its pod makes a new one that reads all rules anew",
        )
    return tuple(image for one in found for image in one.images)


def _check_etcd_minimum(handle: Cluster, staged: Staged) -> None:
    """The rule of the plan, with the etcd that this kubeadm does bring."""
    tag = next((version for name, version in map(name_and_version, staged.images) if name == ETCD), "")
    brought = EtcdVersion.observed(tag)
    if brought is None:
        return
    members = look_at_members(handle, "auto").members
    problems = [
        f"{one.label}: {no}"
        for one in members
        if one.status
        and (runs := EtcdVersion.observed(one.status.version))
        and (no := what_forbids_etcd(runs, brought.minor_name))
    ]
    if problems:
        raise Refused("; ".join(problems), hint="move etcd first: options.etcd_image_tag, with the version of now")


def _configuration_for(handle: Cluster, version: str, etcd_tag: str) -> dict[str, Any]:
    return with_etcd_tag(_configuration(handle) | {"kubernetesVersion": f"v{version}"}, etcd_tag)


def _job_name(what: str, version: str) -> str:
    return f"{what}-{version.replace('.', '-')}"
