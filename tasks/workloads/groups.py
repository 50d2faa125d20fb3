"""Rolls groups out or workloads back, one after the other. A rollout that fails is put back."""

from typing import NoReturn

from tasks.run.locks import Check
from tasks.run.runbook import Run
from tasks.workloads.models.changes import RolloutOptions, RolloutRequest
from tasks.workloads.models.rollback import RollbackFacts, RollbackOptions, RollbackRequest, RolledBack
from tasks.workloads.models.rollout import GroupPutBack, GroupRolled, RolloutFacts
from tasks.workloads.policy.gates import gates_in_words
from tasks.workloads.policy.hints import history_shows, rollback_puts_back
from tasks.workloads.policy.plan import goes_back, has_it, why_it_goes_back
from tasks.workloads.policy.rollback import is_so
from tasks.workloads.steps import begin_rollback, put_back_group, roll_back_workload, roll_out_group
from tasks.workloads.watch import RolloutFailed

AGAIN = "correct the cause, then start a new run; a retry of this run is refused"
OTHER = "correct the cause, or roll back to another revision with --to"
LEFT = "correct the cause, then run the same again, which resumes"


def roll_out(
    run: Run, request: RolloutRequest, facts: RolloutFacts, options: RolloutOptions, check: Check
) -> tuple[GroupRolled, ...]:
    """Rolls out group by group.

    Only a rollout that failed is put back. Any other error, such as an API that does not answer, leaves everything as
    it is, and the same run resumes.

    Raises:
        RolloutFailed: a group failed; with the cause, and what runs now.
    """
    cluster = run.report.cluster
    if goes_back(facts):
        _put_back(run, request, options, check, why_it_goes_back(facts))
    person = run.report.approval.who if run.report.approval else ""
    done = []
    for group in request.groups:
        changes = [one for one in group if not has_it(one, facts.of(one.ref), facts.run_id)]
        if not changes:
            continue
        try:
            done.append(
                run.step(
                    roll_out_group,
                    cluster,
                    changes,
                    facts=facts,
                    request=request,
                    options=options,
                    person=person,
                    check=check,
                )
            )
        except RolloutFailed as error:
            if not run.chosen("rollback", default=options.rollback):
                reason = (
                    f"as {who} chose with the approval"
                    if (who := run.who_chose("rollback"))
                    else "because of --no-rollback"
                )
                raise RolloutFailed(
                    f"{error.problem}; nothing was put back, {reason}",
                    hint=f"{LEFT}; or put it back: {rollback_puts_back(changes[0].ref)}",
                ) from error
            _put_back(run, request, options, check, error.problem)
    return tuple(done)


def _put_back(run: Run, request: RolloutRequest, options: RolloutOptions, check: Check, why: str) -> NoReturn:
    try:
        back: GroupPutBack = run.step(put_back_group, run.report.cluster, request, options, why, check)
    except RolloutFailed as error:
        raise RolloutFailed(f"{why}; {error.problem}", hint=error.hint) from error
    runs = [
        f"{one.workload} is back, and runs {', '.join(f'{name}={image}' for name, image in one.images.items())}"
        for one in back.workloads
    ]
    runs += [f"{who} chose with the approval that the run puts back"] if (who := run.who_chose("rollback")) else []
    said = gates_in_words(back.gates, back.closed)
    raise RolloutFailed("; ".join(part for part in (why, *runs, said) if part), hint=AGAIN)


def roll_back(
    run: Run, request: RollbackRequest, facts: RollbackFacts, options: RollbackOptions, check: Check
) -> tuple[RolledBack, ...]:
    """Rolls workloads back, the last one first. It stops at the first that fails.

    Raises:
        RolloutFailed: one cannot run any more; with what is back, and what is not.
    """
    person = run.report.approval.who if run.report.approval else ""
    left = [one for one in facts.targets if not is_so(facts, one, options)]
    run.step(begin_rollback, run.report.cluster, facts, request, options, check)
    done: list[RolledBack] = []
    for number, one in enumerate(left):
        try:
            done.append(
                run.step(
                    roll_back_workload,
                    run.report.cluster,
                    one,
                    request=request,
                    options=options,
                    person=person,
                    check=check,
                )
            )
        except RolloutFailed as error:
            rest = [each.target.ref.id for each in left[number + 1 :]]
            states = [f"{each.workload} is back" for each in done] + [f"{each} was not changed" for each in rest]
            raise RolloutFailed(
                "; ".join([error.problem, *states]), hint=f"{OTHER}: {history_shows(one.target.ref, 'them')}"
            ) from error
    return tuple(done)
