"""Has a certificate request signed: it is checked as the API server has stored it, and only then approved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tasks.clients.kube import Conflicted, KubeClient
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.run.locks import Check
from tasks.run.models.lock import micro_time
from tasks.user_access.models.credentials import People
from tasks.user_access.models.requests import Expected
from tasks.user_access.policy.requests import what_forbids
from tasks.user_access.probes.requests import (
    APPROVED,
    DENIED,
    REQUESTS,
    certificate_in,
    decided,
    is_decided,
    parse_request,
    request_body,
)
from tasks.user_access.work import Work

SIGNED_WITHIN = timedelta(seconds=60)
"""Limits how long kube-controller-manager may take to sign."""

TRIES = 10
"""Limits how often an approval is written again because somebody else changed the request."""

REASON = "KubeRunbooks"


def have_signed(work: Work, pem: bytes, expected: Expected) -> bytes:
    """Creates the request, checks it as it is stored, approves it, and returns the certificate.

    The object is removed in any case: it has the certificate in it.
    """
    kube, slug = work.handle.kube, work.login.slug
    work.check()
    created = kube.create(REQUESTS, request_body(pem, expected, slug))
    path = f"{REQUESTS}/{parse_request(created).name}"
    with _removed(kube, path):
        approve(kube, path, expected, work.people, work.check)
        return wait_for(
            lambda: certificate_in(kube.get(path)), SIGNED_WITHIN, what="the certificate to be signed", about=slug
        )


def approve(kube: KubeClient, path: str, expected: Expected, people: People, check: Check) -> None:
    """Approves a request that passes all checks. A request that fails one is denied, with the reason."""
    for _ in range(TRIES):
        item = kube.get(path)
        if is_decided(item):
            raise Refused(f"{path}: somebody else has decided about it", hint="find out who, then run it again")
        if problems := what_forbids(parse_request(item), expected):
            deny(kube, path, "; ".join(problems))
            raise Refused(f"the certificate request was denied: {'; '.join(problems)}", hint="find out who changed it")
        check()
        message = f"run {people.run_id}, asked for by {people.requested_by}, approved by {people.approved_by}"
        try:
            kube.replace(f"{path}/approval", _decided(item, APPROVED, message))
        except Conflicted:
            continue
        log_about(expected.user).info("%s is approved: %s", path, message)
        return
    raise NotYet(f"{path} was changed {TRIES} times while it was to be approved", hint="find out who changes it")


def remove_left(kube: KubeClient, names: Sequence[str], check: Check) -> tuple[str, ...]:
    """Removes the requests that interrupted runs left, and returns what was removed."""
    for name in names:
        check()
        remove_request(kube, f"{REQUESTS}/{name}", "the run that made it was interrupted")
    return tuple(f"CertificateSigningRequest {name}" for name in names)


def deny(kube: KubeClient, path: str, why: str) -> None:
    """Denies a request that nobody has decided about."""
    item = kube.find(path)
    if item is not None and not is_decided(item):
        kube.replace(f"{path}/approval", _decided(item, DENIED, why))


def _decided(item: dict[str, object], kind: str, message: str) -> dict[str, object]:
    return decided(item, kind, reason=REASON, message=message, now=micro_time(datetime.now(UTC)))


def remove_request(kube: KubeClient, path: str, why: str) -> None:
    """Removes a request. It is denied first: it must not be signed meanwhile."""
    deny(kube, path, why)
    kube.delete(path)


@contextmanager
def _removed(kube: KubeClient, path: str) -> Iterator[None]:
    try:
        yield
    finally:
        try:
            remove_request(kube, path, "the run that made it does not need it any more")
        except RunbookError as error:
            log_about(path).warning("it could not be removed; the next run does that: %s", error.problem)
