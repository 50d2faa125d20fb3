"""What is to be made on which machine: what is there stays, an authority above all, and what is in the way is refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tasks.certificate_issue.models import WORK, IssueFacts, IssuePlan, IssueRequest, MachineWork
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import AUTHORITIES, ETCD_CA, Leaf
from tasks.certificates.policy.inventory import in_words
from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.names import normals
from tasks.core.models.plan import Caution, Refusal, Skip, Step, figure

SERVICE_ACCOUNTS = "sa"


def plan_issue(facts: IssueFacts, request: IssueRequest, *, now: datetime) -> IssuePlan:
    """The whole of it; all refusals at once."""
    situation = _Situation(facts, request, now)
    findings = list(situation.findings())
    works = tuple(situation.work_on(name) for name in request.machines)
    return IssuePlan(
        machines=tuple(work for work in works if _is_any(work)),
        sources={name: situation.source_of(name) for name in situation.wanted_authorities},
        steps=tuple(step for work in works for step in situation.steps_on(work)),
        skips=tuple(
            Skip(subject=work.name, reason="all of its certificates are as asked for")
            for work in works
            if not _is_any(work)
        ),
        refusals=tuple(one for one in findings if isinstance(one, Refusal)),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
    )


def what_differs(leaf: Leaf, found: Certificate, *, asks: str, now: datetime) -> tuple[str, ...]:
    """In what a certificate is not as asked for; `asks` is where its kubeconfig leads, if it is in one."""
    if found.problem:
        return (found.problem,)
    differences = (
        (found.subject != leaf.subject, f"it is for {found.subject}, not for {leaf.subject}"),
        (
            set(normals(found.names)) != set(normals(leaf.names)),
            f"its names are {_told(found.names)}, not {_told(leaf.names)}",
        ),
        (found.pair is None, "its key is not there"),
        (found.pair is False, "the key beside it is another one's"),
        (not found.signed, f"{leaf.authority} of this machine has not signed it"),
        (bool(found.not_after and found.not_after <= now), "it has ended"),
        (asks != leaf.asks, f"it leads to {asks}, not to {leaf.asks}"),
    )
    return tuple(problem for is_so, problem in differences if is_so)


@dataclass(frozen=True)
class _Situation:
    facts: IssueFacts
    request: IssueRequest
    now: datetime

    @cached_property
    def machines(self) -> Mapping[str, NodeCertificates]:
        return {machine.name: machine for machine in self.facts.machines}

    @cached_property
    def control_planes(self) -> tuple[str, ...]:
        return tuple(machine.name for machine in self.request.control_planes)

    @cached_property
    def members(self) -> tuple[str, ...]:
        """Where etcd is to run."""
        return tuple(machine.name for machine in self.request.etcd) or self.control_planes

    @cached_property
    def wanted_authorities(self) -> tuple[str, ...]:
        return (*AUTHORITIES, SERVICE_ACCOUNTS) if self.control_planes else (ETCD_CA,)

    # --- who has what

    def authority_on(self, name: str, authority: str) -> Certificate | None:
        return self._at(name, AUTHORITIES[authority])

    def source_of(self, authority: str) -> str:
        """The first machine that has its key; empty when none has, and it is to be made."""
        return next((name for name in self.request.machines if self.has_key(name, authority)), "")

    def has_key(self, name: str, authority: str) -> bool:
        if authority == SERVICE_ACCOUNTS:
            return any(key.private and key.public_key for key in self.machines[name].public_keys)
        found = self.authority_on(name, authority)
        return bool(found and found.pair)

    def keepers_of(self, authority: str) -> tuple[str, ...]:
        """Who is to have its key: every control plane node; of an external etcd one machine, which needs no second one to work."""
        if authority != ETCD_CA or not self.request.etcd:
            return self.control_planes
        return (self.source_of(ETCD_CA) or self.members[0],)

    def trusts(self, name: str, authority: str) -> bool:
        return name in self.control_planes or (authority == ETCD_CA and name in self.members)

    def _at(self, name: str, path: str) -> Certificate | None:
        full = str(self.facts.folder / path)
        own = (one for one in self.machines[name].certificates if one.path == full and one.kind is not Kind.TRUST)
        return next((one for one in own if not one.place), None)

    # --- what is to be done

    def work_on(self, name: str) -> MachineWork:
        if self.machines[name].unreached:
            return MachineWork(name=name)
        missing = [one for one in AUTHORITIES if self.trusts(name, one) and self.authority_on(name, one) is None]
        keys = [one for one in AUTHORITIES if name in self.keepers_of(one) and not self.has_key(name, one)]
        pairs = {key.private for key in self.machines[name].public_keys}
        return MachineWork(
            name=name,
            certificates=tuple(missing),
            signs_with=tuple(keys),
            service_accounts=name in self.control_planes and len(pairs) < len((True, False)),
            leaves=tuple(leaf for leaf in leaves_of(self.request, name) if self.why(name, leaf)),
        )

    def why(self, name: str, leaf: Leaf) -> tuple[str, ...]:
        """A certificate is to be made there; nothing when it is there, and as asked for."""
        found = self._at(name, leaf.path)
        kubeconfig = next((one for one in self.machines[name].kubeconfigs if one.path.endswith(f"/{leaf.path}")), None)
        if kubeconfig and kubeconfig.names_file:
            return ()  # kubelet's: once it has joined, it renews its own
        if found is None:
            return ("it is not there",)
        if self.authority_on(name, leaf.authority) is None:
            return (f"its authority {leaf.authority} is not there",)
        return what_differs(leaf, found, asks=kubeconfig.server if kubeconfig else "", now=self.now)

    def is_free(self, name: str, leaf: Leaf) -> bool:
        """Nothing that anybody may need is in its place: nothing at all, or what a run of ours was cut off in."""
        return self._at(name, leaf.path) is None or self._at(name, f"{WORK}/{leaf.name}.crt") is not None

    def steps_on(self, work: MachineWork) -> Iterator[Step]:
        for authority in (*work.certificates, *(one for one in work.signs_with if one not in work.certificates)):
            with_key = " and its key" if authority in work.signs_with else ""
            yield Step(subject=work.name, act=f"{authority}: its certificate{with_key}", reason=self._origin(authority))
        if work.service_accounts:
            reason = self._origin(SERVICE_ACCOUNTS)
            yield Step(subject=work.name, act="sa: the key pair of service accounts", reason=reason)
        for leaf in work.leaves:
            reason = "; ".join(self.why(work.name, leaf))
            yield Step(subject=work.name, act=f"{leaf.name}: a new key and certificate", reason=reason)

    def _origin(self, authority: str) -> str:
        source = self.source_of(authority)
        return f"the one of {source}, whose key is there" if source else "there is none on any of the machines: made"

    # --- what is in the way

    def findings(self) -> Iterator[Finding]:
        for machine in self.facts.machines:
            if machine.unreached:
                yield refused(machine.name, machine.unreached, "look at its sshd and its network")
            elif not machine.openssl:
                yield refused(machine.name, "it has no openssl, which makes its keys there", "install openssl")
        for authority in self.wanted_authorities:
            yield from self._of_authority(authority)
        if self.request.replace:
            return
        for name in self.request.machines:
            for leaf in leaves_of(self.request, name):
                why = self.why(name, leaf)
                if why and not self.is_free(name, leaf):
                    yield refused(
                        f"{name}: {leaf.path}", "; ".join(why), "replace=true makes a new one, and keeps a copy of this"
                    )

    def _of_authority(self, authority: str) -> Iterator[Finding]:
        if authority == SERVICE_ACCOUNTS:
            yield from self._of_service_accounts()
            return
        held = {name: found for name in self.request.machines if (found := self.authority_on(name, authority))}
        if len({found.fingerprint for found in held.values()}) > 1:
            told = ", ".join(f"{name} has {found.fingerprint[:8]}" for name, found in held.items())
            yield refused(authority, f"the machines do not agree on it: {told}", "find out which one is right")
        for name, found in held.items():
            if found.pair is False:
                yield refused(f"{name}: {found.path}", "the key beside it is another one's", "put the right one back")
        if held and not self.source_of(authority) and self._is_needed(authority):
            yield refused(
                authority,
                f"its certificate is on {', '.join(held)}, and its key is on none of the machines",
                "issue there where its key is; or bring the key to one of them",
            )
        for found in list(held.values())[:1]:
            yield from self._of_end(authority, found)

    def _of_end(self, authority: str, found: Certificate) -> Iterator[Finding]:
        left = found.left(self.now)
        if left is None or left > self.request.validity:
            return
        told = f"{authority} {figure(in_words(left))}: nothing that it signs lasts longer"
        rotate = "plan its rotation: docs/ca-rotation.md"
        yield (
            refused(authority, told, rotate)
            if found.not_after and left.total_seconds() <= 0
            else cautioned(authority, told, rotate)
        )

    def _is_needed(self, authority: str) -> bool:
        """Something is to be signed by it, or somebody is to have its key."""
        works = [self.work_on(name) for name in self.request.machines]
        return any(
            authority in work.signs_with or any(leaf.authority == authority for leaf in work.leaves) for work in works
        )

    def _of_service_accounts(self) -> Iterator[Finding]:
        held = {
            name: {key.public_key for key in self.machines[name].public_keys if key.public_key}
            for name in self.control_planes
        }
        found = {name: sums for name, sums in held.items() if sums}
        if len(set().union(*found.values())) > 1:
            told = ", ".join(
                f"{name} has {' and '.join(sorted(one[:8] for one in sums))}" for name, sums in found.items()
            )
            yield refused(
                SERVICE_ACCOUNTS,
                f"the machines do not agree on the keys of service accounts: {told}",
                "find out which is right; a rotation is ended first",
            )
        elif found and not self.source_of(SERVICE_ACCOUNTS):
            yield refused(SERVICE_ACCOUNTS, "sa.pub is there, and no sa.key", "bring sa.key to one of the machines")


def _is_any(work: MachineWork) -> bool:
    return bool(work.certificates or work.signs_with or work.service_accounts or work.leaves)


def _told(names: tuple[str, ...]) -> str:
    return ", ".join(sorted(names)) or "none"
