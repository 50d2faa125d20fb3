"""The restore of a whole cluster: each task looks at what is there, so that a run that died is run again."""

from datetime import timedelta

from prefect import task

from tasks.backup.models.backups import Backup
from tasks.backup.node_snapshots import store_ca
from tasks.backup.scripts.node_snapshot import input_of
from tasks.clients.ssh import Job, run_job
from tasks.cluster import open_cluster
from tasks.control_plane.models import Phase
from tasks.control_plane.park import park, unpark
from tasks.control_plane.probes.look import CONTROLLER_PODS, PODS
from tasks.control_plane.scripts import restart_kubelet
from tasks.core.at_once import on_all, wait_for
from tasks.core.logs import log_about
from tasks.core.models.kubeadm import API_SERVER, ETCD
from tasks.core.retries import ACT, PATIENT
from tasks.restore import scripts
from tasks.restore.models import Ended, Kept, Recovered, Restored, RestorePlan, RestoreTarget, RolledBack, Stopped
from tasks.restore.policy.acts import etcdutl_words
from tasks.restore.proof import START_LIMIT, await_ready, prove_cluster, prove_etcd
from tasks.restore.scripts import KeptFolders, parse_kept
from tasks.run.locks import Check

FETCH_LIMIT = timedelta(hours=2)
"""For the job that fetches and restores, and for the address it reads from."""


@task(**ACT, task_run_name="prepare-data-{cluster}")
def prepare_data(cluster: str, plan: RestorePlan, backup: Backup, check: Check) -> None:
    """Each member's node fetches the snapshot, checks it and restores it beside its data; nothing is stopped yet."""
    handle = open_cluster(cluster)
    check()

    def prepare(target: RestoreTarget) -> None:
        words = etcdutl_words(plan, target)
        job = Job(f"restore-{plan.id}-{plan.acts}", scripts.prepare(plan, target, backup, words), FETCH_LIMIT)
        url = handle.store.url(backup.snapshot.key, FETCH_LIMIT)
        run_job(handle.node(target.node), job, stdin=input_of([url], store_ca(handle)))
        log_about(target.node).info("the restored data is ready beside %s", target.member.data_dir)

    on_all(prepare, plan.targets)


@task(**PATIENT, task_run_name="stop-control-plane-{cluster}")
def stop_control_plane(cluster: str, plan: RestorePlan, check: Check) -> Stopped:
    """API servers and controllers first, on all; when they are gone, etcd. Proven by their processes."""
    handle = open_cluster(cluster)
    check()
    park(handle, plan.control_planes, (API_SERVER, *CONTROLLER_PODS))
    check()
    park(handle, plan.machines, (ETCD,))
    on_all(lambda name: handle.shell(name).run(scripts.mark(Phase.STOPPED, plan.record)), plan.machines)
    return Stopped(nodes=plan.machines)


@task(**ACT, task_run_name="swap-data-{cluster}")
def swap_data(cluster: str, plan: RestorePlan, check: Check) -> None:
    """The restored data takes the place of the old, which is kept."""
    handle = open_cluster(cluster)
    check()
    on_all(lambda target: handle.shell(target.node).run(scripts.swap(plan, target)), plan.targets)


@task(**PATIENT, task_run_name="start-etcd-{cluster}")
def start_etcd(cluster: str, plan: RestorePlan, backup: Backup, check: Check) -> Restored:
    """etcd on all at once, and its proof: quorum, one cluster of exactly these members, equal hashes, no alarm."""
    handle = open_cluster(cluster)
    check()
    unpark(handle, [target.node for target in plan.targets], (ETCD,))
    proven = wait_for(lambda: prove_etcd(handle, plan, backup), START_LIMIT)
    # From here on API servers may write to it.
    check()
    on_all(lambda name: handle.shell(name).run(scripts.mark(Phase.SERVING, plan.record)), plan.machines)
    log_about(cluster).info("etcd %s has quorum at revision %d", proven.cluster_id, proven.revision)
    return proven


@task(**PATIENT, task_run_name="start-api-servers-{cluster}")
def start_api_servers(cluster: str, plan: RestorePlan, check: Check) -> None:
    """Until each says on its own node that it is ready."""
    check()
    handle = open_cluster(cluster)
    unpark(handle, plan.control_planes, (API_SERVER,))
    await_ready(handle, plan, (API_SERVER,))


@task(**PATIENT, task_run_name="start-controllers-{cluster}")
def start_controllers(cluster: str, plan: RestorePlan, check: Check) -> None:
    """Controller managers and schedulers, which find API servers that are ready."""
    check()
    handle = open_cluster(cluster)
    unpark(handle, plan.control_planes, CONTROLLER_PODS)
    await_ready(handle, plan, CONTROLLER_PODS)


@task(**ACT, task_run_name="restart-kubelets-{cluster}")
def restart_kubelets(cluster: str, plan: RestorePlan, check: Check) -> None:
    """On all nodes: they must not go on with what they remember."""
    check()
    handle = open_cluster(cluster)
    on_all(lambda name: handle.shell(name).run(restart_kubelet()), plan.nodes)


@task(**PATIENT, task_run_name="prove-recovery-{cluster}")
def prove_recovery(cluster: str, plan: RestorePlan, backup: Backup) -> Recovered:
    """Leases of all nodes and of both leaders are renewed, nodes Ready, a write and a watch work, old watches end."""
    return prove_cluster(open_cluster(cluster), plan, backup)


@task(**ACT, task_run_name="end-restore-{cluster}")
def end_restore(cluster: str, plan: RestorePlan, check: Check) -> Ended:
    """The traces that a later run would go on from are put away; what is kept is named."""
    check()
    handle = open_cluster(cluster)
    members = {target.node: target.member for target in plan.targets}

    def end(name: str) -> Kept:
        found = parse_kept(handle.shell(name).ask(scripts.end(plan.record, members.get(name))))
        return Kept(original=", ".join(found.originals), of_attempts=found.of_attempts)

    kept = on_all(end, plan.machines)
    return Ended(kept={name: one for name, one in zip(plan.machines, kept, strict=True) if name in members})


@task(**ACT, task_run_name="roll-back-{cluster}")
def roll_back(cluster: str, plan: RestorePlan, check: Check) -> RolledBack:
    """The control plane stops, its original data and its manifests are put back, and it starts as it was."""
    handle = open_cluster(cluster)
    check()
    park(handle, plan.control_planes, (API_SERVER, *CONTROLLER_PODS))
    check()
    park(handle, plan.machines, (ETCD,))
    check()
    attempts = plan.record.attempts

    def swap_back(target: RestoreTarget) -> KeptFolders:
        return parse_kept(handle.shell(target.node).ask(scripts.swap_back(attempts, target.member)))

    found = {target.node: kept for target, kept in zip(plan.targets, on_all(swap_back, plan.targets), strict=True)}
    check()
    unpark(handle, plan.machines, PODS)
    on_all(lambda name: handle.shell(name).run(scripts.forget(plan.record)), plan.machines)
    on_all(lambda name: handle.shell(name).run(scripts.close(plan.record)), plan.machines)
    return RolledBack(
        nodes=plan.machines,
        had_no_data=tuple(name for name, kept in found.items() if kept.had_no_data),
        of_attempts={name: kept.of_attempts for name, kept in found.items() if kept.of_attempts},
    )
