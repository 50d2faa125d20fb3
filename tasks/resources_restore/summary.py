"""Summarizes a restore and a drill: what people read first. A failure is an error, and each one is told."""

from collections import Counter
from collections.abc import Iterable

from tasks.core.commands import TO_DO_IT
from tasks.core.errors import NotYet, Refused, in_lines
from tasks.core.models.findings import listed
from tasks.core.models.plan import Plan
from tasks.core.words import counted
from tasks.resources_restore.models import Drilled, Failure, Restored, RestoreFacts, RestoreProof
from tasks.resources_restore.policy.plan import kept_words, ownerless

SHOWN = 50
"""Limits how many failures an error tells; the report has all of them."""

AGAIN_STEP = "run this again: it plans what is left"


def summarize_restore_plan(facts: RestoreFacts, plan: Plan) -> tuple[str, ...]:
    """Returns the report text of a plan that was not carried out, or that has nothing to do."""
    verdicts = _verdicts(facts)
    if not plan.steps:
        return (f"nothing to do: no selected object of the backup {facts.backup} is written", *verdicts)
    return (f"nothing was done: the plan has {counted(len(plan.steps), 'step')}", *verdicts, TO_DO_IT)


def summarize_objects(
    facts: RestoreFacts, restored: Restored, deleted: Restored, proof: RestoreProof
) -> tuple[str, ...]:
    """Returns the report text of a restore.

    Raises:
        NotYet: objects could not be restored or proven. It tells each of them.
    """
    failed = (*restored.failed, *deleted.failed, *proof.failed)
    told = _done(restored, deleted)
    if failed:
        head = f"{counted(len(failed), 'object')} of the plan failed ({told})"
        problem, hint = in_lines([(head, AGAIN_STEP), *_lines(failed)])
        raise NotYet(problem, hint=hint)
    waiting = [
        f"NOT done yet: {one} stays Retain until its claim is bound; then run this again" for one in restored.waiting
    ]
    left = [f"NOT restored: {one.target.label}: {one.verdict}: {one.reason}" for one in facts.judged if not one.is_fine]
    return (
        f"backup {facts.backup}: {told}",
        f"read back: {counted(proof.same, 'object')} as the backup has it"
        if proof.same == 1
        else f"read back: {counted(proof.same, 'object')} as the backup has them",
        *_unasked(proof),
        *_verdicts(facts),
        *waiting,
        *(f"NOT removed: {one.target.label}: {kept_words(one)}" for one in facts.judged if one.kept),
        *left,
        *(f"NOT as the backup has it: {one.target.label}: {words}" for one, words in ownerless(facts.judged)),
    )


def _unasked(proof: RestoreProof) -> tuple[str, ...]:
    if not proof.unasked:
        return ()
    first = proof.unasked[0]
    return (
        f"{counted(len(proof.unasked), 'object')} of them only compared with the backup, because a webhook refuses all writes now; "
        f"the first: {first.label}: {first.problem}",
    )


def _done(restored: Restored, deleted: Restored) -> str:
    parts = (
        ("created", restored.created),
        ("updated", restored.updated),
        ("deleted", deleted.deleted),
        ("as planned before", (*restored.already, *deleted.already)),
    )
    return ", ".join(f"{len(found)} {word}" for word, found in parts if found) or "nothing was changed"


def _verdicts(facts: RestoreFacts) -> tuple[str, ...]:
    found = Counter(str(one.verdict) for one in facts.judged)
    counts = ", ".join(f"{verdict} {count}" for verdict, count in sorted(found.items()))
    return (f"verdicts of the plan: {counts}",) if found else ()


def _lines(failed: Iterable[Failure]) -> list[tuple[str, str]]:
    found = [(f"{one.label}: {one.problem}", one.next_step or AGAIN_STEP) for one in failed]
    more = len(found) - SHOWN
    return [*found[:SHOWN], *([(f"{more} more objects failed: the report has them", AGAIN_STEP)] if more > 0 else [])]


def summarize_resource_drill(drilled: Drilled) -> tuple[str, ...]:
    """Returns the report text of a drill.

    Raises:
        Refused: an object of the backup cannot be restored, or comes back otherwise. It tells each of them.
    """
    failed = [*drilled.failed, *(one for each in drilled.namespaces for one in each.failed)]
    restored = sum(one.restored for one in drilled.namespaces)
    tried = drilled.cluster_scoped + sum(one.tried for one in drilled.namespaces)
    if failed:
        head = f"{counted(len(failed), 'object')} of backup {drilled.backup} cannot be restored as they are"
        problem, hint = in_lines([(head, "correct each of them"), *_lines(failed)])
        raise Refused(problem, hint=hint)
    names = [one.namespace for one in drilled.namespaces]
    left = [*drilled.left, *(one for each in drilled.namespaces for one in each.left)]
    reasons = Counter(one.reason for one in left)
    return (
        f"backup {drilled.backup}, taken at {drilled.taken_at:%Y-%m-%d %H:%M} UTC, can be restored",
        f"{counted(restored, 'object')} of {listed(names)} created, read back and equal; all of them are removed again",
        f"{counted(tried, 'object')} accepted in a dry run, without being created",
        *(f"not tried: {counted(count, 'object')}: {reason}" for reason, count in sorted(reasons.items())),
    )
