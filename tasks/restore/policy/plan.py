"""Whether and how a cluster is brought back to the state of a backup."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import ControlPlaneNode, Phase, RestoreRecord
from tasks.core.models.findings import softened
from tasks.core.models.folders import RESTORES
from tasks.core.models.kubeadm import MANIFESTS, PARKED
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure
from tasks.restore.models import ControlPlaneFacts, Difference, RestorePlan, RestoreTarget
from tasks.restore.policy.origin import findings_of_origin, findings_of_service, in_words

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
    may_differ: Sequence[Difference] = (),
    replace_healthy: bool = False,
    restore_id: str,
    now: datetime,
) -> RestorePlan:
    """Every node, every act, what is lost by it; or every reason why not. `confirm` has to repeat the cluster's name.

    A restore that is under way on the nodes is gone on with, under its own id, unless its members are not these any
    more: then another attempt begins, which knows the one before, and the original data stays what `rollback` puts back.
    Another attempt also begins if API servers have run on the restored data and another backup is named.
    """
    present = [node for node in facts.nodes if not node.unreached and node.name not in lost]
    targets = tuple(
        RestoreTarget(node=node.name, member=node.member, tools=node.tools) for node in present if node.member
    )
    control_planes = tuple(node.name for node in present if node.is_control_plane)
    record = facts.under_way
    another = record is not None and record.backup != backup.id
    is_same = record is not None and record.members == tuple(target.member.name for target in targets)
    # With API servers on the restored data there is no rollback: if that data is bad, only another backup helps.
    same = record if is_same and not (another and record and record.phase is Phase.SERVING) else None
    refusals = [
        *_refusals_of_backup(backup, cluster, from_cluster),
        *_refusals_of_input(facts, cluster, confirm, lost),
        *_refusals_of_strangers(targets, (*lost, *(node.name for node in facts.nodes if node.unreached))),
        *(refusal for node in present for refusal in _refusals_of_node(node, backup, same)),
    ]
    findings = [*findings_of_origin(facts, backup, present, may_differ)]
    if not (same and same.phase is Phase.SERVING):  # what works then is the restored data
        findings += findings_of_service(facts, backup, cluster, now=now, replace_healthy=replace_healthy)
    if same and same.phase not in {None, Phase.PREPARED}:  # what was begun has to come to its end
        findings = [softened(one) for one in findings]
    refusals += [one for one in findings if isinstance(one, Refusal)]
    if record and another and record.phase is not Phase.SERVING:
        refusals.append(_other(record.backup, backup.id, record.id))
    if not targets:
        refusals.append(_nobody(cluster, "no reachable node has an etcd member that is understood"))
    if not control_planes:
        refusals.append(_nobody(cluster, "no reachable node has the manifest of an API server"))
    plan = RestorePlan(
        id=same.id if same else _fresh(restore_id, facts),
        backup=backup.id,
        targets=targets,
        control_planes=control_planes,
        nodes=tuple(node.name for node in present),
        replaces=same.replaces if same else record,
        ended=any(restore_id in node.ended for node in facts.nodes) and record is None,
        serving=same is not None and same.phase is Phase.SERVING,
        skips=tuple(Skip(subject=name, reason="named as lost: it is not part of the new cluster") for name in lost),
        cautions=(
            *_cautions(facts, backup, lost, now),
            *(one for one in findings if isinstance(one, Caution)),
        ),
        refusals=tuple(refusals),
    )
    return plan if refusals else plan.model_copy(update={"steps": _steps(plan, backup)})


def etcdutl_words(plan: RestorePlan, target: RestoreTarget) -> tuple[str, ...]:
    """The command line that makes a member's new data directory, in the folder with `snapshot.db`."""
    member = target.member
    return (
        *(f"{target.tools}/etcdutl", "snapshot", "restore", "snapshot.db"),
        *("--data-dir", str(member.beside(f"restore-{plan.id}")), "--name", member.name),
        *("--initial-cluster", plan.initial_cluster, "--initial-cluster-token", plan.id),
        *("--initial-advertise-peer-urls", member.peer_url),
        *("--bump-revision", str(REVISION_BUMP), "--mark-compacted"),
    )


