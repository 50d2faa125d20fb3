"""Certificates from nothing: authorities in the worker's memory, keys of leaves on their machines, over SSH alone.

What has to be the same on several machines (the keys of authorities and of service accounts) passes through the worker's
memory, once, and goes to machines by standard input. All other keys are made where they are used, and stay there.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.certificate_issue.models import IssuedAll, IssueFacts, IssuePlan, IssueRequest, MachineIssued, MachineWork
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.policy.plan import SERVICE_ACCOUNTS, plan_issue
from tasks.certificate_issue.probes import scripts as issue
from tasks.certificates.authority import SigningAuthority, new_key_pair, public_half
from tasks.certificates.models.kubeadm import AUTHORITIES, COMMON_NAMES
from tasks.certificates.observe import look_at_node
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused
from tasks.core.logs import log_about
from tasks.core.redaction import remember_secret
from tasks.core.retries import ACT, OBSERVE

CALL = timedelta(seconds=120)
"""For a machine that makes a dozen keys."""

SA_KEY, SA_PUBLIC = "pki/sa.key", "pki/sa.pub"


@task(**OBSERVE, task_run_name="observe-issue-{cluster}")
def observe_issue(cluster: str, request: IssueRequest) -> IssueFacts:
    """What the machines of a request have; one that the profile does not know is refused."""
    return _look(open_cluster(cluster), request)


@task(**ACT, task_run_name="issue-{cluster}")
def issue_certificates(
    cluster: str, plan: IssuePlan, request: IssueRequest, run_id: str, check: Callable[[], None]
) -> IssuedAll:
    """Makes what is missing, and puts it in place on all machines at once.

    It looks again before: what an earlier try has put on one machine of a new authority is gone on with, and nothing is done that
    the plan had not.
    """
    handle = open_cluster(cluster)
    now = plan_issue(_look(handle, request), request, now=datetime.now(UTC))
    _refuse_what_is_new(plan, now)
    shared = _Shared(handle, now, request)
    check()
    for work in now.machines:
        if files := shared.files_to_begin_with(work):
            _place(handle, work.name, files, run_id)
    check()
    machines = on_all(lambda work: _issue(handle, work, shared, run_id), now.machines)
    return IssuedAll(authorities=shared.told(), machines=tuple(machines))


@task(**OBSERVE, task_run_name="prove-issued-{cluster}")
def prove_issued(cluster: str, request: IssueRequest) -> tuple[str, ...]:
    """Looked at again, nothing is left to do; and openssl of each machine finds every certificate good for what it is for."""
    handle = open_cluster(cluster)
    facts = _look(handle, request)
    left = plan_issue(facts, request, now=datetime.now(UTC))
    if left.steps or left.refusals:
        told = "; ".join(f"{one.subject}: {one.act}, because {one.reason}" for one in left.steps)
        raise NotYet(f"not everything is in place: {told}", hint="run it again: it goes on where it was")

    def judge(name: str) -> str:
        script = issue.verify(facts.folder, leaves_of(request, name))
        return handle.node(name).run(script, timeout=CALL, sudo=True).stdout.decode(errors="replace").strip()

    if wrong := {
        name: said for name, said in zip(request.machines, on_all(judge, request.machines), strict=True) if said
    }:
        told = "; ".join(f"{name}: {said}" for name, said in wrong.items())
        raise Refused(f"openssl does not agree: {told}", hint="look at these certificates before anything uses them")
    return tuple(f"{name}: {leaf.path}" for name in request.machines for leaf in leaves_of(request, name))


class _Shared:
    """What several machines have to have the same. Read from the machine that has it, else made; never written to this one's disk."""

    def __init__(self, handle: Cluster, plan: IssuePlan, request: IssueRequest) -> None:
        self._handle = handle
        self._plan = plan
        self._begun: set[str] = set()
        self._folder = handle.profile.kubeadm.folder
        now = datetime.now(UTC)
        self.sign_at, self.validity = now, request.validity
        self._authorities = {
            name: self._read(name, source)
            if source
            else SigningAuthority.made(COMMON_NAMES.get(name, name), now, request.authority_validity)
            for name, source in plan.sources.items()
            if name != SERVICE_ACCOUNTS and self._is_needed(name)
        }
        self._service_accounts = (
            self._key_pair() if any(work.service_accounts for work in plan.machines) else (b"", b"")
        )
        for secret in (*(one.key for one in self._authorities.values()), self._service_accounts[0]):
            if secret:
                remember_secret(secret.decode())

    def files_to_begin_with(self, work: MachineWork) -> bytes:
        """What of it is made now, if this is the first machine to have it: whoever goes on after a crash finds one and the same."""
        sources = self._plan.sources
        made = {name for name in (*work.signs_with, *self._pair_of(work)) if not sources[name]} - self._begun
        self._begun |= made
        return b"".join(self.files_for(work)) if made else b""

    @staticmethod
    def _pair_of(work: MachineWork) -> tuple[str, ...]:
        return (SERVICE_ACCOUNTS,) if work.service_accounts else ()

    def files_for(self, work: MachineWork) -> Iterator[bytes]:
        """Authorities and the key pair of service accounts, as far as the machine lacks them; a key before its certificate."""
        for name in work.signs_with:
            path = f"{AUTHORITIES[name].removesuffix('.crt')}.key"
            yield issue.whole_file(path, self._authorities[name].key, issue.PRIVATE)
        for name in work.certificates:
            yield issue.whole_file(AUTHORITIES[name], self._authorities[name].certificate, issue.PUBLIC)
        if work.service_accounts:
            yield issue.whole_file(SA_KEY, self._service_accounts[0], issue.PRIVATE)
            yield issue.whole_file(SA_PUBLIC, self._service_accounts[1], issue.PRIVATE)

    def certificates_for(self, work: MachineWork, requests: Mapping[str, bytes]) -> Iterator[bytes]:
        """Of its leaves."""
        for leaf in work.leaves:
            authority = self._authorities[leaf.authority]
            certificate = authority.sign(leaf, requests[leaf.name], self.sign_at, self.validity)
            if leaf.asks:
                yield issue.kubeconfig_of(leaf, certificate, authority.certificate)
            else:
                yield issue.certificate_of(leaf, certificate)

    def told(self) -> dict[str, str]:
        """For the report: where each authority was found."""
        return {
            name: self._plan.sources[name] or f"made, valid until {authority.not_after:%Y-%m-%d}"
            for name, authority in self._authorities.items()
        }

    def _is_needed(self, name: str) -> bool:
        works = self._plan.machines
        return any(
            name in (*work.certificates, *work.signs_with) or any(leaf.authority == name for leaf in work.leaves)
            for work in works
        )

    def _read(self, name: str, source: str) -> SigningAuthority:
        path = self._folder / AUTHORITIES[name]
        node = self._handle.node(source)
        key = node.read_file(path.with_suffix(".key"), sudo=True)
        remember_secret(key.decode(errors="replace"))
        return SigningAuthority.read(node.read_file(path, sudo=True), key)

    def _key_pair(self) -> tuple[bytes, bytes]:
        source = self._plan.sources[SERVICE_ACCOUNTS]
        if not source:
            return new_key_pair()
        key = self._handle.node(source).read_file(self._folder / SA_KEY, sudo=True)
        remember_secret(key.decode(errors="replace"))
        return key, public_half(key)


