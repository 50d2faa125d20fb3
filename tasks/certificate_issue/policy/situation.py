"""Describes the machines of a request: which has what, which must get what, and why something is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tasks.certificate_issue.models import WORK, IssueFacts, IssueRequest, MachineWork
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificates.models.inventory import CLIENT, SERVER, Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import AUTHORITIES, ETCD_CA, Leaf
from tasks.core.models.names import named, normals
from tasks.core.models.shape import Address
from tasks.core.probes.addresses import address_of_url

SERVICE_ACCOUNTS = "sa"


@dataclass(frozen=True)
class IssueSituation:
    """Holds everything that the rules check."""

    facts: IssueFacts
    request: IssueRequest
    now: datetime

    @cached_property
    def machines(self) -> Mapping[str, NodeCertificates]:
        """Returns the machines by name."""
        return {machine.name: machine for machine in self.facts.machines}

    @cached_property
    def control_planes(self) -> tuple[str, ...]:
        """Returns the names of the machines that will run an API server."""
        return tuple(machine.name for machine in self.request.control_planes)

    @cached_property
    def members(self) -> tuple[str, ...]:
        """Returns the names of the machines that will run etcd."""
        return tuple(machine.name for machine in self.request.etcd) or self.control_planes

    @property
    def wanted_authorities(self) -> tuple[str, ...]:
        """Returns the CAs and keys that must be the same on several machines."""
        return (*AUTHORITIES, SERVICE_ACCOUNTS) if self.control_planes else (ETCD_CA,)

    # --- who has what

    def authority_on(self, name: str, authority: str) -> Certificate | None:
        """Returns the certificate of a CA on a machine, or None."""
        return self._at(name, AUTHORITIES[authority])

    def source_of(self, authority: str) -> str:
        """Returns the first machine that has this key. The result is empty if none has it, so that it must be made."""
        return next((name for name in self.request.machines if self.has_key(name, authority)), "")

    def has_key(self, name: str, authority: str) -> bool:
        """Checks whether a machine has the key of a CA, or of service accounts, and can sign with it."""
        if authority == SERVICE_ACCOUNTS:
            return any(key.private and key.public_key for key in self.machines[name].public_keys)
        found = self.authority_on(name, authority)
        return bool(found and found.pair)

    def is_free(self, name: str, leaf: Leaf) -> bool:
        """Checks whether the place of a leaf is free.

        It is free if nothing is there, or if an interrupted run left it. Then nothing can need the file.
        """
        return self._at(name, leaf.path) is None or self._at(name, f"{WORK}/{leaf.name}.crt") is not None

    def _at(self, name: str, path: str) -> Certificate | None:
        full = str(self.facts.folder / path)
        own = (one for one in self.machines[name].certificates if one.path == full and one.kind is not Kind.TRUST)
        return next((one for one in own if not one.place), None)

    # --- who is to have it

    def keepers_of(self, authority: str) -> tuple[str, ...]:
        """Returns the machines that must have the key of a CA: every control plane node.

        For an external etcd this is one machine, because etcd needs no second one to work.
        """
        if authority != ETCD_CA or not self.request.etcd:
            return self.control_planes
        return (self.source_of(ETCD_CA) or self.members[0],)

    def trusts(self, name: str, authority: str) -> bool:
        """Checks whether a machine must have the certificate of a CA."""
        return name in self.control_planes or (authority == ETCD_CA and name in self.members)

    # --- what is to be made

    def work_on(self, name: str) -> MachineWork:
        """Returns what a machine must get. The result is empty for a machine that does not answer."""
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
        """Returns why a certificate must be made on a machine. The result is empty if it exists and is as requested."""
        found = self._at(name, leaf.path)
        kubeconfig = next((one for one in self.machines[name].kubeconfigs if one.path.endswith(f"/{leaf.path}")), None)
        if kubeconfig and kubeconfig.names_file:
            return ()  # kubelet's: once it has joined, it renews its own
        if found is None:
            return ("it is not there",)
        if self.authority_on(name, leaf.authority) is None:
            return (f"its CA {leaf.authority} is not there",)
        return differences(leaf, found, asks=kubeconfig.server if kubeconfig else "", now=self.now)


def differences(leaf: Leaf, found: Certificate, *, asks: str, now: datetime) -> tuple[str, ...]:
    """Returns how a certificate differs from the request. The result is empty if it does not.

    `asks` is the server of its kubeconfig, if it is in one.
    """
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
        (bool(found.not_after and found.not_after <= now), "it has expired"),
        (_place(asks) != _place(leaf.asks), f"it leads to {asks or 'nowhere'}, not to {leaf.asks}"),
        (not _is_good_for(found, leaf), f"it is good for {', '.join(found.usages)}, not for {_usages(leaf)}"),
    )
    return tuple(problem for is_so, problem in differences if is_so)


def _place(url: str) -> Address | str:
    """Returns the address of an API server in a comparable form.

    Names have no case, and an address may be written in several ways.
    """
    try:
        found = address_of_url(url, 443)
    except ValueError:
        return url
    return Address(host=named(found.host), port=found.port)


def _is_good_for(found: Certificate, leaf: Leaf) -> bool:
    """Checks whether a certificate has the usages of a leaf. A certificate without usages is good for all of them."""
    return not found.usages or set(_usages(leaf).split(" and ")) <= set(found.usages)


def _usages(leaf: Leaf) -> str:
    wanted = ((leaf.server, SERVER), (leaf.client, CLIENT))
    return " and ".join(usage for is_so, usage in wanted if is_so)


def _told(names: tuple[str, ...]) -> str:
    return ", ".join(sorted(names)) or "none"
