"""Contains the Prefect tasks: snapshots imported, volumes made, workloads stopped, claims switched, workloads started, all proven."""

from prefect import task

from tasks.clients.kube import KubeClient
from tasks.cluster import open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import Refused, TimedOut
from tasks.core.models.findings import listed
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.core.words import counted
from tasks.run.locks import Check
from tasks.volumes_restore.act import (
    create_claim,
    import_snapshot,
    make_of_archive,
    proven_claim,
    wait_bound,
    wait_imported,
)
from tasks.volumes_restore.attached import left_attached
from tasks.volumes_restore.checks import run_checks
from tasks.volumes_restore.job import Job
from tasks.volumes_restore.models.checks import Checked
from tasks.volumes_restore.models.done import (
    Bound,
    FromArchives,
    Imported,
    KeptVolumes,
    NewVolume,
    NewVolumes,
    Started,
    Stopped,
    VolumeProof,
)
from tasks.volumes_restore.models.facts import SnapshotTarget, VolumeRestoreFacts, VolumeRestorePlan, Way
from tasks.volumes_restore.models.options import ClaimsToRestore, VolumeRestoreOptions
from tasks.volumes_restore.observe import observe, read_backup, store_of
from tasks.volumes_restore.policy.checks import checks_of, failures_of
from tasks.volumes_restore.stop import check_nobody, check_nodes, start, stop, wait_ready, wait_stopped
from tasks.volumes_restore.switch import bind_new, finish, give_policy_back, keep_old, retain_before_stop
from tasks.volumes_restore.trials import read_left, read_trials, run_trials


@task(**OBSERVE, task_run_name="observe-volume-restore-{cluster}")
def observe_volume_restore(
    cluster: str, backup: str, select: ClaimsToRestore, options: VolumeRestoreOptions, run_id: str
) -> VolumeRestoreFacts:
    """Reads the backup, its claims as they are now, and the workloads that use them. It runs the checks of the profile.

    Without a switch no pod uses the new claims. Then it only looks which pods the checks need.
    """
    handle = open_cluster(cluster)
    manifest = read_backup(store_of(handle, options), backup, select)
    facts = observe(handle, manifest, select, options, run_id)
    claims = {one.id for one in facts.claims if not (options.switch and one.finished)}
    facts = facts.model_copy(
        update={
            "checks": tuple(checks_of(handle.profile.volumes.checks, claims)),
            "left": read_left(handle.kube, claims),
        }
    )
    if options.switch:
        return facts.model_copy(update={"checked": run_checks(handle, claims)})
    return facts.model_copy(update={"trials": read_trials(handle.kube, facts, options)})


def _job(cluster: str, plan: VolumeRestorePlan, run_id: str, check: Check) -> Job:
    return Job(kube=open_cluster(cluster).kube, backup=plan.backup, run_id=run_id, check=check)


@task(**PATIENT, task_run_name="import-snapshots-{cluster}")
def import_snapshots(
    cluster: str, plan: VolumeRestorePlan, options: VolumeRestoreOptions, run_id: str, check: Check
) -> Imported:
    """Creates objects for snapshots of which only the storage knows, and waits until they are ready to use.

    Raises `Refused` if an object of that name is not ours, or if the storage says that it has no such snapshot.
    """
    job = _job(cluster, plan, run_id, check)
    wanted = [one for one in plan.snapshots if one.source.way is Way.HANDLE and not one.new_volume]
    created = [(one, import_snapshot(job, one)) for one in wanted]
    on_all(lambda one: wait_imported(job.kube, one, options.ready_within), wanted)
    names = [(f"{one.record.namespace}/{one.source.snapshot}", new) for one, new in created]
    return Imported(
        created=tuple(name for name, new in names if new), present=tuple(name for name, new in names if not new)
    )


