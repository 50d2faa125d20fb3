"""Certificates on the machines of a request: keys are made there, requests go to the worker, and certificates come back."""

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
"""For a machine that makes a dozen keys, and puts them in place."""


def issue_on_all(handle: Cluster, plan: IssuePlan, request: IssueRequest, run_id: str, check: Check) -> IssuedAll:
    """What the plan says and is not there yet."""
    left = plan_issue(look_at_request(handle, request), request, now=datetime.now(UTC))
    _refuse_what_is_new(plan, left)
    shared = read_or_make_shared(handle, left, request, datetime.now(UTC))
    check()
    _place_what_is_made(handle, left, shared, run_id)
    check()
    machines = on_all(lambda work: _issue_on(handle, work, shared, run_id), left.machines)
    return IssuedAll(authorities=origins_of(shared, left), machines=tuple(machines))


def prove_on_all(handle: Cluster, request: IssueRequest) -> tuple[str, ...]:
    """The certificates that are as asked for; `NotYet` where something is left to do, `Refused` where openssl does not agree."""
    left = plan_issue(look_at_request(handle, request), request, now=datetime.now(UTC))
    if left.steps or left.refusals:
        told = "; ".join(f"{one.subject}: {one.act}, because {one.reason}" for one in left.steps)
        raise NotYet(f"not everything is in place: {told}", hint="run it again: it goes on where it was")
    if wrong := complaints_of_openssl(handle, request):
        told = "; ".join(f"{name}: {said}" for name, said in wrong.items())
        raise Refused(f"openssl does not agree: {told}", hint="look at these certificates before anything uses them")
    return tuple(f"{name}: {leaf.path}" for name in request.machines for leaf in leaves_of(request, name))


def _refuse_what_is_new(approved: IssuePlan, now: IssuePlan) -> None:
    more = {(one.subject, one.act) for one in now.steps} - {(one.subject, one.act) for one in approved.steps}
    problems = [f"{one.subject}: {one.problem}" for one in now.refusals]
    problems += [f"{subject}: {act} was not in the plan" for subject, act in sorted(more)]
    if problems:
        raise Refused(f"something has changed since the plan: {'; '.join(problems)}", hint="run it again")


def _place_what_is_made(handle: Cluster, plan: IssuePlan, shared: SharedKeys, run_id: str) -> None:
    """On one machine before it is on any other: whoever resumes after a crash finds one and the same."""
    for work in first_to_have_what_is_made(plan):
        _put_in_place(handle, work.name, b"".join(files_for(work, shared)), run_id)


def _issue_on(handle: Cluster, work: MachineWork, shared: SharedKeys, run_id: str) -> MachineIssued:
    """All that a machine is to get."""
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
