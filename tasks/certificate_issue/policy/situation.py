"""The machines of a request as they are: who has what, who is to have it, and why something is to be made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tasks.certificate_issue.models import WORK, IssueFacts, IssueRequest, MachineWork
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import AUTHORITIES, ETCD_CA, Leaf
from tasks.core.models.names import normals

SERVICE_ACCOUNTS = "sa"


@dataclass(frozen=True)
class IssueSituation:
    """All that the rules look at."""

    facts: IssueFacts
    request: IssueRequest
    now: datetime

    @cached_property
    def machines(self) -> Mapping[str, NodeCertificates]:
        """By name."""
        return {machine.name: machine for machine in self.facts.machines}

    @cached_property
    def control_planes(self) -> tuple[str, ...]:
        """Where API servers are to run."""
        return tuple(machine.name for machine in self.request.control_planes)

    @cached_property
    def members(self) -> tuple[str, ...]:
        """Where etcd is to run."""
        return tuple(machine.name for machine in self.request.etcd) or self.control_planes

    @property
    def wanted_authorities(self) -> tuple[str, ...]:
        """What has to be the same on several machines."""
        return (*AUTHORITIES, SERVICE_ACCOUNTS) if self.control_planes else (ETCD_CA,)

    # --- who has what

    def authority_on(self, name: str, authority: str) -> Certificate | None:
        """A CA's certificate on a machine."""
        return self._at(name, AUTHORITIES[authority])

    def source_of(self, authority: str) -> str:
        """The first machine that has its key; empty when none has, and it is to be made."""
        return next((name for name in self.request.machines if self.has_key(name, authority)), "")

    def has_key(self, name: str, authority: str) -> bool:
        """A machine has the key of a CA, or of service accounts, and can sign with it."""
        if authority == SERVICE_ACCOUNTS:
            return any(key.private and key.public_key for key in self.machines[name].public_keys)
        found = self.authority_on(name, authority)
        return bool(found and found.pair)

    def is_free(self, name: str, leaf: Leaf) -> bool:
        """Nothing that anybody may need is in its place: nothing at all, or what a run of ours was cut off in."""
        return self._at(name, leaf.path) is None or self._at(name, f"{WORK}/{leaf.name}.crt") is not None

    def _at(self, name: str, path: str) -> Certificate | None:
        full = str(self.facts.folder / path)
        own = (one for one in self.machines[name].certificates if one.path == full and one.kind is not Kind.TRUST)
        return next((one for one in own if not one.place), None)

    # --- who is to have it

    def keepers_of(self, authority: str) -> tuple[str, ...]:
        """Who is to have its key: every control plane node; of an external etcd one machine, which needs no second one to work."""
        if authority != ETCD_CA or not self.request.etcd:
            return self.control_planes
        return (self.source_of(ETCD_CA) or self.members[0],)

    def trusts(self, name: str, authority: str) -> bool:
        """A machine is to have the certificate of a CA."""
        return name in self.control_planes or (authority == ETCD_CA and name in self.members)

    # --- what is to be made

    def work_on(self, name: str) -> MachineWork:
        """What a machine is to get; nothing for one that does not answer."""
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
            leaves=tuple(leaf for leaf in leaves_of(self.request, name) if self.reasons_to_make(name, leaf)),
        )

    def reasons_to_make(self, name: str, leaf: Leaf) -> tuple[str, ...]:
        """Why a certificate is to be made there; none when it is there, and as asked for."""
        found = self._at(name, leaf.path)
        kubeconfig = next((one for one in self.machines[name].kubeconfigs if one.path.endswith(f"/{leaf.path}")), None)
        if kubeconfig and kubeconfig.names_file:
            return ()  # kubelet's: once it has joined, it renews its own
        if found is None:
            return ("it is not there",)
        if self.authority_on(name, leaf.authority) is None:
            return (f"its authority {leaf.authority} is not there",)
        return differences(leaf, found, asks=kubeconfig.server if kubeconfig else "", now=self.now)


def differences(leaf: Leaf, found: Certificate, *, asks: str, now: datetime) -> tuple[str, ...]:
    """In what a certificate is not as asked for; none where it is; `asks` is where its kubeconfig leads, if it is in one."""
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


def _told(names: tuple[str, ...]) -> str:
    return ", ".join(sorted(names)) or "none"
