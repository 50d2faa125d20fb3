"""Issues certificates on the machines of a request.

Each machine makes its keys and sends requests to the Prefect worker, which returns the certificates.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tasks.certificate_issue import scripts
from tasks.certificate_issue.models import IssuedAll, IssuePlan, IssueRequest, MachineIssued, MachineWork
from tasks.certificate_issue.observe import complaints_of_openssl, look_at_request
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.policy.plan import first_to_have_what_is_made, plan_issue
from tasks.certificate_issue.shared import (
    SharedKeys,
    certificates_for,
    files_for,
    origins_of,
    read_or_make_shared,
)
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.run.locks import Check

KEYS_LIMIT = timedelta(seconds=120)
"""Limits the time for a machine to make a dozen keys and put them in place."""


def issue_on_all(handle: Cluster, plan: IssuePlan, request: IssueRequest, run_id: str, check: Check) -> IssuedAll:
    """Issues what the plan lists and what is still missing.

    Raises:
        Refused: if something has changed since the plan.
    """
    left = plan_issue(look_at_request(handle, request), request, now=datetime.now(UTC))
    _refuse_what_is_new(plan, left)
    shared = read_or_make_shared(handle, left, request, datetime.now(UTC))
    check()
    _place_what_is_made(handle, left, shared, run_id)
    check()
    machines = on_all(lambda work: _issue_on(handle, work, shared, run_id), left.machines)
    return IssuedAll(authorities=origins_of(shared, left), machines=tuple(machines))


def prove_on_all(handle: Cluster, request: IssueRequest) -> tuple[str, ...]:
    """Returns the certificates that are as requested.

    Raises:
        NotYet: if work is left.
        Refused: if openssl finds a certificate wrong.
    """
    left = plan_issue(look_at_request(handle, request), request, now=datetime.now(UTC))
    if left.steps or left.refusals:
        told = "; ".join(f"{one.subject}: {one.act}, because {one.reason}" for one in left.steps)
        raise NotYet(f"not everything is in place: {told}", hint="run it again: it resumes")
    if wrong := complaints_of_openssl(handle, request):
        told = "; ".join(f"{name}: {said}" for name, said in wrong.items())
        raise Refused(
            f"openssl rejects them: {told}",
            hint="do not use these certificates; correct what openssl names, then run it again",
        )
    return tuple(f"{name}: {leaf.path}" for name in request.machines for leaf in leaves_of(request, name))


def _refuse_what_is_new(approved: IssuePlan, now: IssuePlan) -> None:
    more = {(one.subject, one.act) for one in now.steps} - {(one.subject, one.act) for one in approved.steps}
    problems = [f"{one.subject}: {one.problem}" for one in now.refusals]
    problems += [f"{subject}: {act} was not in the plan" for subject, act in sorted(more)]
    if problems:
        raise Refused(f"something has changed since the plan: {'; '.join(problems)}", hint="run it again")


def _place_what_is_made(handle: Cluster, plan: IssuePlan, shared: SharedKeys, run_id: str) -> None:
    """Puts newly made shared keys on one machine before any other.

    A run that resumes after a crash then finds exactly one.
    """
    for work in first_to_have_what_is_made(plan):
        _put_in_place(handle, work.name, b"".join(files_for(work, shared)), run_id)


def _issue_on(handle: Cluster, work: MachineWork, shared: SharedKeys, run_id: str) -> MachineIssued:
    """Issues everything that one machine must get."""
    requests = _requests(handle, work)
    orders = b"".join([*files_for(work, shared), *certificates_for(work, requests, shared)])
    told = _put_in_place(handle, work.name, orders, run_id)
    log_about(work.name).info("%d files are in place", len(told["written"]))
    return MachineIssued(name=work.name, written=told["written"], kept="".join(told["kept"]))


def _requests(handle: Cluster, work: MachineWork) -> Mapping[str, bytes]:
    if not work.leaves:
        return {}
    script = scripts.make_requests(handle.profile.kubeadm.folder, work.leaves)
    printed = handle.shell(work.name).ask(script, limit=KEYS_LIMIT)
    return scripts.parse_requests(work.name, printed, work.leaves)


def _put_in_place(handle: Cluster, name: str, orders: bytes, run_id: str) -> Mapping[str, tuple[str, ...]]:
    script = scripts.put_in_place(handle.profile.kubeadm.folder, run_id)
    return scripts.parse_written(handle.shell(name).ask(script, stdin=orders, limit=KEYS_LIMIT))
