"""What people read first of a patch."""

from collections.abc import Mapping, Sequence

from tasks.os_patch.models.outcome import NodePatched, Waits
from tasks.os_patch.models.plan import PatchPlan
from tasks.run.parts import times_of_parts, what_was_noticed


def summarize_patch_plan(plan: PatchPlan) -> tuple[str, ...]:
    """For the report of a run that did nothing: outside of a window, with no time left, or with nothing to do."""
    if plan.closed:
        return (f"skipped: {plan.closed}",)
    if not plan.nodes:
        told = f"skipped: no time is left for {', '.join(plan.waiting)}" if plan.waiting else "nothing to do"
        return (told, *(f"{skip.subject}: {skip.reason}" for skip in plan.skips))
    return (
        f"nothing was done: {len(plan.nodes)} nodes are in the plan",
        *(f"{skip.subject}: {skip.reason}" for skip in plan.skips),
        "to do it: the same parameters with mode=apply, or mode=approve to be asked first",
    )


def summarize_patch(
    plan: PatchPlan, done: Sequence[NodePatched], waiting: Sequence[Waits], failed: Mapping[str, str]
) -> tuple[str, ...]:
    """For the report of a patch: what each node took and was proven to be, who waits for the next window, what is left."""
    rebooted, packages = sum(one.rebooted for one in done), sum(len(one.changes) for one in done)
    counts = [f"{len(done)} nodes done", f"{packages} packages changed", f"{rebooted} reboots"]
    counts += [f"{len(failed)} nodes failed"] if failed else []
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
    """What was done to a node, with the time of each part."""
    away = f", away for {one.away.total_seconds():.0f} s" if one.away else ""
    reboot = (
        f", rebooted ({one.reboot_reason}){away}" if one.rebooted and one.reboot_reason else ", rebooted" * one.rebooted
    )
    again = "; somebody had uncordoned it meanwhile, it was drained again" if one.drained_again else ""
    moved = f"; {one.leader_moved_to} leads etcd since" if one.leader_moved_to else ""
    return f"{times_of_parts(one)}, {len(one.changes)} packages{reboot}, {len(one.evicted)} pods evicted{moved}{again}"


def proofs_of(done: Sequence[NodePatched]) -> tuple[str, ...]:
    """What was proven of all of them, and of each, and where its record is."""
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
