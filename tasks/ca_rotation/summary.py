"""Summarizes a stage: what people read first."""

from collections.abc import Mapping, Sequence

from tasks.ca_rotation.models import CaRotationPlan, NodeStaged, Published, Stage
from tasks.core.commands import CLUSTER, TO_DO_IT, run_command
from tasks.core.words import duration_in_words


def summarize_ca_rotation_plan(plan: CaRotationPlan) -> tuple[str, ...]:
    """Returns the report text for a stage that has not begun, or is already finished."""
    if not plan.steps:
        return (f"nothing to do: {plan.stage} of {plan.authority} is finished on every node",)
    names = ", ".join(dict.fromkeys(step.subject for step in plan.steps))
    return (f"nothing was done: this is the plan of {plan.stage} of {plan.authority} for {names}", TO_DO_IT)


def summarize_ca_rotation(
    plan: CaRotationPlan, done: Sequence[NodeStaged], published: Published, halves: Mapping[str, str]
) -> tuple[str, ...]:
    """Returns the report text of a stage: what was done, what to wait for, and what comes next."""
    sign, drop = (
        run_command("ca_rotation", CLUSTER, plan.authority, stage) for stage in (Stage.SIGN_WITH_NEW, Stage.DROP_OLD)
    )
    following = {
        Stage.TRUST_BOTH: f"next: restart pods that were started before, and run `{sign}`",
        Stage.SIGN_WITH_NEW: "next: give people and programs outside of the nodes certificates or tokens of the new one, "
        f"and run `{drop}`",
        Stage.DROP_OLD: "the rotation is finished",
    }
    return (
        f"{plan.stage} of {plan.authority} is finished on every node",
        *(f"{one.node}: {one.before} to {one.after} in {duration_in_words(one.took)}" for one in done),
        *(f"changed in the API: {name}" for name in published.changed),
        *(f"handed out by the cluster itself: {name}" for name in published.waited_for),
        *(f"{name}: the old key is in {folder}: destroy it when you are sure" for name, folder in halves.items()),
        following[plan.stage],
    )


def way_back(cluster: str, plan: CaRotationPlan) -> str:
    """Returns the command or the advice that undoes a stage, as long as the next one has not begun."""
    if plan.stage is Stage.TRUST_BOTH:
        return "trusting both CAs is safe; leave it as it is, or remove the new CA by hand (docs/ca-rotation.md)"
    stage = Stage.TRUST_BOTH if plan.stage is Stage.SIGN_WITH_NEW else Stage.SIGN_WITH_NEW
    return run_command("ca_rotation", cluster, plan.authority, stage)