def plan_rollback(facts: ControlPlaneFacts, *, cluster: str, confirm: str, lost: Sequence[str] = ()) -> RestorePlan:
    """The state from before a restore that did not get to its end, put back: of several attempts, from before the first."""
    record = facts.under_way
    refusals = [_not_confirmed(cluster, confirm)] if confirm != cluster else []
    if record is None:
        refusals.append(
            Refusal(
                subject=cluster,
                problem="no restore is under way on any node",
                next_step="there is nothing to roll back",
            )
        )
    elif record.phase is Phase.SERVING:
        refusals.append(
            Refusal(
                subject=cluster,
                problem="API servers have run on the restored data: the old data is behind it now",
                next_step=f"run etcd_restore_from_s3 with backup={record.backup} to its end, or restore another backup",
            )
        )
    refusals += [
        Refusal(
            subject=node.name,
            problem=node.unreached,
            next_step=f"bring it back: its old state is on its disk; or say lost=[{node.name!r}] if it is gone for good",
        )
        for node in facts.nodes
        if node.unreached and node.name not in lost
    ]
    refusals += [refusal for node in facts.nodes for refusal in _refusals_of_rollback(node)]
    present = [node for node in facts.nodes if not node.unreached]
    return RestorePlan(
        id=record.id if record else "",
        backup=record.backup if record else "",
        replaces=record.replaces if record else None,
        targets=tuple(
            RestoreTarget(node=node.name, member=node.member, tools=node.tools) for node in present if node.member
        ),
        control_planes=tuple(node.name for node in present if node.is_control_plane),
        nodes=tuple(node.name for node in present),
        steps=tuple(
            Step(
                subject=node.name,
                act=_back_in_words(record),
                reason="rollback was asked for",
            )
            for node in present
            if record and (node.is_control_plane or node.has_etcd)
        ),
        skips=tuple(
            Skip(subject=node.name, reason="named as lost: its old data stays where it is")
            for node in facts.nodes
            if node.unreached and node.name in lost
        ),
        refusals=tuple(refusals),
    )


def _refusals_of_rollback(node: ControlPlaneNode) -> Iterator[Refusal]:
    """What would stop it half-way."""
    if node.not_understood:
        yield Refusal(
            subject=node.name,
            problem=node.not_understood,
            next_step="put its old data back by hand, as docs/etcd-restore.md says",
        )
    yield from _processes(node)


def _back_in_words(record: RestoreRecord) -> str:
    first, *others = record.attempts
    told = f" (the data from before attempt {first}, the first of {len(others) + 1})" if others else ""
    return f"stop the control plane, put the old data directory{told} and the manifests back, start it"


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
    known = [node.name for node in facts.nodes]
    known += [peer for node in facts.nodes if node.member for peer in node.member.peers if peer not in known]
    refusals = [_not_confirmed(cluster, confirm)] if confirm != cluster else []
    refusals += [
        Refusal(
            subject="lost",
            problem=f"{name} is neither a node of the profile nor a member of etcd",
            next_step=f"use some of {', '.join(known)}",
        )
        for name in lost
        if name not in known
    ]
    return (
        refusals
        + [
            Refusal(
                subject=node.name,
                problem=f"not reached: {node.unreached}",
                next_step=f"bring it back, or say lost=[{node.name!r}] if it is gone for good or may stay out",
            )
            for node in facts.nodes
            if node.unreached and node.name not in lost
        ]
        + [
            Refusal(
                subject=node.name,
                problem=f"named as lost, and runs {', '.join(node.running)}: that would go on with the old state",
                next_step="power the machine off and keep it off, then run this again",
            )
            for node in facts.nodes
            if node.name in lost and not {"etcd", "kube-apiserver"}.isdisjoint(node.running)
        ]
    )


def _refusals_of_strangers(targets: Sequence[RestoreTarget], known: Sequence[str]) -> list[Refusal]:
    """A member that nobody stops goes on with the old state, and so does its API server. `known` are lost or refused already."""
    ours = {target.member.name for target in targets}
    told = {peer: target.node for target in targets for peer in target.member.peers}
    return [
        Refusal(
            subject=peer,
            problem=f"{node} was told of a member {peer}, which is on no node of the profile",
            next_step=f"add its node to nodes:, or say lost=[{peer!r}] if it is gone for good",
        )
        for peer, node in told.items()
        if peer not in ours and peer not in known
    ]


