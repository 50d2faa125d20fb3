"""What people read first of a rotation."""

from collections.abc import Sequence

from tasks.cert_rotation.models.rotation import Approved, NodeRotated, RotationPlan, RotationProof
from tasks.run.parts import times_of_parts


def summarize_rotation_plan(plan: RotationPlan) -> tuple[str, ...]:
    """For the report of a plan that is not done, or of certificates that all last."""
    if not plan.steps:
        return ("nothing to do: no certificate ends within that time, and every program has read what is on disk",)
    return (
        f"nothing was done: {len(plan.steps)} steps on {', '.join(dict.fromkeys(node.name for node in plan.nodes)) or 'no node'}",
        "to do them: the same parameters with mode=apply, or mode=approve to be asked first",
    )


def summarize_rotation(
    plan: RotationPlan, done: Sequence[NodeRotated], requests: Approved, proof: RotationProof
) -> tuple[str, ...]:
    """For the report of a rotation: what is new on each node, what was started anew, what was proven, what is left."""
    lines = []
    for one in done:
        ends = ", ".join(f"{name} until {end:%Y-%m-%d %H:%M}" for name, end in one.renewed.items()) or "nothing renewed"
        restarted = (
            f"; started anew, with the file's serial on the wire: {', '.join(one.restarted)}" if one.restarted else ""
        )
        lines.append(f"{times_of_parts(one)}: {ends}{restarted}")
    users = {user for one in done for user in one.users.values()}
    return (
        *lines,
        *([f"proven: the API knows {', '.join(sorted(users))}"] if users else []),
        f"proven: the worker gets in as {proof.worker_is}; leases renewed: {', '.join(proof.leases_renewed)}",
        *(f"NOT alive: {name}" for name in proof.not_ready),
        *(f"refreshed: {one.node}: {', '.join(one.copies)}" for one in done if one.copies),
        *(f"NOT refreshed: {one.node}: {path}: {why}" for one in done for path, why in one.copies_left.items()),
        *(f"approved: {name}" for name in requests.approved),
        *(f"NOT approved: {name}: {why}" for name, why in requests.left.items()),
        *(f"the folder of before: {one.copy_file} on {one.node}; it has keys in it" for one in done if one.copy_file),
        *(f"look at {caution.subject}: {caution.problem}" for caution in plan.cautions),
    )
