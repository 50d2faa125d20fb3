"""Turns an access policy into the objects that give it: ServiceAccounts, roles and bindings.

The name of a binding has the role in it. So another role is another binding: the API lets nobody change the role of one.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tasks.access.models.declared import (
    GIVEN_TO,
    JSON,
    MANAGED_BY,
    MANAGER,
    RBAC_GROUP,
    SUBJECT,
    Declaration,
    Kind,
    Wanted,
)
from tasks.access.models.login import ACCESS_NAMESPACE, owner_of
from tasks.access.models.policy import AccessPolicy, Declared, Right, RoleGiven
from tasks.access.models.resources import Resources
from tasks.access.models.rights import Question, Subject
from tasks.access.policy.resources import question_about
from tasks.core.models.findings import Problem, refused
from tasks.core.models.plan import Refusal

ORDER = list(Kind)
ANY = "*"

FILE = "the cluster's access.yaml"

POD_SECURITY = "pod-security.kubernetes.io/enforce"


class Receiver(NamedTuple):
    """Holds a subject of the policy, what bindings have for it, and what declares its rights."""

    label: str
    """`User:ada`, also if ada logs in as a ServiceAccount."""
    owner: str
    """The value of our label: `user.ada`."""
    subject: Subject
    sources: tuple[Declared, ...]

    @property
    def base(self) -> str:
        """Returns how the names of the subject's objects begin."""
        return f"{MANAGER}:{self.owner.replace('.', ':', 1)}"


def declare(policy: AccessPolicy, known: Resources) -> Declaration:
    """Returns all objects of a policy, and a refusal for each right that the API does not have."""
    objects: list[Wanted] = list(_accounts(policy))
    refusals: list[Refusal] = []
    for receiver in receivers(policy):
        rules, problems = rules_by_place([right for one in receiver.sources for right in one.can], known)
        refusals += [refused(receiver.label, str(one), f"{one.next_step}; correct {FILE}") for one in problems]
        objects += _own_roles(receiver, rules)
        objects += _given_roles(receiver)
    unique = {one.place: one for one in objects}
    return Declaration(tuple(sorted(unique.values(), key=lambda one: (ORDER.index(one.kind), one.place))), (*refusals,))


def receivers(policy: AccessPolicy) -> Iterator[Receiver]:
    """Yields each subject of the policy. A user with a token also receives what its groups do."""
    for user in policy.users:
        sources = policy.sources_of(user) if user.has_token else (user,)
        yield Receiver(f"User:{user.name}", owner_of("user", user.name), user.subject, sources)
    for group in policy.groups:
        subject = Subject(kind="Group", name=group.name)
        yield Receiver(subject.label, owner_of("group", group.name), subject, (group,))
    for account in policy.service_accounts:
        yield Receiver(account.subject.label, owner_of("account", account.name), account.subject, (account,))


def rules_by_place(rights: Sequence[Right], known: Resources) -> tuple[dict[str, list[JSON]], tuple[Problem, ...]]:
    """Returns the rules of each namespace, the empty one for those of a ClusterRole, and what the API does not have.

    The same rights give the same rules, however people write them.
    """
    verbs: dict[str, dict[tuple[str, str, str], set[str]]] = {}
    problems: dict[str, Problem] = {}
    for verb, written, namespace in (cell for right in rights for cell in right.cells):
        asked = question_about(verb, written, namespace, known)
        if isinstance(asked, Problem):
            problems[asked.text] = asked
        else:
            verbs.setdefault(namespace, {}).setdefault(_what(asked), set()).add(verb)
    return {place: _rules(found) for place, found in sorted(verbs.items())}, tuple(problems.values())


def _what(asked: Question) -> tuple[str, str, str]:
    """Returns the URL, or the group and the resource."""
    below = f"/{asked.subresource}" if asked.subresource else ""
    return asked.url, asked.group, f"{asked.resource}{below}"


def _rules(verbs: dict[tuple[str, str, str], set[str]]) -> list[JSON]:
    """Puts together what is the same but for the resource or the URL."""
    together: dict[tuple[bool, str, tuple[str, ...]], list[str]] = {}
    for (url, group, resource), all_verbs in sorted(verbs.items()):
        key = (bool(url), group, (ANY,) if ANY in all_verbs else tuple(sorted(all_verbs)))
        together.setdefault(key, []).append(url or resource)
    return [
        {"verbs": list(each), "nonResourceURLs": found}
        if is_url
        else {"verbs": list(each), "apiGroups": [group], "resources": found}
        for (is_url, group, each), found in sorted(together.items())
    ]


def _accounts(policy: AccessPolicy) -> Iterator[Wanted]:
    accounts = [(f"User:{one.name}", owner_of("user", one.name), one.subject) for one in policy.users if one.has_token]
    if accounts:
        labels = {MANAGED_BY: MANAGER, GIVEN_TO: "namespace", POD_SECURITY: "restricted"}
        body = {"apiVersion": "v1", "kind": Kind.NAMESPACE, "metadata": {"name": ACCESS_NAMESPACE, "labels": labels}}
        yield Wanted(kind=Kind.NAMESPACE, name=ACCESS_NAMESPACE, subject="", body=body)
    for label, owner, subject in accounts:
        yield _made(Kind.ACCOUNT, label, owner, subject.namespace, subject.name, automountServiceAccountToken=False)


def _own_roles(receiver: Receiver, rules: dict[str, list[JSON]]) -> Iterator[Wanted]:
    """Yields a role with the subject's own rights in each place, and its binding."""
    for namespace, each in rules.items():
        kind = Kind.ROLE if namespace else Kind.CLUSTER_ROLE
        yield _made(kind, receiver.label, receiver.owner, namespace, receiver.base, rules=each)
        yield _bound(receiver, namespace, receiver.base, kind, receiver.base)


def _given_roles(receiver: Receiver) -> Iterator[Wanted]:
    for given in _given(receiver.sources):
        for namespace in given.namespaces or ("",):
            name = f"{receiver.base}:{given.kind}:{given.role}"
            yield _bound(receiver, namespace, name, Kind(given.kind), given.role)


def _given(sources: Iterable[Declared]) -> Iterator[RoleGiven]:
    return (given for one in sources for given in one.roles)


def _bound(receiver: Receiver, namespace: str, name: str, kind: Kind, role: str) -> Wanted:
    subject: JSON = {"kind": receiver.subject.kind, "name": receiver.subject.name}
    subject |= {"namespace": receiver.subject.namespace} if receiver.subject.namespace else {"apiGroup": RBAC_GROUP}
    of = {"apiGroup": RBAC_GROUP, "kind": str(kind), "name": role}
    binding = Kind.BINDING if namespace else Kind.CLUSTER_BINDING
    return _made(binding, receiver.label, receiver.owner, namespace, name, roleRef=of, subjects=[subject])


def _made(kind: Kind, label: str, owner: str, namespace: str, name: str, **content: object) -> Wanted:
    metadata: JSON = {"name": name} | ({"namespace": namespace} if namespace else {})
    metadata |= {"labels": {MANAGED_BY: MANAGER, GIVEN_TO: owner}, "annotations": {SUBJECT: label}}
    body = {"apiVersion": kind.api_version, "kind": str(kind), "metadata": metadata, **content}
    return Wanted(kind=kind, namespace=namespace, name=name, subject=label, body=body)
