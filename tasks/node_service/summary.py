"""Summarizes the drain, uncordon or reboot of one node for the top of the report."""

import shlex
from collections.abc import Sequence

from tasks.core.commands import TO_DO_IT, run_command
from tasks.core.models.findings import listed
from tasks.core.models.plan import Plan
from tasks.core.words import counted, duration_in_words
from tasks.drain.models import Drained
from tasks.node_service.models import Request, Uncordoned
from tasks.os_patch.models.outcome import NodePatched
from tasks.os_patch.summary import line_of, proofs_of
from tasks.run.parts import what_was_noticed


def summarize_service(request: Request, plan: Plan) -> tuple[str, ...]:
    """Summarizes a plan that was not requested to be applied, or that has nothing to do, for its report."""
    if not plan.steps:
        return tuple(f"{skip.subject}: {skip.reason}" for skip in plan.skips)
    return (
        f"Nothing was done. The plan is: {_in_words(plan.steps[0].act)} {request.node}, for {request.in_words}",
        TO_DO_IT,
    )


def _in_words(act: str) -> str:
    """Returns the acts of a step as a person says them, such as `cordon and drain`."""
    first, comma, last = act.rpartition(", ")
    return f"{first} and {last}" if comma else last


def summarize_drain(request: Request, drained: Drained, cluster: str) -> tuple[str, ...]:
    """Summarizes a node that is out of service, for the report."""
    whose = (
        f"{request.node} was cordoned before, by somebody else, and stays so"
        if drained.cordoned_before
        else f"{request.node} is out of service for {request.in_words}; to put it back: {_way_back(request, cluster)}"
    )
    stay = f"{counted(len(drained.left), 'pod')} {'stays' if len(drained.left) == 1 else 'stay'}"
    return (
        whose,
        f"{counted(len(drained.evicted), 'pod')} evicted in {duration_in_words(drained.took)}",
        *([f"{stay}: {listed(drained.left)}"] if drained.left else []),
        *drained.waited_for,
        *drained.still_attached,
    )


def _way_back(request: Request, cluster: str) -> str:
    """Returns the command that puts the node back into service, for the same reason."""
    ticket = [f"--ticket={request.ticket}"] if request.ticket else []
    reason = shlex.quote(request.reason)
    return run_command("node_uncordon", cluster, request.node, reason, *ticket, "--mode=apply")


def summarize_uncordon(request: Request, done: Uncordoned) -> tuple[str, ...]:
    """Summarizes a node that is back in service, for the report."""
    before = f"; it was cordoned: {done.reason}" if done.reason else ""
    return (
        f"{done.node} is in service, for {request.in_words}{before}",
        f"proven in {duration_in_words(done.took)}: Ready, its own pods ready, Services answer from it, no workload is worse",
        *what_was_noticed([done]),
    )


def summarize_reboot(request: Request, done: Sequence[NodePatched]) -> tuple[str, ...]:
    """Summarizes a reboot, for the report."""
    return (
        f"{request.node} was rebooted for {request.in_words}",
        *(line_of(one) for one in done),
        *proofs_of(done),
        *(f"{one.node} was cordoned before the run, and stays so" for one in done if one.stays_cordoned),
        *what_was_noticed(done),
    )
