"""Plans which claims get a snapshot or an archive. A claim that can have neither refuses the run, unless it is to be left out."""

from collections.abc import Sequence

from tasks.core.models.findings import Problem, listed, refused
from tasks.core.models.outside import DEFAULT_SNAPSHOT_CLASS
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure
from tasks.volumes.models.archives import Home
from tasks.volumes.models.facts import ArchiveTarget, Claim, SnapshotClass, Target, Volume, VolumeFacts, VolumePlan
from tasks.volumes.models.selection import Selection, VolumeOptions
from tasks.volumes.policy import hooks
from tasks.volumes.policy.places import how_to_stop, what_is_wrong_at, what_is_wrong_with_path, who_uses

LEAVE_OUT = "or add --leave-out to back up the others"
DEFAULT_NOTE = f"{DEFAULT_SNAPSHOT_CLASS}=true"


def plan_volumes(facts: VolumeFacts, selection: Selection, options: VolumeOptions) -> VolumePlan:
    """Plans a snapshot or an archive for each claim of the selection, with all refusals at once."""
    refusals = [*_of_selection(facts, selection)]
    if not facts.has_snapshots and not (facts.claims and all(_is_on_a_node(facts, one) for one in facts.claims)):
        refusals.append(_no_snapshots())
        return VolumePlan(refusals=tuple(refusals))
    judged = [(claim, _target(facts, claim, options)) for claim in facts.claims]
    targets = [one for _, one in judged if isinstance(one, Target)]
    archives = [one for _, one in judged if isinstance(one, ArchiveTarget)]
    wrong = [(claim, one) for claim, one in judged if isinstance(one, Problem)]
    skips = [Skip(subject=claim.id, reason=problem.text) for claim, problem in wrong] if options.leave_out else []
    if not options.leave_out:
        refusals += [refused(claim.id, problem.text, f"{problem.next_step}, {LEAVE_OUT}") for claim, problem in wrong]
    elif wrong and not targets and not archives:
        refusals.append(
            refused("selection", "none of its claims can be backed up", "correct what the skipped claims lack")
        )
    given = (facts.hooks if options.use_hooks else (), facts.pods, {one.claim.id for one in targets})
    freezes = hooks.freezes_of(*given)
    return VolumePlan(
        steps=(*map(hooks.step_of, freezes), *map(_step, targets), *map(_step_of_archive, archives)),
        skips=tuple(skips),
        refusals=(*refusals, *hooks.refusals_of(*given)),
        cautions=(*_cautions(targets), *_cautions_of_archives(facts, archives), *hooks.cautions_of(*given)),
        targets=tuple(targets),
        archives=tuple(archives),
        freezes=freezes,
    )


def _is_on_a_node(facts: VolumeFacts, claim: Claim) -> bool:
    volume = facts.volume_of(claim)
    return volume is not None and facts.home_of(volume) is not None


def _of_selection(facts: VolumeFacts, selection: Selection) -> list[Refusal]:
    found = [
        refused(one, "it does not exist", "`kubectl get pvc -A` lists the claims that exist") for one in facts.missing
    ]
    if not facts.claims and not facts.missing:
        hint = "`kubectl get pvc -A -o yaml` lists the claims that exist"
        found.append(refused("selection", f"nothing is selected by: {selection.in_words}", hint))
    return found


def _no_snapshots() -> Refusal:
    return refused(
        "cluster",
        "the API does not serve snapshot.storage.k8s.io/v1: this cluster has no volume snapshots",
        "install the CRDs and the snapshot-controller of kubernetes-csi/external-snapshotter, and a CSI driver that takes snapshots",
    )


def _target(facts: VolumeFacts, claim: Claim, options: VolumeOptions) -> Target | ArchiveTarget | Problem:
    if claim.deleting:
        return Problem(text="it is about to be deleted", next_step=f"`{_describe(claim)}` shows what still uses it")
    volume = facts.volume_of(claim)
    if claim.phase != "Bound" or not claim.volume:
        text = f"it is not bound to a volume (phase {claim.phase or 'unknown'})"
        return Problem(text=text, next_step=f"`{_describe(claim)}` shows why")
    if volume is None:
        return Problem(
            text=f"its volume {claim.volume} does not exist",
            next_step="create the claim again from another backup",
        )
    if home := facts.home_of(volume):
        return _archive(facts, claim, volume, home, options)
    if not volume.driver:
        text = f"its volume {volume.name} is of the kind {volume.source}: only CSI volumes have snapshots, and only folders of nodes archives"
        return Problem(text=text, next_step="back up its data in another way")
    found = choose_class(volume.driver, facts.classes, options.snapshot_class)
    return found if isinstance(found, Problem) else Target(claim=claim, volume=volume, snapshot_class=found)


