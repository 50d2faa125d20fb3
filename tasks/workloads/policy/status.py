"""Decides what the status of workloads means for the run: a cause that is final refuses it, anything else is a caution."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import Caution, Plan, Refusal
from tasks.workloads.models.state import StatusFound, Trouble, WorkloadStatus
from tasks.workloads.policy.causes import causes_of_failure, is_final, verdict_words

SHOWN = 5
"""Limits how many causes a line names; pods of one template usually share theirs."""


def judge_status(found: StatusFound) -> Plan:
    """Returns a refusal for each workload that cannot finish, and a caution for each that is not finished."""
    findings = list(_findings(found))
    return Plan(
        refusals=tuple(one for one in findings if isinstance(one, Refusal)),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
    )


def judge_names(namespace: str, absent: Sequence[str], *, has_namespace: bool) -> tuple[Refusal, ...]:
    """Returns a refusal for each name that does not exist."""
    if not has_namespace:
        return (refused(namespace, "no namespace with this name", "`kubectl get namespaces` lists them"),)
    step = f"correct workloads: `kubectl -n {namespace} get deployments,statefulsets,daemonsets` lists them"
    return tuple(refused(f"{namespace}/{name}", "no workload with this name", step) for name in absent)


def _findings(found: StatusFound) -> Iterator[Finding]:
    yield from judge_names(found.namespace, found.absent, has_namespace=found.has_namespace)
    for one in found.workloads:
        yield from _of_workload(found, one)


def _of_workload(found: StatusFound, one: WorkloadStatus) -> Iterator[Finding]:
    subject = f"{found.namespace}/{one.workload}"
    final = [trouble for trouble in one.troubles if is_final(trouble, _age(trouble, found.observed_at))]
    if one.standing.failed or (final and not one.standing.done):
        causes = causes_of_failure(final, one.troubles)
        yield refused(subject, problem_of(one, causes), _next_step(causes))
    elif not one.standing.done:
        step = "; ".join(dict.fromkeys(f"{trouble.cause.value}: {verdict_words(trouble)}" for trouble in one.troubles))
        yield cautioned(subject, problem_of(one, one.troubles), step)


def problem_of(one: WorkloadStatus, causes: tuple[Trouble, ...]) -> str:
    """Returns what is missing, and each cause once, with an example of where."""
    said = listed(tuple(dict.fromkeys(trouble.sentence for trouble in _one_of_each(causes))), SHOWN)
    return f"{one.standing.problem}: {said}" if said and one.standing.problem else one.standing.problem or said


def _one_of_each(causes: tuple[Trouble, ...]) -> Iterator[Trouble]:
    """Yields one trouble for each cause and container: pods of one template share theirs."""
    seen = set()
    for trouble in causes:
        if (key := (trouble.cause, trouble.container)) not in seen:
            seen.add(key)
            yield trouble


def _next_step(causes: tuple[Trouble, ...]) -> str:
    steps = dict.fromkeys(trouble.next_step for trouble in causes if trouble.next_step)
    return "; ".join(steps) or "kubectl describe it, and correct it"


def _age(trouble: Trouble, now: datetime) -> timedelta:
    """Returns how long a cause may have been there; the workload's own causes count as new."""
    return max(now - trouble.since, timedelta()) if trouble.since else timedelta()