def _not_confirmed(cluster: str, confirm: str) -> Refusal:
    return Refusal(
        subject="confirm",
        problem=f"{confirm!r} does not repeat the cluster's name",
        next_step=f"say confirm={cluster}: what the cluster has now will be replaced",
    )


def _nobody(cluster: str, problem: str) -> Refusal:
    return Refusal(
        subject=cluster,
        problem=problem,
        next_step="check nodes: and ssh: of the profile; docs/etcd-restore.md has the way by hand",
    )


def _fresh(restore_id: str, facts: ControlPlaneFacts) -> str:
    """An id that no attempt had before: a run that is retried after another one, or after a rollback, is another attempt."""
    record = facts.under_way
    taken = facts.over | {one.id for one in (record.chain if record else ())}
    ids = (restore_id, *(f"{number}-{restore_id}" for number in range(2, len(taken) + 3)))
    return next(one for one in ids if one not in taken)


def _refusals_of_node(node: ControlPlaneNode, backup: Backup, same: RestoreRecord | None) -> list[Refusal]:
    found = _problems_of_member(node, backup, same) if node.has_etcd else []
    return [
        *_processes(node),
        *(Refusal(subject=node.name, problem=problem, next_step=step) for problem, step in found),
    ]


def _processes(node: ControlPlaneNode) -> Iterator[Refusal]:
    """What cannot be seen cannot be proven to have stopped; and who has the database open would write to it."""
    if node.unseen and (node.has_etcd or node.is_control_plane):
        yield Refusal(
            subject=node.name,
            problem=f"nobody knows what runs on it: {node.unseen}",
            next_step="give the login of ssh: full sudo there",
        )
    if node.member and node.member.held_by:
        yield Refusal(
            subject=node.name,
            problem=f"{node.member.held_by} has the database in {node.member.data_dir} open, and is neither the static pod "
            "etcd nor etcd.service",
            next_step="end it: these files are replaced",
        )


def _problems_of_member(node: ControlPlaneNode, backup: Backup, same: RestoreRecord | None) -> list[tuple[str, str]]:
    found = [(f"has no {program}", "install it there") for program in node.missing]
    if node.not_understood:
        found.append((node.not_understood, "restore by hand, as docs/etcd-restore.md says"))
    if node.tools_problem:
        found.append((node.tools_problem, "put etcdutl of that minor version on the node"))
    if node.client_problem:
        step = "renew it there (kubeadm's: `kubeadm certs renew etcd-healthcheck-client`): the proof of etcd needs it"
        found.append((node.client_problem, step))
    if node.member and (wrong := _version_problem(node.member.minor, backup.snapshot.etcd_version)):
        found.append((wrong, "restore with the minor version of etcd that took the backup, then upgrade"))
    if not (same and node.record and node.record.id == same.id and node.record.phase):  # space was needed once
        found += _space_problems(node, backup.snapshot.plain.size)
    return found


def _version_problem(minor: str, taken_by: str) -> str:
    """etcd reads data of its own minor version and of the one before."""
    mine, theirs = _parts(minor), _parts(taken_by)
    if not mine:
        return f"its etcd's version is not known, the backup is of {taken_by}"
    if mine[0] == theirs[0] and mine[1] - theirs[1] in {0, 1}:
        return ""
    return f"its etcd is {minor}, the backup was taken by {taken_by}"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part)


def _space_problems(node: ControlPlaneNode, size: int) -> list[tuple[str, str]]:
    needed, work = int(size * SPACE_FACTOR), int(size * WORK_FACTOR)
    found = []
    if node.member and node.member.free_bytes < needed:
        found.append(
            (
                f"{node.member.data_dir} has {node.member.free_bytes} bytes free, a second data directory needs {needed}",
                "free space there; the old data directory is kept",
            )
        )
    if node.work_free_bytes < work:
        found.append(
            (f"{RESTORES} has {node.work_free_bytes} bytes free, the snapshot needs {work}", "free space there")
        )
    return found


