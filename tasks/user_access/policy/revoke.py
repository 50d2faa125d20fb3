"""Decides what a revocation removes, and what a certificate that stays valid can still do."""

from collections.abc import Iterator
from datetime import datetime

from tasks.access.models.login import Credential, account_for
from tasks.access.models.rights import MASTERS, Identity, Rbac, Subject
from tasks.access.policy.findings import find_rights
from tasks.access.policy.rbac import binding_name, names_user
from tasks.core.models.findings import cautioned, listed, refused
from tasks.core.models.outside import Binding
from tasks.core.models.plan import Caution, Plan, Step, figure
from tasks.user_access.models.credentials import Entry
from tasks.user_access.models.revoke import RevokeFacts, ValidCertificate

SHOWN = 5
FILE = "the cluster's access.yaml"


def plan_revoke(facts: RevokeFacts, now: datetime) -> Plan:
    """Returns the plan of a revocation. A user of whom nothing is known is refused: the name may be wrong."""
    if not facts.has_anything and not facts.in_policy:
        known = listed(facts.known, SHOWN) or "none"
        problem = f"nothing is known of this user: no object of ours, no credential; the policy names {known}"
        return Plan(refusals=(refused(facts.user, problem, "check the name"),))
    return Plan(steps=tuple(_steps(facts, now)), cautions=tuple(_cautions(facts, now)))


def _steps(facts: RevokeFacts, now: datetime) -> Iterator[Step]:
    for one in facts.owned:
        yield Step(subject=one.label, act="remove it", reason=f"it gives access to {facts.user}")
    for secret in facts.held:
        yield Step(subject=f"Secret {secret.id}", act="remove it", reason="tokens are bound to it")
    for entry in valid_certificates(facts.open, now):
        act = "check what this certificate can still do"
        yield Step(subject=f"certificate {entry.serial}", act=act, reason="nobody can take it back")


def _cautions(facts: RevokeFacts, now: datetime) -> Iterator[Caution]:
    if facts.in_policy:
        problem = f"{FILE} still names the user: the next `access_apply` gives the rights again"
        yield cautioned(facts.user, problem, f"remove the user from {FILE}")
    for name in facts.requests:
        problem = f"{name}: an interrupted run left it; this run denies and removes it"
        yield cautioned(facts.user, figure(problem))
    for binding in facts.others:
        yield cautioned(facts.user, f"{binding} names the user, and is not ours: it stays", "remove it by hand")
    for one in valid_certificates(facts.open, now):
        problem = (
            f"the certificate {one.serial} cannot be taken back: it is valid until {one.expires_at:%Y-%m-%d %H:%M} UTC"
        )
        yield cautioned(
            facts.user,
            problem,
            "only a new CA ends it: `kube-runbooks run ca-rotation CLUSTER --authority=ca --stage=trust-both --mode=plan`",
        )


def valid_certificates(entries: tuple[Entry, ...], now: datetime) -> tuple[Entry, ...]:
    """Returns the certificates that have not expired."""
    return tuple(one for one in entries if one.kind is Credential.CERTIFICATE and one.expires_at > now)


def what_it_can_do(entry: Entry, rbac: Rbac) -> ValidCertificate:
    """Returns what the rules give to the name and the groups of a certificate, without what everybody has."""
    who = Identity(user=entry.username, groups=entry.groups)
    labels = {f"User:{entry.username}", *(f"Group:{one}" for one in entry.groups)}
    return ValidCertificate(
        serial=entry.serial,
        credential_id=entry.credential_id,
        expires_at=entry.expires_at,
        groups=entry.groups,
        bindings=tuple(_named(one) for one in rbac.bindings if names_user(one, who)),
        dangers=tuple(f"{one.subject} {one.problem}" for one in find_rights(rbac) if one.subject in labels),
        is_master=MASTERS in entry.groups,
    )


def bindings_left(user: str, rbac: Rbac) -> tuple[str, ...]:
    """Returns the bindings that name the user or the user's ServiceAccount. Ours are removed by then."""
    subjects = (Subject(kind="User", name=user), account_for(user))
    names = [Identity(user=one.identity.user) for one in subjects]
    return tuple(_named(one) for one in rbac.bindings if any(names_user(one, who) for who in names))


def _named(binding: Binding) -> str:
    return f"{binding_name(binding)} of {binding.role_ref.kind} {binding.role_ref.name}"