def _look(handle: Cluster, request: IssueRequest) -> IssueFacts:
    if unknown := [name for name in request.machines if handle.profile.node(name) is None]:
        raise Refused(f"not in `nodes` of the profile: {', '.join(unknown)}", hint="add them, with the address for SSH")
    return IssueFacts(
        observed_at=datetime.now(UTC),
        folder=handle.profile.kubeadm.folder,
        machines=tuple(on_all(lambda name: look_at_node(handle, name), request.machines)),
    )


def _refuse_what_is_new(approved: IssuePlan, now: IssuePlan) -> None:
    more = {(one.subject, one.act) for one in now.steps} - {(one.subject, one.act) for one in approved.steps}
    problems = [f"{one.subject}: {one.problem}" for one in now.refusals]
    problems += [f"{subject}: {act} was not in the plan" for subject, act in sorted(more)]
    if problems:
        raise Refused(f"something has changed since the plan: {'; '.join(problems)}", hint="run it again")


def _issue(handle: Cluster, work: MachineWork, shared: _Shared, run_id: str) -> MachineIssued:
    node, folder = handle.node(work.name), handle.profile.kubeadm.folder
    requests: Mapping[str, bytes] = {}
    if work.leaves:
        output = node.run(issue.make_requests(folder, work.leaves), timeout=CALL, sudo=True)
        requests = issue.parse_requests(work.name, output.stdout, work.leaves)
    orders = b"".join([*shared.files_for(work), *shared.certificates_for(work, requests)])
    told = _place(handle, work.name, orders, run_id)
    log_about(work.name).info("%d files are in place", len(told["written"]))
    return MachineIssued(name=work.name, written=told["written"], kept="".join(told["kept"]))


def _place(handle: Cluster, name: str, orders: bytes, run_id: str) -> Mapping[str, tuple[str, ...]]:
    script = issue.put_in_place(handle.profile.kubeadm.folder, run_id)
    output = handle.node(name).run(script, stdin=orders, timeout=CALL, sudo=True)
    return issue.parse_written(output.stdout)
