"""Summarizes a rotation: what people read first."""

from collections.abc import Sequence

from tasks.cert_rotation.models.rotation import Approved, NodeRotated, RotationPlan, RotationProof
from tasks.core.commands import TO_DO_IT
from tasks.core.words import counted
from tasks.run.parts import times_of_parts


def summarize_rotation_plan(plan: RotationPlan, expiry: str) -> tuple[str, ...]:
    """Returns the report text for a plan that is not applied, or for certificates that need nothing.

    `expiry` says when the certificates expire.
    """
    if not plan.steps:
        return (
            "nothing to do: every certificate is valid for long enough, and every process uses its current files",
            expiry,
        )
    return (
        f"nothing was done: {counted(len(plan.steps), 'step')} on {', '.join(dict.fromkeys(node.name for node in plan.nodes)) or 'no node'}",
        expiry,
        TO_DO_IT,
    )


def summarize_rotation(
    plan: RotationPlan, done: Sequence[NodeRotated], requests: Approved, proof: RotationProof
) -> tuple[str, ...]:
    """Returns the report text of a rotation.

    It says what is new on each node, what was restarted, what was proven, and what is left.
    """
    lines = (
        [f"certificates renewed on {counted(len(done), 'node')}: {', '.join(one.node for one in done)}"] if done else []
    )
    for one in done:
        ends = ", ".join(f"{name} until {end:%Y-%m-%d %H:%M}" for name, end in one.renewed.items()) or "nothing renewed"
        restarted = f"; restarted, and the file's serial is served: {', '.join(one.restarted)}" if one.restarted else ""
        lines.append(f"{times_of_parts(one)}: {ends}{restarted}")
    users = {user for one in done for user in one.users.values()}
    return (
        *lines,
        *([f"proven: the API knows {', '.join(sorted(users))}"] if users else []),
        f"proven: the API accepts the worker as {proof.worker_is}; leases renewed: {', '.join(proof.leases_renewed)}",
        *(f"NOT alive: {name}" for name in proof.not_ready),
        *(f"refreshed: {one.node}: {', '.join(one.copies)}" for one in done if one.copies),
        *(f"NOT refreshed: {one.node}: {path}: {why}" for one in done for path, why in one.copies_left.items()),
        *(f"approved: {name}" for name in requests.approved),
        *(f"NOT approved: {name}: {why}" for name, why in requests.left.items()),
        *(f"the previous files: {one.copy_file} on {one.node}; it has keys in it" for one in done if one.copy_file),
        *(f"check {caution.subject}: {caution.problem}" for caution in plan.cautions),
    )
