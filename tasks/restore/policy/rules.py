"""Decides what forbids a restore of a whole cluster.

It refuses another cluster's backup, a wrong confirmation, and nodes that nobody stops.
"""

from collections.abc import Iterator, Sequence

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import Phase
from tasks.core.models.findings import refused
from tasks.core.models.plan import Refusal
from tasks.restore.models import ControlPlaneFacts, RestoreRequest, RestoreTarget


def refusals_of_backup(backup: Backup, request: RestoreRequest) -> Iterator[Refusal]:
    """Refuses a backup that does not belong to the named cluster."""
    wanted = request.from_cluster or request.cluster
    if backup.cluster != wanted:
        yield refused(
            backup.id,
            f"this backup is of cluster {backup.cluster}, not of {wanted}",
            f"name another backup, or add --from-cluster={backup.cluster} if that is what you want",
        )


def refusals_of_confirmation(request: RestoreRequest) -> Iterator[Refusal]:
    """Refuses unless the operator names the cluster that is replaced."""
    if not request.is_confirmed:
        yield refused(
            "--confirm",
            f"{request.confirm!r} does not repeat the cluster's name",
            f"add --confirm={request.cluster}: what the cluster has now will be replaced",
        )


def refusals_of_lost(facts: ControlPlaneFacts, lost: Sequence[str]) -> Iterator[Refusal]:
    """Refuses wrong names of lost nodes.

    Every node that was not reached must be named as lost. Named nodes must be known, and must run neither etcd nor an
    API server. One whose processes cannot be seen may run both.
    """
    known = [node.name for node in facts.nodes]
    known += [peer for node in facts.nodes if node.member for peer in node.member.peers if peer not in known]
    for name in lost:
        if name not in known:
            yield refused(
                "--lost",
                f"{name} is neither a node of the profile nor a member of etcd",
                f"use some of {', '.join(known)}",
            )
    for node in facts.nodes:
        if node.unreached and node.name not in lost:
            yield refused(
                node.name,
                f"not reached: {node.unreached}",
                f"bring it back, or add --lost={node.name} if it is gone for good or may stay out",
            )
    for node in facts.nodes:
        if node.name in lost and not {"etcd", "kube-apiserver"}.isdisjoint(node.running):
            yield refused(
                node.name,
                f"named as lost, and runs {', '.join(node.running)}: that would continue with the old state",
                "power the node off and keep it off, then run this again",
            )
        elif node.name in lost and node.unseen:
            yield refused(
                node.name,
                f"named as lost, and it is not known whether etcd or an API server runs on it: {node.unseen}",
                "power the node off and keep it off, then run this again",
            )


def refusals_of_strangers(targets: Sequence[RestoreTarget], known: Sequence[str]) -> Iterator[Refusal]:
    """Refuses members on unknown nodes, because nobody stops them.

    Such a member continues with the old state, and so does its API server. `known` are lost or refused already.
    """
    ours = {target.member.name for target in targets}
    told = {peer: target.node for target in targets for peer in target.member.peers}
    for peer, node in told.items():
        if peer not in ours and peer not in known:
            yield refused(
                peer,
                f"{node} has a flag that names a member {peer}, which is on no node of the profile",
                f"add its node to nodes:, or add --lost={peer} if it is gone for good",
            )


def refusals_of_under_way(facts: ControlPlaneFacts, backup: Backup) -> Iterator[Refusal]:
    """Refuses to restore a second backup over an unfinished restore.

    If API servers have run on the restored data, it allows another backup, because there is no other way out.
    """
    record = facts.under_way
    if record and record.backup != backup.id and record.phase is not Phase.SERVING:
        yield refused(
            record.id,
            f"a restore of backup {record.backup} is under way, asked for is {backup.id}",
            f"finish it with --backup={record.backup}, or put the old state back with --rollback",
        )


def refusals_of_parts(
    cluster: str, targets: Sequence[RestoreTarget], control_planes: Sequence[str]
) -> Iterator[Refusal]:
    """Refuses if there is no member to restore, or no API server to serve it."""
    by_hand = "check nodes: and ssh: of the profile; docs/etcd-restore.md has the way by hand"
    if not targets:
        yield refused(cluster, "no reachable node has an etcd member whose configuration could be parsed", by_hand)
    if not control_planes:
        yield refused(cluster, "no reachable node has the manifest of an API server", by_hand)
