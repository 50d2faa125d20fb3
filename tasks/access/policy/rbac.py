"""Answers who may do what from roles and bindings, exactly as the API server's RBAC authorizer does.

It does not know the Node authorizer and webhooks: an audit compares a sample with the API server itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from tasks.access.models.rights import ACCOUNT_USER, EVERYWHERE, MASTERS, Grant, Identity, Question, Rbac, Subject
from tasks.access.policy.rules import allows, names_for
from tasks.core.models.outside import Binding, PolicyRule, RbacSubject

CLUSTER_ROLE = "ClusterRole"


def is_allowed(rbac: Rbac, who: Identity, asked: Question) -> bool:
    """Checks whether RBAC allows the request of this user."""
    return MASTERS in who.groups or any(
        names_user(binding, who) and _role_allows(rbac, binding, asked)
        for binding in rbac.bindings
        if binding.metadata.namespace in {"", asked.namespace}
    )


def names_user(binding: Binding, who: Identity) -> bool:
    """Checks whether a subject of the binding is this user, or one of its groups."""
    return any(_names(one, who, binding.metadata.namespace) for one in binding.subjects)


def who_can(rbac: Rbac, asked: Question) -> tuple[Grant, ...]:
    """Returns each subject that has the right, once for each binding. Rights for some names only have these names.

    It does not repeat system:masters, which may do everything.
    """
    return tuple(one for one in holders(rbac, [asked]) if one.namespace in {EVERYWHERE, asked.namespace})


def holders(rbac: Rbac, asked: Sequence[Question], *, in_namespaces: bool = True) -> Iterator[Grant]:
    """Yields each subject that has one of these rights, with the namespace of its binding, or `*` for all of them.

    Each role is read once, however many bindings it has. Bindings in namespaces give no right on objects without a
    namespace: set `in_namespaces` to false for these.
    """
    known: dict[tuple[str, str, str], tuple[str, ...] | None] = {}
    for binding in rbac.bindings:
        namespace = binding.metadata.namespace
        if namespace and not in_namespaces:
            continue
        role = role_key(binding)
        if role not in known:
            known[role] = _names_of_role(rbac.roles.get(role, ()), asked)
        names = known[role]
        if names is not None:
            yield from (_grant(one, binding, names) for one in subjects_of(binding))


def role_key(binding: Binding) -> tuple[str, str, str]:
    """Returns the key of the role that a binding grants. A ClusterRole has no namespace."""
    kind = binding.role_ref.kind
    return kind, "" if kind == CLUSTER_ROLE else binding.metadata.namespace, binding.role_ref.name


def subjects_of(binding: Binding) -> Iterator[Subject]:
    """Yields the subjects of a binding that can exist.

    A ServiceAccount without a namespace is in that of its binding, and in none for a ClusterRoleBinding.
    """
    for one in binding.subjects:
        if (found := _subject(one, binding.metadata.namespace)) is not None:
            yield found


def binding_name(binding: Binding) -> str:
    """Returns `ClusterRoleBinding x`, or `RoleBinding shop/x`."""
    metadata = binding.metadata
    return (
        f"RoleBinding {metadata.namespace}/{metadata.name}"
        if metadata.namespace
        else f"ClusterRoleBinding {metadata.name}"
    )


def subject_of_user(name: str) -> Subject:
    """Returns the subject with this user name. The user name of a ServiceAccount has its namespace in it."""
    account, separator, short = name.removeprefix(ACCOUNT_USER).partition(":")
    if name.startswith(ACCOUNT_USER) and separator and account and short:
        return Subject(kind="ServiceAccount", name=short, namespace=account)
    return Subject(kind="User", name=name)


def _subject(one: RbacSubject, namespace: str) -> Subject | None:
    if one.kind == "User":
        return subject_of_user(one.name)
    if one.kind == "Group":
        return Subject(kind="Group", name=one.name)
    place = one.namespace or namespace
    return Subject(kind="ServiceAccount", name=one.name, namespace=place) if place else None


def _grant(subject: Subject, binding: Binding, names: tuple[str, ...]) -> Grant:
    namespace = binding.metadata.namespace
    role = f"{binding.role_ref.kind} {binding.role_ref.name}"
    return Grant(
        subject=subject, namespace=namespace or EVERYWHERE, names=names, binding=binding_name(binding), role=role
    )


def _names(one: RbacSubject, who: Identity, namespace: str) -> bool:
    """Checks whether the subject of a binding is this user."""
    return _KINDS.get(one.kind, _is_no_one)(one, who, namespace)


def _is_account(one: RbacSubject, who: Identity, namespace: str) -> bool:
    place = one.namespace or namespace
    return bool(place) and who.user == f"{ACCOUNT_USER}{place}:{one.name}"


def _is_no_one(*_: object) -> bool:
    return False


_KINDS: dict[str, Callable[[RbacSubject, Identity, str], bool]] = {
    "User": lambda one, who, _: who.user == one.name,
    "Group": lambda one, who, _: one.name in who.groups,
    "ServiceAccount": _is_account,
}


def _role_allows(rbac: Rbac, binding: Binding, asked: Question) -> bool:
    return any(allows(rule, asked) for rule in rbac.roles.get(role_key(binding), ()))


def _names_of_role(rules: Iterable[PolicyRule], asked: Sequence[Question]) -> tuple[str, ...] | None:
    """Returns the names to which the role limits these rights: none for all names, None if it gives none of the rights."""
    found = [names for rule in rules for one in asked if (names := names_for(rule, one)) is not None]
    if not found:
        return None
    return () if () in found else tuple(sorted({name for names in found for name in names}))
