"""Issues a client certificate: the request is checked as the API server has stored it, and only then approved.

A key that the run makes exists in memory only. Nobody can take a certificate back, so the object of the request is removed
in any case, and a certificate that was not delivered has no key any more.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from tasks.access.models.audit import Asked as Cell
from tasks.access.observe import judge_cells
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.core.redaction import remember_secret
from tasks.user_access.ledger import deliver, id_of, write_entry
from tasks.user_access.models.credentials import CellsProof, Entry, Granted
from tasks.user_access.models.grant import Login
from tasks.user_access.models.requests import Certificate, Expected
from tasks.user_access.policy.plan import expected_of, failing
from tasks.user_access.policy.requests import what_differs
from tasks.user_access.probes.kubeconfig import certificate_fields, kubeconfig_of, new_request
from tasks.user_access.probes.requests import parse_certificate, parse_pem
from tasks.user_access.probes.tokens import labels_of
from tasks.user_access.proof import LIMIT, prove
from tasks.user_access.signing import have_signed
from tasks.user_access.work import Work


def issue_certificate(work: Work, given: str) -> Granted:
    """Has a certificate signed, checks and proves it, and delivers it. `given` is a request of the user, or empty."""
    login, people, now = work.login, work.people, datetime.now(UTC)
    key, pem = (b"", given.encode()) if given else new_request(login.user, login.groups)
    if key:
        remember_secret(key.decode())
    expected = expected_of(login, labels_of(login.owner, people.run_id), parse_pem(pem).public_key)
    signed = have_signed(work, pem, expected)
    made, expires_at = parse_certificate(signed, work.trust.clients, now)
    with _not_delivered_if_it_fails(made.serial, expires_at, is_ours=bool(key)):
        return _delivered(work, Signed(signed, key, made, expires_at, expected))


class Signed(NamedTuple):
    """Holds a signed certificate and its key in memory. It is never printed."""

    pem: bytes
    key: bytes
    made: Certificate
    expires_at: datetime
    expected: Expected

    def __repr__(self) -> str:
        return f"<Signed {self.made.serial}>"


def _delivered(work: Work, signed: Signed) -> Granted:
    handle, login, cells, trust, people, check = work
    made, key = signed.made, signed.key
    if wrong := what_differs(made, signed.expected):
        raise Refused(f"the signed certificate is not what was asked for: {'; '.join(wrong)}", hint=SIGNER_HINT)
    cluster = handle.profile.name
    text = kubeconfig_of(cluster, login.user, trust.server, trust.servers, certificate_fields(signed.pem, key))
    proof = _proof(handle, text, login, cells) if key else None
    if not key:
        _ask_about(handle.kube, cells, login.user)
    check()
    now = datetime.now(UTC).replace(microsecond=0)
    name = id_of(now, people.run_id)
    entry = Entry(
        id=name,
        user=login.user,
        kind=login.kind,
        username=login.user,
        groups=login.groups,
        credential_id=f"X509SHA256={made.fingerprint}",
        serial=made.serial,
        issued_at=now,
        expires_at=signed.expires_at,
        sealed=deliver(handle, login.user, name, text, login.recipient),
        recipient=login.recipient,
        **people.model_dump(),
    )
    write_entry(handle, entry)
    return Granted(entry=entry, proof=proof, cells=0 if key else len(cells))


SIGNER_HINT = "check who signs for the cluster"


@contextmanager
def _not_delivered_if_it_fails(serial: str, expires_at: datetime, *, is_ours: bool) -> Iterator[None]:
    """Adds to an error what became of a certificate that nobody can take back."""
    try:
        yield
    except RunbookError as error:
        key = "its key was in memory only and is gone" if is_ours else "only the user has its key"
        left = f"the certificate {serial}, valid until {expires_at:%Y-%m-%d %H:%M} UTC, was not delivered: {key}"
        raise type(error)(f"{error.problem}; {left}", hint=error.hint) from error


def _proof(handle: Cluster, text: str, login: Login, cells: Sequence[Cell]) -> CellsProof:
    return prove(handle, parse_kubeconfig(text, "the new kubeconfig"), login.identity, cells)


def _ask_about(kube: KubeClient, cells: Sequence[Cell], user: str) -> None:
    """Asks about each cell by the name and the groups of the certificate, because only the user has the key."""

    def look() -> None:
        if wrong := failing(judge_cells(kube, cells)):
            raise NotYet(
                f"{len(wrong)} of {len(cells)} cells fail: {'; '.join(wrong)}",
                hint="correct the bindings, or the cluster's access.yaml",
            )

    wait_for(look, LIMIT, what="the rights of the policy to be in force", about=user)
