"""Decides whether and how the state from before a restore is put back."""

from collections.abc import Iterator, Sequence

from tasks.control_plane.models import ControlPlaneNode, Phase, RestoreRecord
from tasks.core.models.findings import refused
from tasks.core.models.plan import Refusal, Skip, Step
from tasks.restore.models import ControlPlaneFacts, RestorePlan, RestoreRequest, RestoreTarget
from tasks.restore.policy.node import refusals_of_processes
from tasks.restore.policy.rules import refusals_of_confirmation


def plan_rollback(facts: ControlPlaneFacts, request: RestoreRequest) -> RestorePlan:
    """Plans to put back the state from before an unfinished restore.

    Among several attempts, it is the state from before the first one.
    """
    record = facts.under_way
    present = [node for node in facts.nodes if not node.unreached]
    refusals = (
        *refusals_of_confirmation(request),
        *_refusals_of_record(record, request.cluster),
        *_refusals_of_unreached(facts, request.lost),
        *(refusal for node in facts.nodes for refusal in _refusals_of_node(node)),
    )
    return RestorePlan(
        id=record.id if record else "",
        backup=record.backup if record else "",
        replaces=record.replaces if record else None,
        targets=RestoreTarget.on(present),
        control_planes=tuple(node.name for node in present if node.is_control_plane),
        nodes=tuple(node.name for node in present),
        steps=_steps(record, present) if record else (),
        skips=tuple(
            Skip(subject=node.name, reason="named as lost: its old data stays where it is")
            for node in facts.nodes
            if node.unreached and node.name in request.lost
        ),
        refusals=refusals,
    )


def _refusals_of_record(record: RestoreRecord | None, cluster: str) -> Iterator[Refusal]:
    if record is None:
        yield refused(cluster, "no restore is under way on any node", "there is nothing to roll back")
    elif record.phase is Phase.SERVING:
        yield refused(
            cluster,
            "API servers have run on the restored data: the old data is behind it now",
            f"finish it with `kube-runbooks run etcd-restore CLUSTER --backup={record.backup} --mode=apply --confirm=CLUSTER`, or restore another backup",
        )


def _refusals_of_unreached(facts: ControlPlaneFacts, lost: Sequence[str]) -> Iterator[Refusal]:
    for node in facts.nodes:
        if node.unreached and node.name not in lost:
            yield refused(
                node.name,
                node.unreached,
                f"bring it back: its old state is on its disk; or add --lost={node.name} if it is gone for good",
            )


def _refusals_of_node(node: ControlPlaneNode) -> Iterator[Refusal]:
    """Returns what would stop the rollback half-way on a node."""
    if node.not_understood:
        yield refused(node.name, node.not_understood, "put its old data back by hand, as docs/etcd-restore.md says")
    yield from refusals_of_processes(node)


def _steps(record: RestoreRecord, present: Sequence[ControlPlaneNode]) -> tuple[Step, ...]:
    act = _back_in_words(record)
    return tuple(
        Step(subject=node.name, act=act, reason="rollback was asked for")
        for node in present
        if node.is_control_plane or node.has_etcd
    )


def _back_in_words(record: RestoreRecord) -> str:
    first, *others = record.attempts
    told = f" (the data from before attempt {first}, the first of {len(others) + 1})" if others else ""
    return f"stop the control plane, put the old data directory{told} and the manifests back, start it"