def _archive(
    facts: VolumeFacts, claim: Claim, volume: Volume, home: Home, options: VolumeOptions
) -> ArchiveTarget | Problem:
    if claim.block:
        text = f"its volume {volume.name} is a block device of {home.node or 'a node'}: an archive has the files of a folder"
        return Problem(text=text, next_step="back up its data by its application, or in another way")
    if wrong := what_is_wrong_with_path(volume):
        return wrong
    if home.folder is None:
        return Problem(text=home.problem, next_step=home.next_step)
    if wrong := what_is_wrong_at(home, home.folder, volume):
        return wrong
    users = who_uses(claim, facts.users)
    if users and not options.while_used:
        text = f"these pods use it and may write: {listed([one.id for one in users])}"
        return Problem(text=text, next_step=f"{how_to_stop(users)}; or accept a fuzzy archive with --while-used")
    return ArchiveTarget(
        claim=claim,
        volume=volume,
        node=home.node,
        boot_id=home.boot_id,
        size=home.folder.size,
        entries=home.folder.entries,
    )


def choose_class(driver: str, classes: Sequence[SnapshotClass], asked: str) -> SnapshotClass | Problem:
    """Returns the class by which a driver takes snapshots: the one asked for, the only one, or the only default."""
    of_driver = [one for one in classes if one.driver == driver]
    names = [one.name for one in of_driver]
    if asked:
        wanted = next((one for one in of_driver if one.name == asked), None)
        known = f"it has {listed(names)}" if names else "it has none"
        return wanted or Problem(
            text=f"the driver {driver} has no VolumeSnapshotClass {asked}: {known}",
            next_step="name a class of the driver with --snapshot-class",
        )
    if not of_driver:
        return Problem(
            text=f"the driver {driver} has no VolumeSnapshotClass",
            next_step=f"create a VolumeSnapshotClass with driver: {driver}",
        )
    defaults = [one for one in of_driver if one.is_default]
    if len(of_driver) == 1:
        return of_driver[0]
    if len(defaults) == 1:
        return defaults[0]
    which = f"{len(defaults)} of them are a default" if defaults else "none of them is the default"
    return Problem(
        text=f"the driver {driver} has several VolumeSnapshotClasses, and {which}: {listed(names)}",
        next_step=f"annotate exactly one with {DEFAULT_NOTE}, or name one with --snapshot-class",
    )


def _describe(claim: Claim) -> str:
    return f"kubectl -n {claim.namespace} describe pvc {claim.name}"


def _step(one: Target) -> Step:
    kind = "block device" if one.claim.block else "file system"
    return Step(
        subject=one.claim.id,
        act=f"take a snapshot by the class {one.snapshot_class.name} of {one.volume.driver}, and set it to Retain",
        reason=f"it is bound to {one.volume.name}, a {kind} of {one.claim.size or 'unknown size'}",
    )


def _step_of_archive(one: ArchiveTarget) -> Step:
    return Step(
        subject=one.claim.id,
        act=f"let {one.node} archive {one.volume.path} into the bucket, and read it back",
        reason=f"it is bound to {one.volume.name}, a folder of the node{figure(f': {one.size} bytes, {one.entries} entries')}",
    )


def _cautions_of_archives(facts: VolumeFacts, archives: Sequence[ArchiveTarget]) -> list[Caution]:
    used = [(one, who_uses(one.claim, facts.users)) for one in archives]
    return [
        Caution(
            subject=one.claim.id,
            problem=f"its archive is fuzzy: pods may write while it is copied ({listed([pod.id for pod in pods])})",
            next_step=f"{how_to_stop(pods)} before the backup",
        )
        for one, pods in used
        if pods
    ]


def _cautions(targets: Sequence[Target]) -> list[Caution]:
    kept = sorted({one.snapshot_class.name for one in targets if one.snapshot_class.policy == "Retain"})
    return [
        Caution(
            subject=f"VolumeSnapshotClass {name}",
            problem="its deletionPolicy is Retain: the storage keeps the snapshots of expired backups",
            next_step="delete them at the storage, or use a class with deletionPolicy Delete",
        )
        for name in kept
    ]