def _other(backup: str, asked: str, restore_id: str) -> Refusal:
    return Refusal(
        subject=restore_id,
        problem=f"a restore of backup {backup} is under way, asked for is {asked}",
        next_step=f"finish it with backup={backup}, or put the old state back with rollback=true",
    )


def _steps(plan: RestorePlan, backup: Backup) -> tuple[Step, ...]:
    size = backup.snapshot.plain.size
    return (
        *(
            Step(
                subject=target.node,
                act=f"fetch {size} bytes, check their sha256, `{shlex.join(etcdutl_words(plan, target))}`",
                reason="nothing is stopped before every member's new data is there",
            )
            for target in plan.targets
        ),
        *(
            Step(
                subject=name,
                act=f"`mv {MANIFESTS}/*.yaml {PARKED}/` of API server, controller manager, scheduler; then etcd; prove that they are gone",
                reason="no API server may run while etcd is replaced",
            )
            for name in plan.control_planes
        ),
        *(
            Step(
                subject=target.node,
                act=_swap_in_words(plan, target),
                reason=f"{figure(target.member.data_bytes)} bytes of old data are never deleted by us",
            )
            for target in plan.targets
        ),
        Step(
            subject=", ".join(target.node for target in plan.targets),
            act="put etcd's manifest back, or start its unit; prove quorum, one cluster, equal hashes",
            reason=f"a new cluster, its revision {REVISION_BUMP} above the backup's: no watcher takes old for new",
        ),
        Step(
            subject=", ".join(plan.control_planes),
            act="put back the manifests of API servers, then of controller managers and schedulers",
            reason="etcd is proven by then",
        ),
        Step(
            subject=", ".join(plan.nodes),
            act="`systemctl restart kubelet`; prove leases, nodes, a write, a watch",
            reason="kubelets must not go on with what they remember",
        ),
    )


def _swap_in_words(plan: RestorePlan, target: RestoreTarget) -> str:
    member = target.member
    data, kept, new = member.data_dir, member.beside(f"before-{plan.id}"), member.beside(f"restore-{plan.id}")
    below = "/member" if member.is_mount else ""
    aside = member.beside(f"attempt-{plan.id}")
    told = f" (to {aside} where an earlier attempt has kept the original already)" if plan.record.attempts[1:] else ""
    return f"`mv {data}{below} {kept}{below}`{told}, `mv {new}{below} {data}{below}`"


def _cautions(facts: ControlPlaneFacts, backup: Backup, lost: Sequence[str], now: datetime) -> tuple[Caution, ...]:
    taken, age = backup.snapshot.taken_at, in_words((now - backup.snapshot.taken_at).total_seconds())
    cautions = [
        Caution(
            subject=backup.id,
            problem=f"everything written since {taken:%Y-%m-%d %H:%M:%S} UTC ({figure(age)} ago) will be gone",
            next_step="make sure that no newer backup is what you want",
        )
    ]
    revision = backup.snapshot.revision
    if facts.live_revision is not None and facts.live_revision > revision:
        cautions.append(
            Caution(
                subject="etcd",
                problem=f"the cluster is at revision {figure(facts.live_revision)}, the backup at {revision}: "
                f"{_lost_revisions(facts.live_revision - revision)}",
                next_step="take a backup of what is there first, while it can be read",
            )
        )
    return (*cautions, *(_lost(name) for name in lost))


def _lost_revisions(difference: int) -> str:
    """A restore after the backup has added its thousand million, which nobody wrote."""
    bumps, written = divmod(difference, REVISION_BUMP)
    told = f"{figure(written)} revisions will be lost"
    return f"{told}, not counting what a restore since has added" if bumps else told


def _lost(name: str) -> Caution:
    return Caution(
        subject=name,
        problem="it is not part of the new cluster, and must not come back as it is: its etcd and its API server would "
        "go on with the old state",
        next_step=f"keep it off; afterwards `kubectl delete node {name}`, on it or on its replacement `kubeadm reset`, "
        "then `kubeadm join --control-plane`; if it is a worker, `systemctl restart kubelet` on it is enough",
    )
