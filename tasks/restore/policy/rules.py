"""What forbids a restore of a whole cluster: another cluster's backup, words that do not fit, nodes that nobody stops."""

from collections.abc import Iterator, Sequence

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import Phase
from tasks.core.models.findings import refused
from tasks.core.models.plan import Refusal
from tasks.restore.models import ControlPlaneFacts, RestoreRequest, RestoreTarget


def refusals_of_backup(backup: Backup, request: RestoreRequest) -> Iterator[Refusal]:
    """It is of the cluster that it was said to be of."""
    wanted = request.from_cluster or request.cluster
    if backup.cluster != wanted:
        yield refused(
            backup.id,
            f"this backup is of cluster {backup.cluster}, not of {wanted}",
            f"name another backup, or say from_cluster={backup.cluster} if that is what you want",
        )


def refusals_of_confirmation(request: RestoreRequest) -> Iterator[Refusal]:
    """What is replaced has to be named."""
    if not request.is_confirmed:
        yield refused(
            "confirm",
            f"{request.confirm!r} does not repeat the cluster's name",
            f"say confirm={request.cluster}: what the cluster has now will be replaced",
        )


def refusals_of_lost(facts: ControlPlaneFacts, lost: Sequence[str]) -> Iterator[Refusal]:
    """Nodes that are gone are named as lost, nobody else is, and those that are named do not run."""
    known = [node.name for node in facts.nodes]
    known += [peer for node in facts.nodes if node.member for peer in node.member.peers if peer not in known]
    for name in lost:
        if name not in known:
            yield refused(
                "lost",
                f"{name} is neither a node of the profile nor a member of etcd",
                f"use some of {', '.join(known)}",
            )
    for node in facts.nodes:
        if node.unreached and node.name not in lost:
            yield refused(
                node.name,
                f"not reached: {node.unreached}",
                f"bring it back, or say lost=[{node.name!r}] if it is gone for good or may stay out",
            )
    for node in facts.nodes:
        if node.name in lost and not {"etcd", "kube-apiserver"}.isdisjoint(node.running):
            yield refused(
                node.name,
                f"named as lost, and runs {', '.join(node.running)}: that would go on with the old state",
                "power the machine off and keep it off, then run this again",
            )


def refusals_of_strangers(targets: Sequence[RestoreTarget], known: Sequence[str]) -> Iterator[Refusal]:
    """A member that nobody stops goes on with the old state, and so does its API server. `known` are lost or refused already."""
    ours = {target.member.name for target in targets}
    told = {peer: target.node for target in targets for peer in target.member.peers}
    for peer, node in told.items():
        if peer not in ours and peer not in known:
            yield refused(
                peer,
                f"{node} was told of a member {peer}, which is on no node of the profile",
                f"add its node to nodes:, or say lost=[{peer!r}] if it is gone for good",
            )


def refusals_of_under_way(facts: ControlPlaneFacts, backup: Backup) -> Iterator[Refusal]:
    """No second backup is restored over one that is half done; when API servers have run on it, there is no other way out."""
    record = facts.under_way
    if record and record.backup != backup.id and record.phase is not Phase.SERVING:
        yield refused(
            record.id,
            f"a restore of backup {record.backup} is under way, asked for is {backup.id}",
            f"finish it with backup={record.backup}, or put the old state back with rollback=true",
        )


def refusals_of_parts(
    cluster: str, targets: Sequence[RestoreTarget], control_planes: Sequence[str]
) -> Iterator[Refusal]:
    """Without a member there is nothing to restore, without an API server nothing to serve it."""
    by_hand = "check nodes: and ssh: of the profile; docs/etcd-restore.md has the way by hand"
    if not targets:
        yield refused(cluster, "no reachable node has an etcd member that is understood", by_hand)
    if not control_planes:
        yield refused(cluster, "no reachable node has the manifest of an API server", by_hand)
