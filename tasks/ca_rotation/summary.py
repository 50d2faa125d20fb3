"""What people read first of a stage."""

from collections.abc import Mapping, Sequence

from tasks.ca_rotation.models import CaRotationPlan, NodeStaged, Published, Stage


def summarize_ca_rotation_plan(plan: CaRotationPlan) -> tuple[str, ...]:
    """For the report of a stage that is not begun, or has come to its end already."""
    if not plan.steps:
        return (f"nothing to do: {plan.stage} of {plan.authority} has come to its end on every node",)
    names = ", ".join(dict.fromkeys(step.subject for step in plan.steps))
    return (f"nothing was done: this is the plan of {plan.stage} of {plan.authority} for {names}",)


def summarize_ca_rotation(
    plan: CaRotationPlan, done: Sequence[NodeStaged], published: Published, halves: Mapping[str, str]
) -> tuple[str, ...]:
    """For the report of a stage: what was done, what is to be waited for, and what comes next."""
    following = {
        Stage.TRUST_BOTH: "next: restart pods that were started before, and run stage=sign-with-new",
        Stage.SIGN_WITH_NEW: "next: give people and programs outside of the nodes certificates or tokens of the new one, and run stage=drop-old",
        Stage.DROP_OLD: "the rotation has come to its end",
    }
    return (
        f"{plan.stage} of {plan.authority} has come to its end on every node",
        *(f"{one.node}: {one.before} to {one.after} in {one.took.total_seconds():.0f} s" for one in done),
        *(f"changed in the API: {name}" for name in published.changed),
        *(f"handed out by the cluster itself: {name}" for name in published.waited_for),
        *(f"{name}: the old key is in {folder}: destroy it when you are sure" for name, folder in halves.items()),
        following[plan.stage],
    )


def way_back(cluster: str, plan: CaRotationPlan) -> str:
    """What undoes a stage, as long as the next one has not begun."""
    if plan.stage is Stage.TRUST_BOTH:
        return "believing both harms nobody: leave it so, or take the new one out by hand (docs/ca-rotation.md)"
    stage = Stage.TRUST_BOTH if plan.stage is Stage.SIGN_WITH_NEW else Stage.SIGN_WITH_NEW
    parameters = f"-p cluster={cluster} -p authority={plan.authority} -p stage={stage}"
    return f"prefect deployment run ca_rotation/ca-rotation {parameters}"
