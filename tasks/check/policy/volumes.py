"""Decides whether hooks and checks of the profile fit the cluster, and whether it can take snapshots."""

from collections.abc import Sequence

from tasks.check.models import Finding, FittingPod, SnapshotController, State
from tasks.core.models.findings import listed
from tasks.core.models.outside import DEFAULT_SNAPSHOT_CLASS, SnapshotClass
from tasks.core.models.profile import ClusterProfile, InContainers, VolumeHook
from tasks.core.words import counted

AREA = "volumes"
SNAPSHOTS, CONTROLLER = "snapshots", "snapshot-controller"


def uses_volumes(profile: ClusterProfile) -> bool:
    """Checks whether the profile has something for volumes: a hook, a check, or a schedule of their backup."""
    rules = profile.volumes
    return bool(rules.hooks or rules.checks or profile.schedules.get("volumes_backup"))


def subject_of(one: InContainers) -> str:
    """Returns the name of a hook or a check, as a finding has it."""
    return f"{_kind(one)} {one.name}"


def judge_command(one: InContainers, pods: Sequence[FittingPod] | None) -> Finding:
    """Judges a hook or a check by the pods that have its labels; None says that its namespace does not exist.

    A pod without the container makes a run refuse. A hook that fits no pod freezes nothing, which is only a warning.
    """
    field = f"volumes.{_kind(one)}s of the profile"
    if pods is None:
        return _found(one, State.WARN, f"there is no namespace {one.namespace}", f"create it, or correct {field}")
    if not pods:
        told = f"no pod in {one.namespace} has the labels {one.labels}"
        return _found(one, State.WARN, told, f"start its workload, or correct the labels in {field}")
    if lacking := [pod for pod in pods if one.container not in pod.containers]:
        has = listed(lacking[0].containers)
        told = f"the pod {one.namespace}/{lacking[0].name} has no container {one.container}, it has {has}"
        return _found(one, State.FAIL, told, f"correct the container or the labels in {field}")
    if not any(pod.has_claim for pod in pods):
        told = f"no pod in {one.namespace} with the labels {one.labels} uses a claim"
        return _found(one, State.WARN, told, f"correct the labels in {field}")
    return _found(one, State.OK, f"{counted(len(pods), 'pod')} in {one.namespace} with the container {one.container}")


def _kind(one: InContainers) -> str:
    return "hook" if isinstance(one, VolumeHook) else "check"


def _found(one: InContainers, state: State, told: str, fix: str = "") -> Finding:
    return Finding(area=AREA, subject=subject_of(one), state=state, told=told, fix=fix)


def judge_snapshots(classes: Sequence[SnapshotClass] | None) -> Finding:
    """Judges whether the API takes VolumeSnapshots; None says that it does not serve them. Folders of nodes need none."""
    state, fix = State.WARN, ""
    if classes is None:
        told = "the API does not serve snapshot.storage.k8s.io/v1: volumes-backup can only archive folders of nodes"
        fix = "install the CRDs and the snapshot-controller of kubernetes-csi/external-snapshotter"
    elif not classes:
        told = "there is no VolumeSnapshotClass: volumes-backup can only archive folders of nodes"
        fix = "create one for the CSI driver of your volumes"
    elif twice := _with_two_defaults(classes):
        told = f"more than one VolumeSnapshotClass is the default of {listed(twice)}: volumes-backup refuses to choose"
        fix = f"leave the annotation {DEFAULT_SNAPSHOT_CLASS} at one of them, or name one with --snapshot-class of volumes-backup"
    else:
        state, told = (
            State.OK,
            f"VolumeSnapshotClasses: {listed([f'{one.metadata.name} ({one.driver})' for one in classes])}",
        )
    return Finding(area=AREA, subject=SNAPSHOTS, state=state, told=told, fix=fix)


def _with_two_defaults(classes: Sequence[SnapshotClass]) -> list[str]:
    drivers = [one.driver for one in classes if one.is_default]
    return sorted({one for one in drivers if drivers.count(one) > 1})


def judge_controller(found: Sequence[SnapshotController]) -> Finding:
    """Judges the snapshot-controller. A provider may run it where nobody sees it."""
    if running := [one.id for one in found if one.available]:
        return Finding(area=AREA, subject=CONTROLLER, state=State.OK, told=f"{listed(running)} is available")
    if found:
        name = found[0].id
        space, _, deployment = name.partition("/")
        told = f"the Deployment {name} has no available pod: no snapshot gets ready"
        fix = f"kubectl -n {space} describe deployment {deployment}"
        return Finding(area=AREA, subject=CONTROLLER, state=State.WARN, told=told, fix=fix)
    told = "not seen: no Deployment has its image; it may run outside of this cluster"
    return Finding(area=AREA, subject=CONTROLLER, state=State.NOT_CHECKED, told=told)
