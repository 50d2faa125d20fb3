"""What people read first of one node drained, back in service, or rebooted."""

from collections.abc import Sequence

from tasks.core.models.plan import Plan
from tasks.drain.models import Drained
from tasks.node_service.models import Request, Uncordoned
from tasks.os_patch.models.outcome import NodePatched
from tasks.os_patch.summary import line_of, proofs_of
from tasks.run.parts import what_was_noticed


def summarize_service(request: Request, plan: Plan) -> tuple[str, ...]:
    """For the report of a plan that nobody has asked to apply, or that has nothing to do."""
    if not plan.steps:
        return tuple(f"{skip.subject}: {skip.reason}" for skip in plan.skips)
    return (
        f"nothing was done: {plan.steps[0].act} {request.node} is the plan, for {request.in_words}",
        "to do it: the same parameters with mode=apply, or mode=approve to be asked first",
    )


def summarize_drain(request: Request, drained: Drained, cluster: str) -> tuple[str, ...]:
    """For the report of a node that is out of service."""
    back = f"prefect deployment run node_uncordon/node-uncordon -p cluster={cluster} -p node={request.node}"
    whose = (
        f"{request.node} was cordoned before, by somebody else, and stays so"
        if drained.cordoned_before
        else f"{request.node} is out of service for {request.in_words}; back: {back} -p reason=..."
    )
    return (
        whose,
        f"{len(drained.evicted)} pods evicted in {drained.took.total_seconds():.0f} s, {len(drained.left)} stay",
        *drained.waited_for,
        *drained.still_attached,
    )


def summarize_uncordon(request: Request, done: Uncordoned) -> tuple[str, ...]:
    """For the report of a node that is back."""
    before = f"; it was cordoned: {done.reason}" if done.reason else ""
    return (
        f"{done.node} is in service, for {request.in_words}{before}",
        f"proven in {done.took.total_seconds():.0f} s: Ready, its own pods ready, Services answer from it, no workload is worse",
        *what_was_noticed([done]),
    )


def summarize_reboot(request: Request, done: Sequence[NodePatched]) -> tuple[str, ...]:
    """For the report of a reboot."""
    return (
        f"{request.node} was rebooted for {request.in_words}",
        *(line_of(one) for one in done),
        *proofs_of(done),
        *(f"{one.node} was cordoned before the run, and stays so" for one in done if one.stays_cordoned),
        *what_was_noticed(done),
    )
