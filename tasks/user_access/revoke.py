"""Takes the access of a user back, and proves it by real logins that worked before."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus

from tasks.access.models.declared import GIVEN_TO, MANAGED_BY, MANAGER, Kind
from tasks.access.models.login import Credential, account_for, owner_of
from tasks.access.models.policy import AccessPolicy
from tasks.access.observe import read_rbac
from tasks.clients.kube import KubeClient, KubeUser
from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import FailedForGood, NotYet
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.run.locks import Check
from tasks.user_access.ledger import mark_taken, remove_undelivered
from tasks.user_access.models.revoke import Owned, Revoked, RevokeFacts
from tasks.user_access.observe import credentials_of
from tasks.user_access.policy.login import find_user
from tasks.user_access.policy.revoke import bindings_left, valid_certificates, what_it_can_do
from tasks.user_access.probes.tokens import WHO, WHO_AM_I, only, parse_user
from tasks.user_access.proof import REQUEST
from tasks.user_access.signing import remove_left
from tasks.user_access.tokens import remove_secret, request_token
from tasks.user_access.trust import read_trust

ORDER = (Kind.BINDING, Kind.CLUSTER_BINDING, Kind.ROLE, Kind.CLUSTER_ROLE, Kind.ACCOUNT)
"""Lists the kinds of a user's objects in the order in which they are removed."""

CANARY = timedelta(minutes=10)
"""This is how long a token for the proof lives at most: the shortest that the API issues."""

DENIED_WITHIN = timedelta(seconds=60)
"""Limits how long the API servers may still take a token. They remember an answer for about 10 s."""


def look_at_revocation(handle: Cluster, policy: AccessPolicy | None, user: str) -> RevokeFacts:
    """Returns what of a user is in the cluster and in the bucket. It changes nothing."""
    owned, named = owned_by(handle.kube, user), bindings_left(user, read_rbac(handle.kube))
    ours = {one.label for one in owned}
    return RevokeFacts(
        user=user,
        account=account_for(user).name,
        in_policy=find_user(policy, user) is not None,
        known=tuple(one.name for one in policy.users) if policy else (),
        owned=owned,
        others=tuple(one for one in named if one.partition(" of ")[0] not in ours),
        **dict(credentials_of(handle, user)),
    )


def owned_by(kube: KubeClient, user: str) -> tuple[Owned, ...]:
    """Returns the objects of ours that give access to a user, by their labels."""
    selector = f"{MANAGED_BY}={MANAGER},{GIVEN_TO}={owner_of('user', user)}"
    lists = on_all(lambda kind: kube.heads(f"{kind.root}/{kind.plural}", labelSelector=selector), ORDER)
    return tuple(_owned(kind, item) for kind, items in zip(ORDER, lists, strict=True) for item in items)


def _owned(kind: Kind, item: dict[str, object]) -> Owned:
    found = outside.Named.read(item, name_of(kind, item)).metadata
    return Owned(kind=kind, namespace=found.namespace, name=found.name, uid=found.uid)


def revoke(handle: Cluster, policy: AccessPolicy | None, user: str, run_id: str, check: Check) -> Revoked:
    """Removes everything of ours that gives access to a user, and proves that logins no longer work.

    It reads the cluster again first, so that it can resume.
    """
    facts, kube = look_at_revocation(handle, policy, user), handle.kube
    with _logged_in(handle, facts) as canaries:
        removed = []
        for one in (one for one in facts.owned if one.kind is not Kind.ACCOUNT):
            check()
            kube.delete(one.path, only(one.uid))
            removed.append(one.label)
        for secret in facts.held:
            check()
            remove_secret(kube, secret)
            removed.append(f"Secret {secret.id}")
        for one in (one for one in facts.owned if one.kind is Kind.ACCOUNT):
            check()
            kube.delete(one.path, only(one.uid))
            removed.append(one.label)
        for canary in canaries:
            wait_for(partial(_denied, canary), DENIED_WITHIN, what="tokens to be refused", about=user)
    removed += remove_left(kube, facts.requests, check)
    removed += remove_undelivered(handle, user, facts.entries)
    now = datetime.now(UTC)
    tokens = [one for one in facts.open if one.kind is Credential.TOKEN]
    for entry in tokens:
        mark_taken(handle, entry, now, run_id)
    rbac = read_rbac(kube)
    return Revoked(
        user=user,
        removed=tuple(removed),
        logins=len(canaries),
        not_tried=_why_not_tried(facts),
        taken=tuple(one.credential_id for one in tokens),
        certificates=tuple(what_it_can_do(one, rbac) for one in valid_certificates(facts.open, now)),
        foreign=bindings_left(user, rbac),
    )


def _why_not_tried(facts: RevokeFacts) -> str:
    return "" if facts.has_account else "there was no ServiceAccount of this user, so no token of it works"


@contextmanager
def _logged_in(handle: Cluster, facts: RevokeFacts) -> Iterator[tuple[KubeClient, ...]]:
    """Logs in with new tokens of the same ServiceAccount: one for each Secret, and one for the ServiceAccount alone.

    The user's own token is not ours to have. What ends one of these ends it too.
    """
    clients: list[KubeClient] = []
    try:
        for secret in (*facts.held, None) if facts.has_account else ():
            trust = read_trust(handle)
            token = request_token(handle.kube, facts.account, secret, CANARY).token
            client = handle.kube_as(trust.server, KubeUser(trust.servers.encode(), token=token), REQUEST)
            clients.append(client)
            wait_for(partial(_works, client, facts), REQUEST, what="a new token to work", about=facts.user)
        yield tuple(clients)
    finally:
        for client in clients:
            client.close()


def _works(client: KubeClient, facts: RevokeFacts) -> None:
    answer = client.send("POST", WHO, dict(WHO_AM_I))
    wanted = account_for(facts.user).identity.user
    if not answer.is_fine or parse_user(answer.body)[0] != wanted:
        raise NotYet(f"a new token of {wanted} does not work: {answer.status} {answer.message}")


def _denied(client: KubeClient) -> None:
    status = client.send("POST", WHO, dict(WHO_AM_I)).status
    if status != HTTPStatus.UNAUTHORIZED:
        raise NotYet(
            f"a token of the user is answered by {status}, not by 401",
            hint="check the clocks and the caches of the API servers; nothing of ours gives the user access any more",
        )


class StillHasAccess(FailedForGood):
    """Everything of ours is removed, and the user can still do something. Another run would change nothing."""


def fail_if_left(revoked: Revoked) -> None:
    """Raises `StillHasAccess` if the user can still use something."""
    if revoked.left:
        raise StillHasAccess(
            f"everything of ours is removed, and {revoked.user} still has access: {'; '.join(revoked.left)}",
            hint="remove these bindings by hand; a certificate ends with a new CA alone: "
            "`kube-runbooks run ca-rotation CLUSTER --authority=ca --stage=trust-both --mode=plan`",
        )