@task(**PATIENT, task_run_name="restore-archives-{cluster}")
def restore_archives(
    cluster: str, plan: VolumeRestorePlan, options: VolumeRestoreOptions, run_id: str, check: Check
) -> FromArchives:
    """Lets each node restore its archives into new folders, one after another, with new volumes and new claims.

    Raises `Refused` if a folder, a volume or a claim is somebody else's. Nothing old is touched.
    """
    wanted = [one for one in plan.archives if not one.new_volume]
    if not wanted:
        return FromArchives()
    handle, job = open_cluster(cluster), _job(cluster, plan, run_id, check)
    manifest = read_backup(store_of(handle, options), plan.backup, ClaimsToRestore())
    volumes, restored, different = [], [], []
    for one in wanted:
        volume, made = make_of_archive(handle, job, one, manifest.objects)
        volumes.append(volume)
        restored.append(f"{one.record.namespace}/{one.name} with {made.path} on {made.node}")
        different += [f"{one.id}: {counted(made.different, 'line')} of its list"] if made.different else []
    return FromArchives(volumes=tuple(volumes), restored=tuple(restored), different=tuple(different))


@task(**PATIENT, task_run_name="make-volumes-{cluster}")
def make_volumes(  # noqa: PLR0913, PLR0917 - what every step gets, and what was made of archives
    cluster: str,
    plan: VolumeRestorePlan,
    options: VolumeRestoreOptions,
    archives: FromArchives,
    run_id: str,
    check: Check,
) -> NewVolumes:
    """Creates a claim from each snapshot, and waits until all have a volume of their own. Nothing old is touched.

    Returns the volumes that were made of archives, too. Raises `Refused` if the storage cannot make a volume of a snapshot, with its
    reason.
    """
    job = _job(cluster, plan, run_id, check)
    wanted = [one for one in plan.snapshots if not one.new_volume]
    created = {one.id: create_claim(job, one) for one in wanted}

    def made(target: SnapshotTarget) -> NewVolume:
        return wait_bound(job.kube, target, options.bound_within).model_copy(update={"created": created[target.id]})

    return NewVolumes(volumes=(*on_all(made, wanted), *archives.volumes))


@task(**PATIENT, task_run_name="stop-workloads-{cluster}")
def stop_workloads(
    cluster: str, plan: VolumeRestorePlan, options: VolumeRestoreOptions, run_id: str, check: Check
) -> Stopped:
    """Sets the old volumes to Retain, scales the workloads to 0 in one write with a note of their replicas, and waits for the pods.

    Raises `Refused` before it stops anything if no pod could start again on the node of an archive. If the pods do not stop in time,
    it starts the workloads again and raises `TimedOut`, unless an earlier attempt has begun to switch.
    """
    job = _job(cluster, plan, run_id, check)
    check_nodes(job.kube, plan)
    for one in plan.to_free:
        retain_before_stop(job, one)
    stopped = [(one.name, stop(job, one)) for one in plan.to_stop]
    try:
        wait_stopped(job.kube, plan, options.stop_within)
    except TimedOut as error:
        if any(one.new_volume for one in plan.switched):  # a switch has begun: pods would start between two volumes
            raise
        for one in plan.to_free:
            give_policy_back(job, one)
        names = [one.name for one in plan.to_stop if start(job, one)]
        raise TimedOut(
            f"{error.problem}; nothing was switched, and it was started again: {listed(names)}", hint=error.hint
        ) from error
    return Stopped(
        stopped=tuple(name for name, new in stopped if new), already=tuple(name for name, new in stopped if not new)
    )


@task(**PATIENT, task_run_name="keep-old-volumes-{cluster}")
def keep_old_volumes(
    cluster: str, plan: VolumeRestorePlan, volumes: NewVolumes, run_id: str, check: Check
) -> KeptVolumes:
    """Sets old and new volumes to Retain, notes the switch at the new volume, and removes the old claims.

    The old volumes stay, with their claims in an annotation, so that they can be taken back.
    """
    job = _job(cluster, plan, run_id, check)
    check_nobody(job.kube, plan)
    new = {one.id: one.volume for one in volumes.volumes}
    kept = [keep_old(job, one, one.new_volume or new[one.id]) for one in plan.switched]
    return KeptVolumes(volumes=tuple(one for one in kept if one))


