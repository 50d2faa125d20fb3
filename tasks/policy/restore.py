"""Whether and how a cluster is brought back to the state of a backup."""

from collections.abc import Sequence
from datetime import datetime

from tasks.models.backups import Backup
from tasks.models.plan import Caution, Refusal, Skip, Step
from tasks.models.restore import ControlPlaneFacts, ControlPlaneNode, Phase, RestorePlan, RestoreTarget

REVISION_BUMP = 1_000_000_000
"""Added to the revision of the backup: more than any cluster writes in the week between a backup and its restore.
Controllers and kubelets then see every object as newer than what they remember."""

SPACE_FACTOR = 2.2
"""Times the snapshot, where the data directory is: the new one, and a log; the old one stays."""

WORK_FACTOR = 2
"""Times the snapshot, where it is downloaded to: compressed, and not."""


def plan_restore(  # noqa: PLR0913 - each is a fact or a word of the operator, by name
    facts: ControlPlaneFacts,
    backup: Backup,
    *,
    cluster: str,
    confirm: str,
    lost: Sequence[str] = (),
    from_cluster: str = "",
    restore_id: str,
    now: datetime,
) -> RestorePlan:
    """Every node, every act, what is lost by it; or every reason why not. `confirm` has to repeat the cluster's name.

    A restore that is under way on the nodes already is gone on with, under its own id.
    """
    under_way = _under_way(facts)
    present = [node for node in facts.nodes if not node.unreached]
    targets = tuple(
        RestoreTarget(node=node.name, member=node.member, tools=node.tools)
        for node in present
        if node.member and node.name not in lost
    )
    control_planes = tuple(node.name for node in present if node.is_control_plane and node.name not in lost)
    refusals = [
        *_refusals_of_backup(backup, cluster, from_cluster),
        *_refusals_of_input(facts, cluster, confirm, lost),
        *(refusal for node in present if node.name not in lost for refusal in _refusals_of_node(node, backup)),
        *([_other(under_way[1], backup.id, under_way[0])] if under_way and under_way[1] != backup.id else []),
    ]
    if not targets:
        refusals.append(
            Refusal(
                subject=cluster,
                problem="no reachable node has an etcd member of kubeadm's making",
                next_step="check nodes: and ssh: of the profile; an etcd that is not a static pod is restored by hand",
            )
        )
    return RestorePlan(
        id=under_way[0] if under_way else restore_id,
        backup=backup.id,
        targets=targets,
        control_planes=control_planes,
        others=tuple(node.name for node in present if node.name not in control_planes),
        steps=() if refusals else _steps(targets, control_planes, present, backup),
        skips=tuple(Skip(subject=name, reason="named as lost: it is not part of the new cluster") for name in lost),
        cautions=_cautions(facts, backup, lost, now),
        refusals=tuple(refusals),
    )


def plan_rollback(facts: ControlPlaneFacts, *, cluster: str, confirm: str) -> RestorePlan:
    """The state from before a restore that did not get to its end, put back."""
    under_way = _under_way(facts)
    nodes = [node for node in facts.nodes if node.record]
    refusals = []
    if confirm != cluster:
        refusals.append(_not_confirmed(cluster, confirm))
    if under_way is None:
        refusals.append(
            Refusal(
                subject=cluster,
                problem="no restore is under way on any node",
                next_step="there is nothing to roll back",
            )
        )
    served = [node.name for node in nodes if node.record and node.record.phase is Phase.SERVING]
    if served:
        refusals.append(
            Refusal(
                subject=", ".join(served),
                problem="API servers have run on the restored data: the old data is behind it now",
                next_step="run etcd_restore_from_s3 to its end, or restore another backup",
            )
        )
    refusals += [
        Refusal(subject=node.name, problem=node.unreached, next_step="bring it back: its old state is on its disk")
        for node in facts.nodes
        if node.unreached
    ]
    return RestorePlan(
        id=under_way[0] if under_way else "",
        backup=under_way[1] if under_way else "",
        targets=tuple(
            RestoreTarget(node=node.name, member=node.member, tools=node.tools) for node in nodes if node.member
        ),
        control_planes=tuple(node.name for node in facts.nodes if node.is_control_plane),
        steps=tuple(
            Step(
                subject=node.name,
                act="put the old data directory and the manifests back",
                reason="rollback was asked for",
            )
            for node in nodes
        ),
        refusals=tuple(refusals),
    )


def _under_way(facts: ControlPlaneFacts) -> tuple[str, str] | None:
    """Id and backup of the restore that some node has a record of."""
    records = [node.record for node in facts.nodes if node.record]
    return (records[0].id, records[0].backup) if records else None


def _refusals_of_backup(backup: Backup, cluster: str, from_cluster: str) -> list[Refusal]:
    wanted = from_cluster or cluster
    if backup.cluster == wanted:
        return []
    return [
        Refusal(
            subject=backup.id,
            problem=f"this backup is of cluster {backup.cluster}, not of {wanted}",
            next_step=f"name another backup, or say from_cluster={backup.cluster} if that is what you want",
        )
    ]


