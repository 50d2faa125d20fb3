"""Handles what several machines must share: CAs, and the key pair of service accounts.

The run reads them from the machine that has them, or makes them. They pass once through the Prefect worker's memory.
They reach machines through standard input, and are never on the Prefect worker's disk.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tasks.certificate_issue import scripts
from tasks.certificate_issue.models import IssuePlan, IssueRequest, MachineWork
from tasks.certificate_issue.policy.plan import needed_authorities
from tasks.certificate_issue.policy.situation import SERVICE_ACCOUNTS
from tasks.certificates.authority import SigningAuthority, new_key_pair, public_half
from tasks.certificates.models.kubeadm import AUTHORITIES, COMMON_NAMES
from tasks.cluster import Cluster
from tasks.core.redaction import remember_secret

SA_KEY, SA_PUBLIC = "pki/sa.key", "pki/sa.pub"


@dataclass(frozen=True)
class KeyPair:
    """Holds the key pair of service accounts as PEM. It is empty if no machine lacks it."""

    private: bytes = field(default=b"", repr=False)
    public: bytes = b""


@dataclass(frozen=True)
class SharedKeys:
    """Holds the shared keys in memory. `sign_at` and `validity` apply to all certificates that they sign."""

    authorities: Mapping[str, SigningAuthority]
    service_accounts: KeyPair
    sign_at: datetime
    validity: timedelta


def read_or_make_shared(handle: Cluster, plan: IssuePlan, request: IssueRequest, now: datetime) -> SharedKeys:
    """Reads or makes the keys that a plan needs. It writes nothing anywhere."""
    needed = needed_authorities(plan)
    authorities = {
        name: _read(handle, name, source)
        if source
        else SigningAuthority.made(COMMON_NAMES.get(name, name), now, request.authority_validity)
        for name, source in plan.sources.items()
        if name in needed
    }
    needs_pair = any(work.service_accounts for work in plan.machines)
    pair = _key_pair(handle, plan.sources[SERVICE_ACCOUNTS]) if needs_pair else KeyPair()
    for secret in (*(one.key for one in authorities.values()), pair.private):
        if secret:
            remember_secret(secret.decode())
    return SharedKeys(authorities, pair, sign_at=now, validity=request.validity)


def files_for(work: MachineWork, shared: SharedKeys) -> Iterator[bytes]:
    """Yields the CAs and the service-account key pair that the machine lacks. Each key comes before its certificate."""
    for name in work.signs_with:
        path = f"{AUTHORITIES[name].removesuffix('.crt')}.key"
        yield scripts.whole_file(path, shared.authorities[name].key, scripts.PRIVATE)
    for name in work.certificates:
        yield scripts.whole_file(AUTHORITIES[name], shared.authorities[name].certificate, scripts.PUBLIC)
    if work.service_accounts:
        yield scripts.whole_file(SA_KEY, shared.service_accounts.private, scripts.PRIVATE)
        yield scripts.whole_file(SA_PUBLIC, shared.service_accounts.public, scripts.PRIVATE)


def certificates_for(work: MachineWork, requests: Mapping[str, bytes], shared: SharedKeys) -> Iterator[bytes]:
    """Yields the signed certificates and kubeconfigs for the leaves of a machine."""
    for leaf in work.leaves:
        authority = shared.authorities[leaf.authority]
        certificate = authority.sign(leaf, requests[leaf.name], shared.sign_at, shared.validity)
        if leaf.asks:
            yield scripts.kubeconfig_of(leaf, certificate, authority.certificate)
        else:
            yield scripts.certificate_of(leaf, certificate)


def origins_of(shared: SharedKeys, plan: IssuePlan) -> dict[str, str]:
    """Returns where each CA was found, or until when a new one is valid. The report shows it."""
    return {
        name: plan.sources[name] or f"made, valid until {authority.not_after:%Y-%m-%d}"
        for name, authority in shared.authorities.items()
    }


def _read(handle: Cluster, name: str, source: str) -> SigningAuthority:
    path = handle.profile.kubeadm.folder / AUTHORITIES[name]
    node = handle.node(source)
    key = node.read_file(path.with_suffix(".key"), sudo=True)
    remember_secret(key.decode(errors="replace"))
    return SigningAuthority.read(node.read_file(path, sudo=True), key)


def _key_pair(handle: Cluster, source: str) -> KeyPair:
    if not source:
        return KeyPair(*new_key_pair())
    key = handle.node(source).read_file(handle.profile.kubeadm.folder / SA_KEY, sudo=True)
    remember_secret(key.decode(errors="replace"))
    return KeyPair(key, public_half(key))
