"""Decides whether and how a cluster is restored to the state of a backup."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tasks.backup.models.backups import Backup
from tasks.control_plane.models import Phase, RestoreRecord
from tasks.core.models.findings import Finding, cautioned, softened
from tasks.core.models.plan import Caution, Refusal, Skip, figure
from tasks.core.words import duration_in_words
from tasks.restore.models import ControlPlaneFacts, RestorePlan, RestoreRequest, RestoreTarget
from tasks.restore.policy.acts import REVISION_BUMP, steps_of
from tasks.restore.policy.node import refusals_of_node
from tasks.restore.policy.origin import findings_of_origin, findings_of_proofs, findings_of_service
from tasks.restore.policy.rules import (
    refusals_of_backup,
    refusals_of_confirmation,
    refusals_of_lost,
    refusals_of_parts,
    refusals_of_strangers,
    refusals_of_under_way,
)
from tasks.restore.policy.unwell import cautions_of_unwell, electing, unwell_nodes


def backup_to_look_for(facts: ControlPlaneFacts, asked: str) -> str:
    """Returns the backup to find: `latest` is the backup of a restore in progress, or else the newest one."""
    return facts.under_way.backup if facts.under_way and asked == "latest" else asked


def plan_restore(
    facts: ControlPlaneFacts, backup: Backup, request: RestoreRequest, *, restore_id: str, now: datetime
) -> RestorePlan:
    """Plans every node, every action and what is lost by it, or lists every reason to refuse.

    A restore in progress on the nodes is resumed under its own id, unless its members have changed. In that case
    another attempt begins, which knows the previous one. The original data stays what `rollback` puts back. Another
    attempt also begins if API servers have run on the restored data and another backup is named.
    """
    present = facts.without(request.lost)
    targets = RestoreTarget.on(present)
    same = _attempt_to_go_on_with(facts.under_way, backup, targets)
    findings = _findings(facts, backup, request, same, now)
    plan = RestorePlan(
        id=same.id if same else _fresh_id(restore_id, facts),
        backup=backup.id,
        targets=targets,
        control_planes=tuple(node.name for node in present if node.is_control_plane),
        nodes=tuple(node.name for node in present),
        unwell=tuple(unwell_nodes(facts, present)),
        leaders=electing(present),
        replaces=same.replaces if same else facts.under_way,
        ended=any(restore_id in node.ended for node in facts.nodes) and facts.under_way is None,
        serving=same is not None and same.phase is Phase.SERVING,
        skips=tuple(
            Skip(subject=name, reason="named as lost: it is not part of the new cluster") for name in request.lost
        ),
        cautions=(
            *_cautions(facts, backup, request.lost, now),
            *(one for one in findings if isinstance(one, Caution)),
            *cautions_of_unwell(facts, present),
        ),
    )
    refusals = (
        *refusals_of_backup(backup, request),
        *refusals_of_confirmation(request),
        *refusals_of_lost(facts, request.lost),
        *refusals_of_strangers(targets, (*request.lost, *(node.name for node in facts.nodes if node.unreached))),
        *(refusal for node in present for refusal in refusals_of_node(node, backup, same)),
        *(one for one in findings if isinstance(one, Refusal)),
        *refusals_of_under_way(facts, backup),
        *refusals_of_parts(request.cluster, targets, plan.control_planes),
    )
    return plan.model_copy(update={"refusals": refusals} if refusals else {"steps": steps_of(plan, backup)})


def _attempt_to_go_on_with(
    record: RestoreRecord | None, backup: Backup, targets: Sequence[RestoreTarget]
) -> RestoreRecord | None:
    """Returns the attempt to resume; None if there is none, or if its members have changed.

    It is also None if API servers have run on its data and another backup is named. Only another backup helps then.
    """
    if record is None or record.members != tuple(target.member.name for target in targets):
        return None
    if record.backup != backup.id and record.phase is Phase.SERVING:
        return None
    return record


def _fresh_id(restore_id: str, facts: ControlPlaneFacts) -> str:
    """Returns an id that no attempt had before.

    A run that is retried after another run, or after a rollback, is another attempt.
    """
    record = facts.under_way
    taken = facts.over | {one.id for one in (record.chain if record else ())}
    ids = (restore_id, *(f"{number}-{restore_id}" for number in range(2, len(taken) + 3)))
    return next(one for one in ids if one not in taken)


def _findings(
    facts: ControlPlaneFacts, backup: Backup, request: RestoreRequest, same: RestoreRecord | None, now: datetime
) -> list[Finding]:
    """Returns the findings on the origin of the backup, and on whether the cluster works.

    A restore that has begun must finish, so for that one the findings stop nothing.
    """
    findings = [*findings_of_origin(facts, backup, facts.without(request.lost), request.may_differ)]
    findings += findings_of_proofs(facts)
    if not (same and same.phase is Phase.SERVING):  # what works then is the restored data
        healthy = request.replace_healthy
        findings += findings_of_service(facts, backup, request.cluster, now=now, replace_healthy=healthy)
    if same and same.phase not in {None, Phase.PREPARED}:
        return [softened(one) for one in findings]
    return findings


def _cautions(facts: ControlPlaneFacts, backup: Backup, lost: Sequence[str], now: datetime) -> Iterator[Caution]:
    taken, age = backup.snapshot.taken_at, duration_in_words(now - backup.snapshot.taken_at)
    yield cautioned(
        backup.id,
        f"everything written since {taken:%Y-%m-%d %H:%M:%S} UTC ({figure(age)} ago) will be gone",
        "make sure that no newer backup is what you want",
    )
    revision = backup.snapshot.revision
    if facts.live_revision is not None and facts.live_revision > revision:
        yield cautioned(
            "etcd",
            f"the cluster is at revision {figure(facts.live_revision)}, the backup at {revision}: "
            f"{_lost_revisions(facts.live_revision - revision)}",
            "take a backup of what is there first, while it can be read",
        )
    for name in lost:
        yield cautioned(
            name,
            "it is not part of the restored cluster and must not come back as it is: its etcd and its API server would "
            "continue with the old state",
            f"keep it off; afterwards `kubectl delete node {name}`, on it or on its replacement `kubeadm reset`, "
            "then `kubeadm join --control-plane`; if it is a worker, `systemctl restart kubelet` on it is enough",
        )


def _lost_revisions(difference: int) -> str:
    """Describes how many revisions are lost.

    A restore after the backup has added its thousand million, which nobody wrote, so they do not count.
    """
    bumps, written = divmod(difference, REVISION_BUMP)
    told = f"{figure(written)} revisions will be lost"
    return f"{told}, not counting what a restore since has added" if bumps else told
