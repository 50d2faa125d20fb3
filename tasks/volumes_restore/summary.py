"""Summarizes a restore of volumes: what people read first, and how to go back."""

from tasks.core.commands import TO_DO_IT
from tasks.core.models.findings import listed
from tasks.core.words import counted
from tasks.volumes_restore.models.checks import Checked
from tasks.volumes_restore.models.done import (
    FromArchives,
    KeptVolume,
    KeptVolumes,
    NewVolumes,
    Started,
    VolumeProof,
)
from tasks.volumes_restore.models.facts import (
    REPLACED,
    ArchiveTarget,
    SnapshotTarget,
    VolumeRestoreFacts,
    VolumeRestorePlan,
)
from tasks.volumes_restore.policy.checks import unused_words

NO_CHECK = "no check of the profile has looked into the data: volumes.checks can (docs/volumes-restore.md#prove-the-data-checks)"

FILES = "no application ran on them, so it says nothing of what the application makes of them"

REMOVE = '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'

WAY_BACK = "run this again: it goes on where it stopped. The old volumes are Retain: docs/volumes-restore.md says how to take them back"


def way_back_of(plan: VolumeRestorePlan) -> str:
    """Returns what helps when the run does not finish, also for those who do not want to run it again."""
    start = [
        f"`kubectl -n {one.ref.namespace} scale {one.ref.workload} --replicas={one.replicas}`"
        for one in plan.users
        if one.ref
    ]
    return f"{WAY_BACK}. What is stopped then starts by {' and '.join(start)}" if start else WAY_BACK


def summarize_volume_restore_plan(facts: VolumeRestoreFacts, plan: VolumeRestorePlan) -> tuple[str, ...]:
    """Returns the report text of a plan that was not carried out, or that has nothing to do."""
    if not plan.steps:
        why = [f"{one.subject}: {one.reason}" for one in plan.skips]
        return (f"nothing was done: backup {facts.backup} has nothing left to restore here", *why)
    return (f"nothing was done: the plan has {counted(len(plan.steps), 'step')} for backup {facts.backup}", TO_DO_IT)


def summarize_volume_restore(  # noqa: PLR0913, PLR0917 - one for each step
    plan: VolumeRestorePlan,
    volumes: NewVolumes,
    kept: KeptVolumes,
    started: Started,
    proof: VolumeProof,
    archives: FromArchives = FromArchives(),  # noqa: B008 - frozen
    files: Checked = Checked(),  # noqa: B008 - frozen
) -> tuple[str, ...]:
    """Returns the report text of a restore."""
    count = counted(len(plan.targets), "claim")
    restored = f"{count} restored from backup {plan.backup}"
    again = (
        f"no claim was left to restore from backup {plan.backup}: what an earlier run has restored was checked again"
    )
    return (
        restored if plan.targets else again,
        *[f"bound: {one}" for one in proof.bound],
        *[f"from its archive, as its list says: {one}" for one in archives.restored],
        *[_fuzzy_words(one) for one in plan.archives if one.record.fuzzy],
        *[f"NOT as its list says, because the archive is fuzzy: {one}" for one in archives.different],
        *[f"taken up from an earlier attempt: {one.id}" for one in volumes.volumes if not one.created],
        *_workload_words(plan, started, proof),
        *[line for one in plan.switched if one.old_volume for line in _old_words(one, kept)],
        *[f"NOT detached: {one}" for one in proof.attached],
        *[f"skipped: {one.subject}: {one.reason}" for one in plan.skips],
        *[f"NOT removed: {one}" for one in files.left],
        *((*_proof_words(proof.checked), *_file_words(plan, files)) or (NO_CHECK,)),
    )


def _fuzzy_words(target: ArchiveTarget) -> str:
    return f"NOT consistent: {target.id}: its archive is fuzzy ({target.record.fuzzy}): its files may not fit together"


def _proof_words(checked: Checked) -> tuple[str, ...]:
    return (
        *[f"data proven: {one.name} succeeded" for one in checked.runs],
        *[f"data NOT proven: {unused_words(one)}" for one in checked.unused],
    )


def _file_words(plan: VolumeRestorePlan, files: Checked) -> tuple[str, ...]:
    """Returns what the checks of claims beside the old ones say: of the files alone."""
    return (
        *[
            f"files proven: the check {one.check} succeeded on {listed(one.claims)} in a pod of its own, {one.pod}: {FILES}"
            for one in files.runs
        ],
        *[f"data NOT proven: {one}" for one in plan.unproven],
    )


def _workload_words(plan: VolumeRestorePlan, started: Started, proof: VolumeProof) -> tuple[str, ...]:
    names = [one.name for one in plan.users]
    if not names:
        return ()
    return (
        f"stopped and started again: {listed(names)}",
        *[f"ready: {one}" for one in proof.ready],
        *[f"NOT scaled back: {one}: somebody else had scaled it meanwhile" for one in started.other],
    )


def _old_words(target: SnapshotTarget | ArchiveTarget, kept: KeptVolumes) -> tuple[str, ...]:
    """Returns where the old data is, how to take it back, and how to remove it."""
    volume = target.old_volume
    free = '{"spec":{"claimRef":{"uid":null,"resourceVersion":null}}}'
    body = f"kubectl get pv {volume} -o jsonpath='{{.metadata.annotations.{REPLACED.replace('.', chr(92) + '.')}}}'"
    back = (
        f"kubectl -n {target.record.namespace} delete pvc {target.record.claim}; kubectl patch pv {volume} -p '{free}'; "
        f"{body} | kubectl create -f -"
    )
    return (
        f"kept: {target.id}: the old volume {volume} is there, with Retain",
        f"to go back to it, with the workload at 0 replicas: {back}",
        f"to remove it for good: {_how_to_remove(target, kept)}",
    )


def _how_to_remove(target: SnapshotTarget | ArchiveTarget, kept: KeptVolumes) -> str:
    volume = target.old_volume
    was = next((one for one in kept.volumes if one.name == volume), KeptVolume(name=volume))
    if was.folder:
        node = target.record.node if isinstance(target, ArchiveTarget) and volume == target.record.volume else ""
        return f"kubectl delete pv {volume}, then delete its folder {was.folder}{f' on {node}' if node else ''}"
    if was.policy == "Delete":
        return f"kubectl patch pv {volume} -p '{REMOVE}'"
    return f"kubectl delete pv {volume}, then delete it at the storage"