def _refusals_of_input(facts: ControlPlaneFacts, cluster: str, confirm: str, lost: Sequence[str]) -> list[Refusal]:
    known = {node.name for node in facts.nodes}
    refusals = [_not_confirmed(cluster, confirm)] if confirm != cluster else []
    refusals += [
        Refusal(
            subject="lost", problem=f"{name} is no node of the profile", next_step=f"use some of {', '.join(known)}"
        )
        for name in lost
        if name not in known
    ]
    return refusals + [
        Refusal(
            subject=node.name,
            problem=f"not reached: {node.unreached}",
            next_step=f"bring it back, or say lost=[{node.name!r}] if it is gone for good or may stay out",
        )
        for node in facts.nodes
        if node.unreached and node.name not in lost
    ]


def _not_confirmed(cluster: str, confirm: str) -> Refusal:
    return Refusal(
        subject="confirm",
        problem=f"{confirm!r} does not repeat the cluster's name",
        next_step=f"say confirm={cluster}: what the cluster has now will be replaced",
    )


def _refusals_of_node(node: ControlPlaneNode, backup: Backup) -> list[Refusal]:
    if not node.has_etcd:
        return []
    size = backup.snapshot.plain.size
    prepared = node.record is not None and node.record.phase is not None
    needed, work = int(size * SPACE_FACTOR), int(size * WORK_FACTOR)
    found: list[tuple[str, str]] = []
    if node.missing:
        found.append((f"has no {' and no '.join(node.missing)}", "install it there"))
    if node.not_understood:
        found.append((node.not_understood, "restore by hand, as docs/etcd-restore.md says"))
    if node.tools_problem:
        found.append((node.tools_problem, "install etcdutl of the backup's minor version on the node"))
    if node.member and not prepared and node.member.free_bytes < needed:
        found.append(
            (
                f"{node.member.data_dir} has {node.member.free_bytes} bytes free, a second data directory needs {needed}",
                "free space there; the old data directory is kept",
            )
        )
    if not prepared and node.work_free_bytes < work:
        found.append(
            (f"/var/lib/kube-runbooks has {node.work_free_bytes} bytes free, the snapshot needs {work}", "free it")
        )
    return [Refusal(subject=node.name, problem=problem, next_step=step) for problem, step in found]


def _other(backup: str, asked: str, restore_id: str) -> Refusal:
    return Refusal(
        subject=restore_id,
        problem=f"a restore of backup {backup} is under way, asked for is {asked}",
        next_step=f"finish it with backup={backup}, or put the old state back with rollback=true",
    )


def _steps(
    targets: Sequence[RestoreTarget], control_planes: Sequence[str], present: Sequence[ControlPlaneNode], backup: Backup
) -> tuple[Step, ...]:
    size = backup.snapshot.plain.size
    return (
        *(
            Step(
                subject=target.node,
                act=f"fetch {size} bytes, check their sha256, `etcdutl snapshot restore` beside {target.member.data_dir}",
                reason="nothing is stopped before every member's new data is there and proven",
            )
            for target in targets
        ),
        *(
            Step(
                subject=name,
                act="park the manifests of API server, controllers and etcd; prove that they are gone",
                reason="no API server may run while etcd is replaced",
            )
            for name in control_planes
        ),
        *(
            Step(
                subject=target.node,
                act=f"keep {target.member.data_dir} as {kept_as(target)} and put the new data in its place",
                reason=f"{target.member.data_bytes} bytes of old data are never deleted by us",
            )
            for target in targets
        ),
        Step(
            subject=", ".join(target.node for target in targets),
            act="start etcd; prove quorum, one cluster, equal hashes",
            reason=f"a new cluster, its revision {REVISION_BUMP} above the backup's: no watcher takes old for new",
        ),
        *(
            Step(
                subject=name,
                act="start API server, then controller manager and scheduler",
                reason="etcd is proven by then",
            )
            for name in control_planes
        ),
        *(
            Step(subject=node.name, act="restart kubelet", reason="it must not go on with what it remembers")
            for node in present
        ),
    )


def kept_as(target: RestoreTarget) -> str:
    """Where the old data stays; the id of the restore takes the place of `ID`."""
    member = target.member
    return f"{member.data_dir}/before-ID" if member.is_mount else f"{member.data_dir}.before-ID"


def _cautions(facts: ControlPlaneFacts, backup: Backup, lost: Sequence[str], now: datetime) -> tuple[Caution, ...]:
    age = now - backup.snapshot.taken_at
    cautions = [
        Caution(
            subject=backup.id,
            problem=f"everything that was written since {backup.snapshot.taken_at:%Y-%m-%d %H:%M:%S} UTC ({_in_words(age.total_seconds())} ago) will be gone",
            next_step="make sure that no newer backup is what you want",
        )
    ]
    if facts.live_revision is not None and facts.live_revision > backup.snapshot.revision:
        cautions.append(
            Caution(
                subject="etcd",
                problem=f"the cluster is at revision {facts.live_revision}, the backup at {backup.snapshot.revision}: "
                f"{facts.live_revision - backup.snapshot.revision} revisions will be lost",
                next_step="take a backup of what is there first, if it still can be read",
            )
        )
    cautions += [
        Caution(
            subject=name,
            problem="it is not part of the new cluster",
            next_step=f"afterwards: kubectl delete node {name}; on it, or on its replacement: kubeadm reset, kubeadm join --control-plane",
        )
        for name in lost
    ]
    return tuple(cautions)


def _in_words(seconds: float) -> str:
    minutes = int(seconds) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"
