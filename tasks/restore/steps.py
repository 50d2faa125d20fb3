"""Restores a whole cluster: each task checks the current state, so that an interrupted run can be run again."""

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
from tasks.core.errors import RunbookError
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
"""Limits the job that fetches and restores, and the lifetime of the URL that it reads from."""


@task(**ACT, task_run_name="prepare-data-{cluster}")
def prepare_data(cluster: str, plan: RestorePlan, backup: Backup, check: Check) -> None:
    """Lets each member's node fetch the snapshot, check it and restore it beside its data; nothing is stopped yet."""
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
    """Stops API servers and controllers on all nodes first, and then etcd; the processes prove that they stopped."""
    handle = open_cluster(cluster)
    check()
    park(handle, plan.control_planes, (API_SERVER, *CONTROLLER_PODS))
    check()
    park(handle, plan.machines, (ETCD,))
    on_all(lambda name: handle.shell(name).run(scripts.mark(Phase.STOPPED, plan.record)), plan.machines)
    return Stopped(nodes=plan.machines)


@task(**ACT, task_run_name="swap-data-{cluster}")
def swap_data(cluster: str, plan: RestorePlan, check: Check) -> None:
    """Puts the restored data in the place of the old data, which is kept."""
    handle = open_cluster(cluster)
    check()
    on_all(lambda target: handle.shell(target.node).run(scripts.swap(plan, target)), plan.targets)


@task(**PATIENT, task_run_name="start-etcd-{cluster}")
def start_etcd(cluster: str, plan: RestorePlan, backup: Backup, check: Check) -> Restored:
    """Starts etcd on all nodes in parallel, and proves that it serves the restored data.

    The proof has quorum, one cluster of exactly these members, equal hashes, and no alarm.
    """
    handle = open_cluster(cluster)
    check()
    unpark(handle, [target.node for target in plan.targets], (ETCD,))
    proven = wait_for(
        lambda: prove_etcd(handle, plan, backup), START_LIMIT, what="etcd to serve the restored data", about=cluster
    )
    # From here on API servers may write to it.
    check()
    on_all(lambda name: handle.shell(name).run(scripts.mark(Phase.SERVING, plan.record)), plan.machines)
    log_about(cluster).info("etcd %s has quorum at revision %d", proven.cluster_id, proven.revision)
    return proven


@task(**PATIENT, task_run_name="start-api-servers-{cluster}")
def start_api_servers(cluster: str, plan: RestorePlan, check: Check) -> None:
    """Starts the API servers, and waits until each reports ready on its own node."""
    check()
    handle = open_cluster(cluster)
    unpark(handle, plan.control_planes, (API_SERVER,))
    await_ready(handle, plan, (API_SERVER,))


@task(**PATIENT, task_run_name="start-controllers-{cluster}")
def start_controllers(cluster: str, plan: RestorePlan, check: Check) -> None:
    """Starts controller managers and schedulers, which find API servers that are ready."""
    check()
    handle = open_cluster(cluster)
    unpark(handle, plan.control_planes, CONTROLLER_PODS)
    await_ready(handle, plan, CONTROLLER_PODS)


@task(**ACT, task_run_name="restart-kubelets-{cluster}")
def restart_kubelets(cluster: str, plan: RestorePlan, check: Check) -> None:
    """Restarts kubelet on all nodes, so that no kubelet continues with what it remembers.

    A node that was unhealthy before stops nothing.
    """
    check()
    handle = open_cluster(cluster)

    def restart(name: str) -> None:
        try:
            handle.shell(name).run(restart_kubelet())
        except RunbookError as error:
            if name not in plan.unwell:
                raise
            log_about(name).warning("its kubelet did not run before, and does not start: %s", error)

    on_all(restart, plan.nodes)


@task(**PATIENT, task_run_name="prove-recovery-{cluster}")
def prove_recovery(cluster: str, plan: RestorePlan, backup: Backup) -> Recovered:
    """Proves that the cluster works.

    All nodes that were healthy before and all leaders renew their Leases, and these nodes are Ready. A write and a
    watch work, and old watches end.
    """
    return prove_cluster(open_cluster(cluster), plan, backup)


@task(**ACT, task_run_name="end-restore-{cluster}")
def end_restore(cluster: str, plan: RestorePlan, check: Check) -> Ended:
    """Removes the traces from which a later run would resume, and reports the folders that are kept."""
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
    """Stops the control plane, puts its original data and manifests back, and starts it again."""
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
