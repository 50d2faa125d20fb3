"""Issues a token that can be taken back: it is bound to a Secret of ours, and is worth nothing without it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import KubeClient
from tasks.core.errors import Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models import outside
from tasks.core.models.outside import IssuedToken, name_of
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.core.redaction import remember_secret
from tasks.user_access.ledger import deliver, id_of, write_entry
from tasks.user_access.models.credentials import Entry, Granted, Held
from tasks.user_access.probes.kubeconfig import kubeconfig_of
from tasks.user_access.probes.tokens import (
    SECRETS,
    labels_of,
    only,
    parse_held,
    parse_token,
    secret_body,
    token_body,
    token_path,
)
from tasks.user_access.proof import prove
from tasks.user_access.work import Work

SLACK = timedelta(minutes=5)
"""Limits how much longer than asked a token may be valid."""


def issue_token(work: Work) -> Granted:
    """Issues a token, proves it, and delivers it. Whatever fails, the token is taken back at once.

    The entry in the bucket is written last. Without it, the next run removes the Secret.
    """
    handle, login, cells, trust, people, check = work
    kube, now = handle.kube, datetime.now(UTC).replace(microsecond=0)
    check()
    created = kube.create(SECRETS, secret_body(login.slug, labels_of(login.owner, people.run_id)))
    (secret,) = parse_held([created])
    with _taken_back_if_it_fails(kube, secret):
        issued = request_token(kube, login.account, secret, login.lifetime)
        _refuse_too_long(issued, now + login.lifetime)
        cluster = handle.profile.name
        text = kubeconfig_of(cluster, login.user, trust.server, trust.servers, {"token": issued.token})
        proof = prove(handle, parse_kubeconfig(text, "the new kubeconfig"), login.identity, cells)
        check()
        name = id_of(now, people.run_id)
        entry = Entry(
            id=name,
            user=login.user,
            kind=login.kind,
            username=proof.username,
            groups=proof.groups,
            credential_id=proof.credential_id,
            issued_at=now,
            expires_at=issued.expiration_timestamp,
            secret=secret.id,
            secret_uid=secret.uid,
            sealed=deliver(handle, login.user, name, text, login.recipient),
            recipient=login.recipient,
            **people.model_dump(),
        )
        write_entry(handle, entry)
    return Granted(entry=entry, proof=proof)


def request_token(kube: KubeClient, account: str, secret: Held | None, lifetime: timedelta) -> IssuedToken:
    """Requests a token, and masks it in all logs from now on."""
    issued = parse_token(kube.create(token_path(account), token_body(secret, lifetime)))
    remember_secret(issued.token)
    return issued


def remove_secret(kube: KubeClient, secret: Held) -> None:
    """Removes this very Secret: its tokens are worth nothing any more."""
    kube.delete(f"{SECRETS}/{secret.name}", only(secret.uid))


def has_ended(kube: KubeClient, entry: Entry) -> bool:
    """Checks whether the Secret of a token is gone, by its name and uid: without its labels it would still count."""
    raw = kube.find(f"{SECRETS}/{entry.secret.rpartition('/')[2]}")
    return raw is None or outside.Named.read(raw, name_of("secret", raw)).metadata.uid != entry.secret_uid


@contextmanager
def _taken_back_if_it_fails(kube: KubeClient, secret: Held) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        left = _take_back(kube, secret)
        if isinstance(error, RunbookError):
            raise type(error)(f"{error.problem}; {left}", hint=error.hint) from error
        raise


def _take_back(kube: KubeClient, secret: Held) -> str:
    """Removes the Secret of a token that was not delivered, and says what became of it."""
    try:
        remove_secret(kube, secret)
    except RunbookError as error:
        log_about(secret.id).warning("it could not be removed: %s", error.problem)
        return f"Secret {secret.id} could not be removed ({error.problem}): the next run removes it"
    return f"the token was taken back: Secret {secret.id} is gone"


def _refuse_too_long(issued: IssuedToken, wanted: datetime) -> None:
    if issued.expiration_timestamp > wanted + SLACK:
        raise Refused(
            f"the API server issued a token until {issued.expiration_timestamp:%Y-%m-%d %H:%M} UTC, "
            f"and {wanted:%Y-%m-%d %H:%M} UTC was asked for",
            hint="check what answers at serviceaccounts/token",
        )
