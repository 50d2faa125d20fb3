"""Plans which claims get a snapshot, by which class. A claim that cannot have one refuses the run, unless it is to be left out."""

from collections.abc import Sequence

from tasks.core.models.findings import Problem, listed, refused
from tasks.core.models.plan import Caution, Refusal, Skip, Step
from tasks.volumes.models.facts import Claim, SnapshotClass, Target, VolumeFacts, VolumePlan
from tasks.volumes.models.selection import Selection, VolumeOptions
from tasks.volumes.policy import hooks

LEAVE_OUT = "or add --leave-out to back up the others"
DEFAULT_NOTE = "snapshot.storage.kubernetes.io/is-default-class=true"


def plan_volumes(facts: VolumeFacts, selection: Selection, options: VolumeOptions) -> VolumePlan:
    """Plans a snapshot for each claim of the selection, with all refusals at once."""
    refusals = [*_of_selection(facts, selection)]
    if not facts.has_snapshots:
        refusals.append(_no_snapshots())
        return VolumePlan(refusals=tuple(refusals))
    judged = [(claim, _target(facts, claim, options)) for claim in facts.claims]
    targets = [one for _, one in judged if isinstance(one, Target)]
    wrong = [(claim, one) for claim, one in judged if isinstance(one, Problem)]
    skips = [Skip(subject=claim.id, reason=problem.text) for claim, problem in wrong] if options.leave_out else []
    if not options.leave_out:
        refusals += [refused(claim.id, problem.text, f"{problem.next_step}, {LEAVE_OUT}") for claim, problem in wrong]
    elif wrong and not targets:
        refusals.append(
            refused("selection", "none of its claims can have a snapshot", "correct what the skipped claims lack")
        )
    given = (facts.hooks if options.use_hooks else (), facts.pods, {one.claim.id for one in targets})
    freezes = hooks.freezes_of(*given)
    return VolumePlan(
        steps=(*map(hooks.step_of, freezes), *map(_step, targets)),
        skips=tuple(skips),
        refusals=(*refusals, *hooks.refusals_of(*given)),
        cautions=(*_cautions(targets), *hooks.cautions_of(*given)),
        targets=tuple(targets),
        freezes=freezes,
    )


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


def _target(facts: VolumeFacts, claim: Claim, options: VolumeOptions) -> Target | Problem:
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
    if not volume.driver:
        text = f"its volume {volume.name} is of the kind {volume.source}, and only CSI volumes have snapshots"
        return Problem(text=text, next_step="back up its data in another way")
    found = choose_class(volume.driver, facts.classes, options.snapshot_class)
    if isinstance(found, Problem):
        return found
    return Target(claim=claim, volume=volume, snapshot_class=found)


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
