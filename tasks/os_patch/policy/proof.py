"""Checks if a node is as promised after its patch. It returns everything that is not."""

from collections.abc import Iterator, Mapping, Sequence

from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.options import RebootRule
from tasks.os_patch.models.packages import Change
from tasks.os_patch.policy.reboots import is_rebooted, why_pending

WELL = frozenset({"running", "degraded"})
"""Names the accepted states of systemd after a boot. Failed units are checked one by one."""


def what_delta_lacks(planned: Sequence[Change], found: Sequence[Change]) -> tuple[str, ...]:
    """Returns where the installed packages differ from the plan: missing ones, other versions, or additional ones."""
    wanted = {one.package: one for one in planned}
    came = {one.package: one for one in found}
    missing = [f"{name} was not installed in {one.after}" for name, one in wanted.items() if name not in came]
    other = [
        f"{name} is {came[name].after or 'gone'}, not {one.after}"
        for name, one in wanted.items()
        if name in came and came[name].after != one.after
    ]
    more = [
        f"not planned: {one.in_words if one.after else f'{name} is gone'}"
        for name, one in came.items()
        if name not in wanted
    ]
    return (*missing, *other, *more)


def what_patch_lacks(facts: PatchFacts, intent: PatchIntent, rule: RebootRule) -> tuple[str, ...]:
    """Returns everything that is not as promised. It is empty for a node that is as it must be."""
    if facts.unreached:
        return (f"not reached: {facts.unreached}",)
    return (
        *_packages(facts, intent),
        *_system(facts, intent),
        *_boot(facts, intent, rule),
        *what_delta_lacks(intent.changes, facts.delta),
    )


def merged(begun: Sequence[Change], more: Sequence[Change]) -> tuple[Change, ...]:
    """Merges the wanted changes of this run with those of an earlier run on the node.

    Each change goes from the first known version to the last wanted one.
    """
    found = {one.package: one for one in begun}
    for one in more:
        first = found.get(one.package)
        found[one.package] = one.model_copy(update={"before": first.before}) if first else one
    return tuple(found.values())


def _packages(facts: PatchFacts, intent: PatchIntent) -> Iterator[str]:
    yield from (f"{name} is not wholly installed" for name in facts.updates.broken)
    yield from _changed(intent.protected, facts.updates.protected)


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        was, has = before.get(name, "not there"), now.get(name, "not there")
        if was != has:
            yield f"{name} must not be touched: it was {was}, and is {has}"


def _system(facts: PatchFacts, intent: PatchIntent) -> Iterator[str]:
    yield from (f"not known: {said}" for said in facts.unseen)
    as_before = bool(intent.system_state) and facts.system_state == intent.system_state
    if facts.system_state not in WELL and not as_before:
        yield f"systemd says {facts.system_state or 'nothing'}"
    yield from (
        f"{unit} has failed, and had not before" for unit in facts.failed_units if unit not in intent.failed_units
    )
    if intent.clock_synced and not facts.clock_synced:
        is_told = facts.clock_synced is not None
        yield ("its clock is no longer in sync" if is_told else "it no longer reports whether its clock is in sync")


def _boot(facts: PatchFacts, intent: PatchIntent, rule: RebootRule) -> Iterator[str]:
    """Yields what is wrong with the boot.

    After a reboot, the kernel must be the one that the boot loader was to start. A newly pending reboot is no
    failure then.
    """
    if is_rebooted(facts):
        if intent.promised_kernel and facts.kernel != intent.promised_kernel:
            yield f"the boot loader had to start kernel {intent.promised_kernel}, {facts.kernel} runs"
    elif rule is not RebootRule.NEVER:
        yield from (f"a reboot is pending: {reason}" for reason in why_pending(facts))