@task(**PATIENT, task_run_name="bind-new-volumes-{cluster}")
def bind_new_volumes(cluster: str, plan: VolumeRestorePlan, volumes: NewVolumes, run_id: str, check: Check) -> Bound:
    """Gives each new volume the claim with the original name."""
    job = _job(cluster, plan, run_id, check)
    new = {one.id: one.volume for one in volumes.volumes}
    return Bound(claims=tuple(bind_new(job, one, one.new_volume or new[one.id]) for one in plan.switched))


@task(**ACT, task_run_name="start-workloads-{cluster}")
def start_workloads(cluster: str, plan: VolumeRestorePlan, run_id: str, check: Check) -> Started:
    """Scales the workloads to the replicas that they had. One that somebody scaled meanwhile stays as it is."""
    job = _job(cluster, plan, run_id, check)
    started = [(one.name, start(job, one)) for one in plan.users]
    return Started(
        started=tuple(name for name, ours in started if ours), other=tuple(name for name, ours in started if not ours)
    )


@task(**ACT, task_run_name="close-switches-{cluster}")
def close_switches(cluster: str, plan: VolumeRestorePlan, volumes: NewVolumes, run_id: str, check: Check) -> Bound:
    """Gives each new volume its reclaim policy back, and notes that its switch is finished."""
    job = _job(cluster, plan, run_id, check)
    new = {one.id: one.volume for one in volumes.volumes}
    return Bound(claims=tuple(finish(job, one, one.new_volume or new[one.id]) for one in plan.switched))


@task(**PATIENT, task_run_name="prove-volume-restore-{cluster}")
def prove_volume_restore(
    cluster: str, plan: VolumeRestorePlan, volumes: NewVolumes, options: VolumeRestoreOptions
) -> VolumeProof:
    """Reads back that each claim is bound to its new volume, that the pods are ready, and that the checks succeed.

    Raises `Refused` if a check of the profile does not prove the data. The old volumes are kept.
    """
    handle = open_cluster(cluster)
    new = {one.id: one.volume for one in volumes.volumes}
    ready = _ready(handle.kube, plan, options)
    checked = run_checks(handle, {one.id for one in plan.switched})
    if failed := failures_of(checked, has_pods=bool(plan.users)):
        raise Refused(
            f"the data of backup {plan.backup} is NOT proven: {'; '.join(failed)}",
            hint="correct that and run this again: it checks again. Or take the old volumes back: docs/volumes-restore.md#the-old-volume",
        )
    bound = tuple(proven_claim(handle.kube, one, one.new_volume or new[one.id]) for one in plan.targets)
    attached = left_attached(handle.kube, {one.old_volume: one.id for one in plan.switched if one.old_volume})
    return VolumeProof(bound=bound, ready=ready, checked=checked, attached=attached)


@task(**PATIENT, task_run_name="check-new-claims-{cluster}")
def check_new_claims(
    cluster: str, plan: VolumeRestorePlan, options: VolumeRestoreOptions, run_id: str, check: Check
) -> Checked:
    """Runs the checks of claims beside the old ones, each in a pod of its own, which it removes. It removes those of interrupted runs first.

    Raises `Refused` if a check does not prove the files. The new claims are kept.
    """
    checked = run_trials(open_cluster(cluster), _job(cluster, plan, run_id, check), plan, options)
    if failed := failures_of(checked, has_pods=False):
        raise Refused(
            f"the data of backup {plan.backup} is NOT proven: {'; '.join([*failed, *checked.left])}",
            hint="the new claims are kept. Correct that and run this again: it checks again. "
            "Or read the files yourself, in a pod with such a claim: docs/volumes-restore.md#a-check-beside-the-old-claim",
        )
    return checked


def _ready(kube: KubeClient, plan: VolumeRestorePlan, options: VolumeRestoreOptions) -> tuple[str, ...]:
    return tuple(on_all(lambda one: wait_ready(kube, one, options.start_within), plan.users))
