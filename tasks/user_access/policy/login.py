"""Decides from the access policy which credential a user gets."""

from tasks.access.models.login import Credential, owner_of, safe_name
from tasks.access.models.policy import AccessPolicy, DeclaredUser
from tasks.core.models.findings import Problem
from tasks.user_access.models.grant import Login


def find_user(policy: AccessPolicy | None, user: str) -> DeclaredUser | None:
    """Returns the user of the policy; None if there is none of this name."""
    return next((one for one in policy.users if one.name == user), None) if policy else None


def login_of(policy: AccessPolicy | None, user: str) -> Login | Problem | None:
    """Returns the credential of a user, why the policy does not say it, or None if the policy does not name the user."""
    declared = find_user(policy, user)
    if policy is None or declared is None:
        return None
    if declared.access is None:
        return Problem(text="the policy does not say which credential this user gets: it has no access:")
    is_token = declared.access.credential is Credential.TOKEN
    identity = next(row.identity for row in policy.rows if row.subject == label_of(user))
    return Login(
        user=user,
        kind=declared.access.credential,
        identity=identity,
        groups=() if is_token else declared.groups,
        lifetime=declared.access.lifetime,
        recipient=declared.access.recipient,
        slug=safe_name(user),
        owner=owner_of("user", user),
        account=declared.subject.name if is_token else "",
    )


def label_of(user: str) -> str:
    """Returns how the matrix and the objects of the policy name a user."""
    return f"User:{user}"


def subjects_of(policy: AccessPolicy | None, user: str) -> tuple[str, ...]:
    """Returns whose objects a user needs: the own ones, and for a certificate those of the groups in it."""
    declared = find_user(policy, user)
    if policy is None or declared is None:
        return ()
    known = {one.name for one in policy.groups}
    groups = () if declared.has_token else tuple(name for name in declared.groups if name in known)
    return (label_of(user), *(f"Group:{name}" for name in groups))


def policy_of(policy: AccessPolicy, user: str) -> AccessPolicy:
    """Returns the part of the policy that is about a user and the user's groups."""
    users = tuple(one for one in policy.users if one.name == user)
    named = {group for one in users for group in one.groups}
    groups = tuple(one for one in policy.groups if one.name in named)
    return policy.model_copy(update={"users": users, "groups": groups, "service_accounts": ()})
