"""Plans a restore: one step for each object that is written or deleted, and the reason for every other one."""

from collections.abc import Iterable, Iterator, Sequence

from tasks.core.commands import AGAIN
from tasks.core.models.findings import Problem, cautioned, listed, refused
from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step, figure
from tasks.core.words import counted
from tasks.resources_restore.models import (
    ACTED,
    Judged,
    ResourceRestoreOptions,
    RestoreFacts,
    Select,
    Verdict,
)
from tasks.resources_restore.policy.selection import parse_labels, wrong_map

KEPT = 12
"""Limits how many fields of an object a plan names; the others are counted."""

SHOWN = 50
"""Limits how many refusals a plan shows; the others are counted."""


def check_request(select: Select, options: ResourceRestoreOptions) -> tuple[Refusal, ...]:
    """Returns what is wrong with the request itself, before anything is read."""
    found = [
        refused("selection", problem.text, problem.next_step)
        for problem in (parse_labels(select.labels), wrong_map(options.into_namespace, select))
        if isinstance(problem, Problem)
    ]
    if options.delete_extra and not (select.kinds or select.namespaces):
        found.append(
            refused(
                "selection",
                "--delete-extra without kinds or namespaces would delete whatever the backup does not have",
                "add --select-kinds or --select-namespaces",
            )
        )
    if options.delete_extra and (options.from_cluster or options.into_namespace):
        problem = "--delete-extra is only for a backup of the same cluster, into the same namespaces"
        found.append(refused("selection", problem, "leave out --delete-extra"))
    return tuple(found)


def plan_restore_of_objects(facts: RestoreFacts, options: ResourceRestoreOptions) -> Plan:
    """Plans each object of the selection. What cannot be restored refuses the run, unless it may be left out."""
    failing = [one for one in facts.judged if not one.is_fine]
    soft = options.skip_failing
    return Plan(
        steps=(*_writes(facts.judged), *_deletes(facts.extra)),
        skips=tuple(_skips(facts, failing if soft else [])),
        refusals=(*facts.refusals, *(() if soft else _refusals(failing))),
        cautions=(*facts.cautions, *_notes(facts.judged), *(_cautions(facts.judged, failing) if soft else ())),
    )


def to_write(facts: RestoreFacts) -> tuple[Judged, ...]:
    """Returns the objects that the run writes, in their order."""
    return tuple(one for one in facts.judged if one.verdict in ACTED)


def _writes(judged: Iterable[Judged]) -> Iterator[Step]:
    for one in judged:
        if one.verdict is Verdict.UPDATE:
            act = f"update: {'; '.join(one.difference)}"
        elif one.verdict in ACTED:
            act = "create"
        else:
            continue
        yield Step(subject=one.target.label, act=act, reason=one.reason)


def _deletes(extra: Iterable[Judged]) -> Iterator[Step]:
    for one in extra:
        yield Step(subject=one.target.label, act="delete", reason="the backup does not have it")


def _skips(facts: RestoreFacts, failing: list[Judged]) -> Iterator[Skip]:
    same = [one for one in facts.judged if one.verdict is Verdict.UNCHANGED]
    for kind, found in _grouped((one.target.kind, one.target.label) for one in same).items():
        count = figure(f": {counted(len(found), 'object')}")
        yield Skip(subject=kind, reason=f"unchanged{count}")
    for one in facts.judged:
        if one.verdict is Verdict.LEAVE:
            yield Skip(subject=one.target.label, reason=one.reason)
    for reason, found in _grouped((one.reason, one.label) for one in facts.left).items():
        yield Skip(subject=listed(found, 3), reason=f"left to who makes it: {reason}")
    for one in failing:
        yield Skip(subject=one.target.label, reason=f"cannot be restored: {one.verdict}")


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, one in pairs:
        found.setdefault(name, []).append(one)
    return found


def _notes(judged: Iterable[Judged]) -> Iterator[Caution]:
    for one in judged:
        if one.verdict in ACTED:
            for note in one.notes:
                yield cautioned(one.target.label, note)
        if one.kept:
            yield cautioned(one.target.label, kept_words(one), "remove them by hand if they should not be there")


def ownerless(judged: Sequence[Judged]) -> Iterator[tuple[Judged, str]]:
    """Yields each object that is written without an owner, because the run leaves that one out; with words that name it."""
    failing = {one.target.key: one.target for one in judged if not one.is_fine}
    for one in judged:
        for key in one.awaited if one.verdict in ACTED else ():
            if owner := failing.get(key) or failing.get(key._replace(namespace="")):
                yield one, f"without its owner {owner.label}, which cannot be restored and is left out"


def kept_words(one: Judged) -> str:
    """Returns which fields of an object stay although the backup does not have them."""
    return f"the backup does not have these fields, and they stay: {listed(one.kept, KEPT)}"


def _refusals(failing: list[Judged]) -> Iterator[Refusal]:
    for one in failing[:SHOWN]:
        yield refused(one.target.label, f"{one.verdict}: {one.reason}", _step_of(one))
    if len(failing) > SHOWN:
        problem = f"{len(failing) - SHOWN} more objects cannot be restored"
        yield refused("selection", problem, f"select fewer objects to see them, or {AGAIN} --skip-failing")


def _step_of(one: Judged) -> str:
    return f"{one.next_step}; or leave it out with --skip-failing"


def _cautions(judged: Sequence[Judged], failing: list[Judged]) -> Iterator[Caution]:
    for one in failing:
        yield cautioned(one.target.label, f"it is NOT restored: {one.verdict}: {one.reason}", one.next_step)
    for one, words in ownerless(judged):
        yield cautioned(
            one.target.label, words, "run this again when the owner is there: the object is bound to it then"
        )
