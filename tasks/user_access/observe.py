"""Observes a user: what the policy wants, what the API allows, and which credentials of ours the user has."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tasks.access import observe
from tasks.access.models.audit import Asked
from tasks.access.models.login import owner_of
from tasks.access.models.policy import AccessPolicy
from tasks.access.policy.matrix import cells_of
from tasks.access_apply.models import Act, Comparison
from tasks.access_apply.observe import compare_access
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.models import outside
from tasks.core.models.findings import Problem
from tasks.core.models.outside import name_of
from tasks.user_access.ledger import read_entries
from tasks.user_access.models.credentials import Credentials, Held
from tasks.user_access.models.grant import GrantOptions, UserFacts
from tasks.user_access.policy.login import label_of, login_of, policy_of, subjects_of
from tasks.user_access.probes.requests import REQUESTS, parse_pem
from tasks.user_access.probes.tokens import SECRETS, parse_held, selector_of
from tasks.user_access.trust import endpoint_of


def look_at_user(handle: Cluster, policy: AccessPolicy | None, user: str, options: GrantOptions) -> UserFacts:
    """Returns everything that a grant decides about. It changes nothing."""
    kube, login = handle.kube, login_of(policy, user)
    if policy is None or login is None or isinstance(login, Problem):
        known = tuple(one.name for one in policy.users) if policy else ()
        problem = str(login) if login else ""
        nothing = Comparison(observed_at=datetime.now(UTC), policy=policy)
        return UserFacts(user=user, login=None, problem=problem, known=known, objects=nothing)
    return UserFacts(
        user=user,
        login=login,
        asked=parse_pem(options.request.encode()) if options.request else None,
        objects=compare_objects_of(kube, policy, user),
        endpoint=endpoint_of(handle),
        **dict(credentials_of(handle, user)),
    )


def credentials_of(handle: Cluster, user: str) -> Credentials:
    """Returns the credentials of ours that a user has."""
    kube = handle.kube
    return Credentials(held=held_by(kube, user), requests=requests_of(kube, user), entries=read_entries(handle, user))


def compare_objects_of(kube: KubeClient, policy: AccessPolicy, user: str) -> Comparison:
    """Compares the ServiceAccount, the roles and the bindings of a user with the policy.

    What others have, and what the policy no longer has, is not its business: `access_apply` changes that.
    """
    found = compare_access(kube, policy_of(policy, user), remove=False)
    mine = {*subjects_of(policy, user), ""}
    changes = tuple(one for one in found.changes if one.subject in mine and one.act is not Act.DELETE)
    return found.model_copy(update={"changes": changes})


def cells_about(kube: KubeClient, policy: AccessPolicy, user: str) -> Sequence[Asked]:
    """Returns the cells of the policy's matrix that are about a user."""
    resources, namespaces = observe.read_resources(kube), observe.read_namespaces(kube)
    cells = cells_of(policy, resources, namespaces, observe.read_rbac(kube))
    return tuple(one for one in cells if one.cell.subject == label_of(user))


def held_by(kube: KubeClient, user: str) -> tuple[Held, ...]:
    """Returns the Secrets of ours to which tokens of a user are bound."""
    return parse_held(kube.heads(SECRETS, labelSelector=selector_of(owner_of("user", user))))


def requests_of(kube: KubeClient, user: str) -> tuple[str, ...]:
    """Returns the names of certificate requests that an interrupted run left."""
    found = kube.heads(REQUESTS, labelSelector=selector_of(owner_of("user", user)))
    return tuple(outside.Named.read(one, name_of("CertificateSigningRequest", one)).metadata.name for one in found)
