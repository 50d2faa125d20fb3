"""Summarizes a patch: the lines that people read first."""

from collections.abc import Mapping, Sequence

from tasks.core.commands import TO_DO_IT
from tasks.core.words import counted, duration_in_words
from tasks.os_patch.models.outcome import NodePatched, Waits
from tasks.os_patch.models.plan import PatchPlan
from tasks.run.parts import times_of_parts, what_was_noticed


def summarize_patch_plan(plan: PatchPlan) -> tuple[str, ...]:
    """Returns the summary of a run that did nothing: outside a window, without time left, or without work."""
    if plan.closed:
        return (f"skipped: {plan.closed}",)
    if not plan.nodes:
        told = f"skipped: no time is left for {', '.join(plan.waiting)}" if plan.waiting else "nothing to do"
        return (told, *(f"{skip.subject}: {skip.reason}" for skip in plan.skips))
    return (
        f"nothing was done: the plan has {counted(len(plan.nodes), 'node')}",
        *(f"{skip.subject}: {skip.reason}" for skip in plan.skips),
        TO_DO_IT,
    )


def summarize_patch(
    plan: PatchPlan, done: Sequence[NodePatched], waiting: Sequence[Waits], failed: Mapping[str, str]
) -> tuple[str, ...]:
    """Returns the summary of a patch.

    It says what each node took and what was proven, which nodes wait for the next window, and what is left.
    """
    rebooted, packages = sum(one.rebooted for one in done), sum(len(one.changes) for one in done)
    counts = [
        f"{counted(len(done), 'node')} done",
        f"{counted(packages, 'package')} changed",
        counted(rebooted, "reboot"),
    ]
    counts += [f"{counted(len(failed), 'node')} failed"] if failed else []
    return (
        ", ".join(counts),
        *(line_of(one) for one in done),
        *proofs_of(done),
        *(f"NOT done: {name}: {why}" for name, why in failed.items()),
        *(f"{one.node} waits: {one.reason}" for one in waiting),
        *(f"{skip.subject}: {skip.reason}" for skip in plan.skips if skip.subject in plan.waiting),
        *(f"{one.node}: a reboot is pending: {'; '.join(one.reboot_pending)}" for one in done if one.reboot_pending),
        *(f"{one.node} was cordoned before the run, and stays so" for one in done if one.stays_cordoned),
        *what_was_noticed(done),
    )


def line_of(one: NodePatched) -> str:
    """Returns what was done to a node, with the time of each part."""
    away = f", away for {duration_in_words(one.away)}" if one.away else ""
    reboot = (
        f", rebooted ({one.reboot_reason}){away}" if one.rebooted and one.reboot_reason else ", rebooted" * one.rebooted
    )
    again = "; somebody had uncordoned it meanwhile, it was drained again" if one.drained_again else ""
    moved = f"; {one.leader_moved_to} leads etcd since" if one.leader_moved_to else ""
    return f"{times_of_parts(one)}, {counted(len(one.changes), 'package')}{reboot}, {counted(len(one.evicted), 'pod')} evicted{moved}{again}"


def proofs_of(done: Sequence[NodePatched]) -> tuple[str, ...]:
    """Returns what was proven for all nodes and for each one, and where its record is."""
    if not done:
        return ()
    names = ", ".join(one.node for one in done)
    return (
        f"proven of {names}: the packages that changed are those of the plan, no unit failed that had not before, protected "
        "packages are as they were, the clock is as it was, pods of DaemonSets are ready, Services answer from the node",
        *(
            f"proven of {one.node}: boot {one.boot_before[:8]} to {one.boot_after[:8]}, also in the API; kernel {one.kernel_after}"
            for one in done
            if one.rebooted
        ),
        *(f"record of {one.node}: {one.record}" for one in done if one.record),
    )
