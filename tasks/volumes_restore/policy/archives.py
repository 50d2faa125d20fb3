"""Decides whether an archive can become a volume of its node, and whether pods can use that volume there."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tasks.core.models.findings import Finding, Problem, cautioned, refused
from tasks.core.models.plan import Refusal
from tasks.drain.policy.places import why_not
from tasks.drain.policy.selectors import suits
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import NodeTerm, Pod
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.places import Place, Target
from tasks.volumes.policy.room import NAME_ONE, what_has_no_room, what_is_in_the_way
from tasks.volumes_restore.models.facts import ArchiveFound, Existing, Live
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.users import BESIDE

BY_HAND = "restore it by hand: docs/volumes-backup.md has the commands"


def what_is_elsewhere(one: Archive, cluster: str) -> Problem:
    """Returns why an archive of another cluster is not restored."""
    text = f"its archive is of the node {one.node} of the cluster {cluster}, which is no node of this one"
    return Problem(text=text, next_step=BY_HAND)


def what_is_gone(one: Archive) -> Problem:
    """Returns why an archive is not restored whose node the API does not have."""
    return Problem(text=f"there is no node {one.node} any more, of which its archive is", next_step=BY_HAND)


def why_no_pod_starts(node: KubeNode, terms: Sequence[NodeTerm] | None, pods: Sequence[Pod]) -> Problem | None:
    """Returns why pods could not use the new volume; None if they can. A folder of a node binds its pods to that node.

    Args:
        node: the one of the archive, as the API has it
        terms: nodeAffinity of the new volume
        pods: those that use the claim now
    """
    show = f"`kubectl describe node {node.name}` shows it"
    if node.cordoned:
        return _stuck(node, "is cordoned", f"kubectl uncordon {node.name}")
    if not node.ready:
        return _stuck(node, f"is not Ready ({node.ready_message})", show)
    if not suits(terms, node):
        text = f"{node.name} does not match the nodeAffinity of its new volume: no pod could use it"
        return Problem(text=text, next_step=f"correct the labels of the node: {show}; {BESIDE}")
    for pod in pods:
        if reason := why_not(pod, (), node):
            return _stuck(node, f"{reason}, as the pod {pod.name} would see it", f"{show}; correct the workload")
    return None


def _stuck(node: KubeNode, reason: str, next_step: str) -> Problem:
    return Problem(
        text=f"its new volume is on {node.name}, and no pod could start there: {node.name} {reason}",
        next_step=f"{next_step}; {BESIDE}",
    )


def why_not_free(one: Archive, volume: Existing, name: str, claim: Live | None) -> Problem | None:
    """Returns why a volume that has the name of the new one is not used; None if an earlier attempt made it.

    Args:
        one: the archive
        volume: the one that exists
        name: of the claim that gets the new volume
        claim: that claim, if it exists
    """
    is_ours = volume.made_of == one.data_key and volume.claim == f"{one.namespace}/{name}"
    if is_ours and volume.claim_uid in {"", claim.uid if claim else ""}:
        return None
    return Problem(
        text=f"there is a volume {volume.name} already, and it is not free: its claim is {volume.claim}",
        next_step=f"`kubectl get pv {volume.name} -o yaml` shows it with its folder: delete both if nobody needs them",
    )


def findings_of_archive(one: ArchiveFound, target: Target, options: VolumeRestoreOptions) -> Iterator[Finding]:
    """Yields what forbids to restore an archive, and what a person has to know."""
    for problem in one.problems:
        yield refused(one.id, problem.text, problem.next_step)
    if one.place:
        yield from _of_place(one, one.place, target)
    if one.record.fuzzy:
        yield cautioned(
            one.id,
            f"its archive is fuzzy ({one.record.fuzzy}): its files may not fit together",
            "leave out --switch, and check the data beside the old volume first" if options.switch else "",
        )
    if one.policy == "Delete" and options.switch:
        yield cautioned(
            one.id,
            "the new volume has Retain, also in the end, and at the backup the volume had Delete: nothing deletes a folder that no "
            "provisioner made",
            f"when nobody needs it any more, delete the volume {one.volume} and its folder yourself",
        )


def _of_place(one: ArchiveFound, place: Place, target: Target) -> Iterator[Finding]:
    node = one.record.node
    if one.folder and one.folder != target.path:
        text = f"an earlier run has restored it into {one.folder} on {node}, and this one names {target.path}"
        yield refused(one.id, text, f"give --path={one.folder}, or leave out --path if that run had none")
    elif wrong := what_is_in_the_way(place, target, node):
        yield refused(one.id, wrong.text, wrong.next_step)
    elif place.is_apart and not target.is_named:
        text = f"{one.record.path} is a file system of its own, and the new folder is on {place.filesystem} of {node}"
        yield cautioned(one.id, text, f"if that is not meant, {NAME_ONE}")


def findings_of_path(archives: Sequence[ArchiveFound], options: VolumeRestoreOptions) -> Iterator[Refusal]:
    """Yields a refusal if a path is named, and not one archive alone is selected."""
    if options.path and len(archives) != 1:
        text = f"--path is the folder of one archive, and {len(archives)} archives are selected"
        yield refused("options", text, "select the claim of one archive with --select-claims, or leave out --path")


def findings_of_room(archives: Sequence[ArchiveFound]) -> Iterator[Finding]:
    """Yields a refusal for each file system that has no room for all archives that it gets, and what is not certain about that."""
    writing = [(one.record.node, one.place) for one in archives if one.place and one.place.needs_room]
    doubts = {(node, doubt.text): doubt.next_step for node, place in writing for doubt in place.doubts}
    for (node, text), next_step in doubts.items():
        yield cautioned(node, text, next_step)
    together: dict[tuple[str, str], list[tuple[Archive, Place]]] = defaultdict(list)
    for one in archives:
        if one.place:
            together[one.record.node, one.place.filesystem].append((one.record, one.place))
    for wanted in together.values():
        if wrong := what_has_no_room(wanted):
            yield refused(wanted[0][0].id, wrong.text, wrong.next_step)
