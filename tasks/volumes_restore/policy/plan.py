"""Plans a restore of volumes: from which snapshot or archive, under which name, and what stops meanwhile. All refusals at once."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tasks.core.commands import AGAIN
from tasks.core.models.findings import Finding, Problem, cautioned, listed, refused
from tasks.core.models.plan import Caution, Refusal, Skip, Step
from tasks.core.words import counted
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.backups import VolumeRecord
from tasks.volumes.policy.beside import target_of
from tasks.volumes.policy.plan import choose_class
from tasks.volumes_restore.models.facts import (
    ArchiveFound,
    ArchiveTarget,
    DiskClass,
    Found,
    Journal,
    Live,
    SnapshotFound,
    SnapshotTarget,
    Template,
    User,
    VolumeRestoreFacts,
    VolumeRestorePlan,
    Way,
)
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.archives import findings_of_archive, findings_of_path, findings_of_room
from tasks.volumes_restore.policy.checks import findings_before, step_of_check
from tasks.volumes_restore.policy.names import beside, mark_of, sign_of, suffix_of, temporary
from tasks.volumes_restore.policy.sizes import bytes_of, larger
from tasks.volumes_restore.policy.trials import findings_of_trials, step_of_left, step_of_trial, unproven_words

WITH_PODS = "its volumes wait for a pod (WaitForFirstConsumer)"


class Names(NamedTuple):
    """Holds the names of a restore of one claim."""

    name: str
    made: str
    mark: str
    sign: str
    suffix: str


def names_of(backup: str, found: Found, options: VolumeRestoreOptions) -> Names:
    """Returns the names; a switch that has begun keeps those of its journal."""
    return names_for(backup, found.record, old_uid(found.live, found.journal), options)


def old_uid(live: Live | None, journal: Journal | None) -> str:
    """Returns the uid of the claim that is replaced; empty if there is none."""
    if journal:
        return journal.claim_uid
    return live.uid if live else ""


def names_for(backup: str, record: VolumeRecord | Archive, uid: str, options: VolumeRestoreOptions) -> Names:
    """Returns the names for a claim of a backup; `uid` is that of the claim that is replaced.

    In place, the suffix of the options is not used: a second switch gets another folder than the first.
    """
    if not options.switch:
        mark = mark_of(backup, record.namespace, record.claim)
        name = beside(record.claim, options.suffix, mark)
        return Names(name, name, mark, sign_of(record, mark), suffix_of(options.suffix, mark))
    mark = mark_of(backup, record.namespace, record.claim, uid or "none")
    return Names(record.claim, temporary(record.claim, mark), mark, sign_of(record, mark), suffix_of("", mark))


def plan_volume_restore(facts: VolumeRestoreFacts, options: VolumeRestoreOptions) -> VolumeRestorePlan:
    """Plans the restore of each selected claim of the backup."""
    if not facts.has_snapshots:
        return VolumeRestorePlan(backup=facts.backup, refusals=(_no_snapshots(),))
    skips = [skip for one in facts.claims if (skip := _skip(facts, one, options))]
    left = [one for one in facts.claims if _skip(facts, one, options) is None]
    findings = [finding for one in left for finding in _findings(facts, one, options)]
    findings += findings_of_path(facts.archives, options)
    findings += findings_of_room([one for one in left if isinstance(one, ArchiveFound)])
    findings += findings_before(facts.checked) if options.switch else findings_of_trials(facts.checks, facts.trials)
    refusals = [one for one in findings if isinstance(one, Refusal)]
    targets = [] if refusals else [_target(facts, one, options) for one in left]
    wanted = {one.id for one in left}
    users = [one for one in facts.users if wanted.intersection(one.claims)]
    refusals += [refused(one.name, one.problem.text, one.problem.next_step) for one in users if one.problem]
    trials = [one for one in facts.trials if not (one.problem or refusals)]
    steps = [*_steps(facts, targets, users, options), *map(step_of_trial, trials), *map(step_of_left, facts.left)]
    return VolumeRestorePlan(
        steps=() if refusals else tuple(steps),
        skips=tuple(skips),
        refusals=tuple(refusals),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
        backup=facts.backup,
        snapshots=tuple(one for one in targets if isinstance(one, SnapshotTarget)),
        archives=tuple(one for one in targets if isinstance(one, ArchiveTarget)),
        users=tuple(users),
        trials=tuple(trials),
        restored=tuple((one.id, names_of(facts.backup, one, options).name) for one in facts.claims if one not in left),
        unproven=() if options.switch else unproven_words(facts.checks, facts.trials),
        left=facts.left,
    )


def _no_snapshots() -> Refusal:
    return refused(
        "cluster",
        "the API does not serve snapshot.storage.k8s.io/v1: this cluster has no volume snapshots",
        "install the CRDs and the snapshot-controller of kubernetes-csi/external-snapshotter, and the CSI driver of the backup",
    )


def _skip(facts: VolumeRestoreFacts, one: Found, options: VolumeRestoreOptions) -> Skip | None:
    if options.switch:
        return Skip(subject=one.id, reason="this run has put its new volume in place already") if one.finished else None
    names = names_of(facts.backup, one, options)
    made = one.made
    if made and made.mark == names.sign and made.phase == "Bound" and not made.deleting:
        reason = f"the claim {names.name} has its data from backup {facts.backup} already"
        return Skip(subject=one.id, reason=reason)
    return None


def _findings(
    facts: VolumeRestoreFacts, one: SnapshotFound | ArchiveFound, options: VolumeRestoreOptions
) -> Iterator[Finding]:
    if not one.has_namespace:
        namespace = one.record.namespace
        yield refused(one.id, f"there is no namespace {namespace}", f"kubectl create namespace {namespace}")
        return
    if options.switch and one.journal and one.journal.backup != facts.backup:
        yield _other_backup(one.id, one.journal)
        return
    yield from _of_names(facts, one, options)
    if (template := _template(one)) is None:
        yield refused(
            one.id,
            "it is not here, and the manifest does not record its access modes",
            "create the claim, then run this again",
        )
        return
    if isinstance(one, SnapshotFound):
        yield from _of_class(facts, one, template, options)
        yield from _of_size(one, template, options)
    elif not _has_begun(one, options):
        suffix = names_of(facts.backup, one, options).suffix
        yield from findings_of_archive(one, target_of(one.record, suffix, options.path), options)
    if options.switch and one.journal is None:
        yield from _of_old(one, template)
    if one.denied:
        yield refused(
            one.id,
            f"the API server does not take its new claim: {one.denied}",
            f"`kubectl -n {one.record.namespace} get resourcequota,limitrange` shows limits of the namespace",
        )
    if isinstance(one, SnapshotFound) and one.source.way is Way.HANDLE:
        yield from _of_import(facts, one)


def _has_begun(one: Found, options: VolumeRestoreOptions) -> bool:
    """Checks whether an earlier attempt has made the new volume and begun to switch to it."""
    return options.switch and bool(one.new_volume)


def _other_backup(subject: str, journal: Journal) -> Refusal:
    return refused(
        subject,
        f"run {journal.run} was interrupted while it switched this claim to backup {journal.backup}",
        f"finish that first: {AGAIN} --backup={journal.backup} --switch --mode=apply",
    )


def _of_names(facts: VolumeRestoreFacts, one: Found, options: VolumeRestoreOptions) -> Iterator[Finding]:
    names = names_of(facts.backup, one, options)
    made = one.made
    if made and made.mark != names.sign:
        yield refused(
            one.id, f"there is another claim {names.made}, which this restore did not make", "choose another --suffix"
        )
    if made and made.deleting:
        yield refused(
            one.id,
            f"the claim {names.made} is about to be deleted",
            "wait until it is gone, or choose another --suffix",
        )
    if one.live and one.live.deleting and options.switch and not one.journal:
        step = f"kubectl -n {one.record.namespace} describe pvc {one.record.claim}"
        yield refused(one.id, "the claim is about to be deleted", f"`{step}` shows what still uses it")


def _template(one: Found) -> Template | None:
    """Returns what the claim is made of: as the journal, else the cluster, else the backup has it."""
    if one.journal:
        return one.journal.template
    return one.live.template if one.live else one.template


def _disk_class(facts: VolumeRestoreFacts, template: Template, options: VolumeRestoreOptions) -> DiskClass | None:
    name = options.storage_class or template.storage_class
    return next((each for each in facts.disk_classes if each.name == name), None)


def _of_class(
    facts: VolumeRestoreFacts, one: SnapshotFound, template: Template, options: VolumeRestoreOptions
) -> Iterator[Finding]:
    driver, wanted = one.record.driver, options.storage_class or template.storage_class
    known = [each.name for each in facts.disk_classes if each.provisioner == driver]
    step = (
        f"name one with --storage-class: {listed(known)}"
        if known
        else f"create a StorageClass with provisioner: {driver}"
    )
    found = _disk_class(facts, template, options)
    if found is None:
        text = f"there is no StorageClass {wanted}" if wanted else "the claim has no StorageClass"
        yield refused(one.id, text, step)
    elif found.provisioner != driver:
        text = f"the StorageClass {wanted} is of {found.provisioner}, and the snapshot is of {driver}"
        yield refused(one.id, text, step)
    elif found.waits:
        yield from _of_node(facts, one, template, options, wanted)


def _of_node(
    facts: VolumeRestoreFacts, one: SnapshotFound, template: Template, options: VolumeRestoreOptions, disk_class: str
) -> Iterator[Finding]:
    node = options.node or template.node or one.node
    if not node:
        text = f"the StorageClass {disk_class} is used without a node: {WITH_PODS}"
        yield refused(one.id, text, "name a node from which the volume can be used with --node")
    elif node not in facts.nodes:
        text = f"there is no node {node}, for which its volume would be made: {WITH_PODS}"
        yield refused(one.id, text, "name a node from which the volume can be used with --node")
    else:
        text = f"its volume is made for node {node}, because the volumes of {disk_class} wait for a pod"
        yield cautioned(one.id, text, "choose another one with --node, if pods cannot run there")


def _of_size(one: SnapshotFound, template: Template, options: VolumeRestoreOptions) -> Iterator[Finding]:
    needed = needed_of(one)
    if options.size and bytes_of(options.size) < needed:
        yield refused(
            one.id,
            f"--size {options.size} is less than the {needed} bytes that the snapshot needs",
            f"give at least --size={needed}, or leave it out",
        )
    elif not options.size and template.request and bytes_of(template.request) < needed:
        yield cautioned(
            one.id, f"the claim asks for {template.request}, and the snapshot needs {needed} bytes: it gets those"
        )


def needed_of(one: SnapshotFound) -> int:
    """Returns the bytes that a volume of the snapshot needs; if the driver did not say, those that the claim had at the backup."""
    return one.record.restore_size or (bytes_of(one.template.request) if one.template else 0)


def _of_old(one: Found, template: Template) -> Iterator[Finding]:
    record, live, block = one.record, one.live, _is_block(one)
    pods = [str(each.get("name")) for each in (live.template.owners if live else ()) if each.get("kind") == "Pod"]
    if pods:
        yield refused(
            one.id,
            f"the claim belongs to the pod {listed(pods)} and goes with it, as a generic ephemeral volume does",
            "leave out --switch: the new claim is then made beside the old one",
        )
    if template.block != block:
        kind = "block device" if block else "file system"
        yield refused(
            one.id,
            f"the {'archive' if isinstance(one, ArchiveFound) else 'snapshot'} is of a {kind}, and the claim is not",
            "leave out --switch: the new claim is then made beside the old one",
        )
    if live and live.uid != record.claim_uid:
        yield cautioned(
            one.id,
            "the claim was created again since the backup",
            f"kubectl -n {record.namespace} get pvc {record.claim} -o yaml: is it the right one?",
        )
    if one.restored_by:
        yield cautioned(
            one.id,
            f"run {one.restored_by} has given the claim the data of this backup already",
            "what was written since then is only in the old volume afterwards",
        )
    if live and not live.volume:
        yield cautioned(
            one.id, f"the claim has no volume (phase {live.phase or 'unknown'}): there is no old one to keep"
        )


def _is_block(one: Found) -> bool:
    """Checks whether the restored volume is a block device."""
    if isinstance(one.record, VolumeRecord):
        return one.record.mode == "Block"
    return bool(one.template and one.template.block)


def _of_import(facts: VolumeRestoreFacts, one: SnapshotFound) -> Iterator[Finding]:
    record = one.record
    found = class_of_import(facts, one)
    if isinstance(found, Problem) and record.snapshot_class.secrets:
        text = f"{found.text}, and the driver needs the Secrets {listed(record.snapshot_class.secrets)} of one"
        yield refused(one.id, text, found.next_step)
    yield cautioned(
        one.id,
        "nothing proves an imported snapshot before a volume is made of it: a driver may call it ready unasked",
        "the old claim stays as it is until the new volume is bound",
    )


def class_of_import(facts: VolumeRestoreFacts, one: SnapshotFound) -> str | Problem:
    """Returns the class of an imported snapshot: the one of the backup if it is here, else one of the driver."""
    record = one.record
    same = [
        each
        for each in facts.snapshot_classes
        if (each.name, each.driver) == (record.snapshot_class.name, record.driver)
    ]
    found = same[0] if same else choose_class(record.driver, facts.snapshot_classes, "")
    return found if isinstance(found, Problem) else found.name


def _target(
    facts: VolumeRestoreFacts, one: SnapshotFound | ArchiveFound, options: VolumeRestoreOptions
) -> SnapshotTarget | ArchiveTarget:
    template = (_template(one) or Template()).model_copy(update={"block": _is_block(one)})
    names = names_of(facts.backup, one, options)
    begun = _has_begun(one, options)
    common: dict[str, Any] = {
        "template": template,
        "name": names.name,
        "made": names.made,
        "mark": names.mark,
        "sign": names.sign,
        "old": _old(one) if options.switch else None,
        "new_volume": one.new_volume if begun else "",
        "in_place": begun and bool(one.live and one.live.volume == one.new_volume),
    }
    if isinstance(one, ArchiveFound):
        target = target_of(one.record, names.suffix, options.path)
        bound = _bound_as_before(template, one.template)
        common |= {"template": bound, "request": bound.request, "suffix": names.suffix}
        path = one.folder if begun and one.folder else target.path
        return ArchiveTarget(record=one.record, volume=one.volume, path=path, is_named=target.is_named, **common)
    disk_class = _disk_class(facts, template, options)
    snapshot_class = class_of_import(facts, one) if one.source.way is Way.HANDLE else ""
    return SnapshotTarget(
        record=one.record,
        source=one.source,
        snapshot_class=snapshot_class if isinstance(snapshot_class, str) else "",
        request=larger(options.size or template.request, needed_of(one)),
        storage_class=options.storage_class or template.storage_class,
        node=(options.node or template.node or one.node) if disk_class and disk_class.waits else "",
        **common,
    )


def _bound_as_before(template: Template, recorded: Template | None) -> Template:
    """Returns the claim with the size and the access modes of the backup, for which its new volume is made."""
    if recorded is None:
        return template
    return template.model_copy(update={"access_modes": recorded.access_modes, "request": recorded.request})


def _old(one: Found) -> Live | None:
    if one.journal is None:
        return one.live
    journal = one.journal
    if not journal.claim_uid:
        return None
    return Live(uid=journal.claim_uid, volume=journal.old_volume, template=journal.template)


def _steps(
    facts: VolumeRestoreFacts,
    targets: Sequence[SnapshotTarget | ArchiveTarget],
    users: Sequence[User],
    options: VolumeRestoreOptions,
) -> Iterator[Step]:
    for one in users:
        many = counted(one.replicas, "replica")
        yield Step(
            subject=one.name,
            act=f"scale to 0 while the volume is switched, then to {many} again",
            reason=f"it uses {listed(one.claims)}",
        )
    for target in targets:
        yield Step(subject=target.id, act=_act(target), reason=f"backup {facts.backup} has it, {_reason(target)}")
    if targets and options.switch:
        yield from map(step_of_check, facts.checks)


def _act(target: SnapshotTarget | ArchiveTarget) -> str:
    if isinstance(target, ArchiveTarget):
        made = f"let {target.record.node} restore its archive into {target.path}"
    else:
        made = f"make a volume of {target.request} from the snapshot {target.record.handle}"
    if not target.is_switched:
        return f"{made}, with the new claim {target.name}"
    kept = f", and keep the old volume {target.old_volume}" if target.old_volume else ""
    return f"{made}, and bind the claim to it{kept}"


def _reason(target: SnapshotTarget | ArchiveTarget) -> str:
    if isinstance(target, ArchiveTarget):
        return f"copied at {target.record.taken_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"cut at {target.record.cut_at:%Y-%m-%dT%H:%M:%SZ}; {target.source.why}"
