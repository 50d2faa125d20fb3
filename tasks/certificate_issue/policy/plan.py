"""Plans certificates from nothing: what is made on which machine.

What exists stays, above all a CA. What is in the way is a refusal.
"""

from collections.abc import Iterator
from datetime import datetime

from tasks.certificate_issue.models import IssueFacts, IssuePlan, IssueRequest, MachineWork
from tasks.certificate_issue.policy.rules import findings_of, of_folders
from tasks.certificate_issue.policy.situation import SERVICE_ACCOUNTS, IssueSituation
from tasks.core.models.plan import Caution, Refusal, Skip, Step


def plan_issue(facts: IssueFacts, request: IssueRequest, *, now: datetime) -> IssuePlan:
    """Plans the whole request, with all refusals at once.

    Nothing is planned if the machines' certificates were read from the wrong folder.
    """
    situation = IssueSituation(facts, request, now)
    findings = list(findings_of(situation))
    readable = () if any(of_folders(situation)) else request.machines
    works = tuple(situation.work_on(name) for name in readable)
    return IssuePlan(
        machines=tuple(work for work in works if _is_any(work)),
        sources={name: situation.source_of(name) for name in situation.wanted_authorities},
        steps=tuple(step for work in works for step in _steps_on(work, situation)),
        skips=tuple(
            Skip(subject=work.name, reason="all of its certificates are as asked for")
            for work in works
            if not _is_any(work)
        ),
        refusals=tuple(one for one in findings if isinstance(one, Refusal)),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
    )


def needed_authorities(plan: IssuePlan) -> set[str]:
    """Returns the CAs that a machine must get, or that sign something."""
    return {
        name
        for work in plan.machines
        for name in (*work.certificates, *work.signs_with, *(leaf.authority for leaf in work.leaves))
    }


def first_to_have_what_is_made(plan: IssuePlan) -> Iterator[MachineWork]:
    """Yields the first machine for each new key that several machines must get."""
    begun: set[str] = set()
    for work in plan.machines:
        shared = (*work.signs_with, *((SERVICE_ACCOUNTS,) if work.service_accounts else ()))
        if made := {name for name in shared if not plan.sources[name]} - begun:
            begun |= made
            yield work


def _steps_on(work: MachineWork, situation: IssueSituation) -> Iterator[Step]:
    for authority in (*work.certificates, *(one for one in work.signs_with if one not in work.certificates)):
        with_key = " and its key" if authority in work.signs_with else ""
        act = f"{authority}: its certificate{with_key}"
        yield Step(subject=work.name, act=act, reason=_origin_of(authority, situation))
    if work.service_accounts:
        reason = _origin_of(SERVICE_ACCOUNTS, situation)
        yield Step(subject=work.name, act="sa: the key pair of service accounts", reason=reason)
    for leaf in work.leaves:
        reason = "; ".join(situation.reasons_to_make(work.name, leaf))
        yield Step(subject=work.name, act=f"{leaf.name}: a new key and certificate", reason=reason)


def _origin_of(authority: str, situation: IssueSituation) -> str:
    source = situation.source_of(authority)
    return f"the one of {source}, whose key is there" if source else "no machine has one: made"


def _is_any(work: MachineWork) -> bool:
    return bool(work.certificates or work.signs_with or work.service_accounts or work.leaves)
