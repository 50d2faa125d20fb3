"""Models the access policy of a cluster: who may do what, and who must not be able to do what."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from tasks.access.models.login import ACCESS_NAMESPACE, RESERVED, Credential, UserAccess, account_for, owner_of
from tasks.access.models.pull_secrets import PullSecret
from tasks.access.models.rights import Identity, Subject, with_implied
from tasks.core.models.base import Model
from tasks.core.models.profile import Name

_RESOURCE = re.compile(r"/\S*|(\*|[a-z][a-z0-9-]*)(\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?(/[a-z0-9-]+)?")


def _is_a_resource(text: str) -> str:
    if not _RESOURCE.fullmatch(text):
        message = "write a resource as pods, pods/exec or deployments.apps, or a path of the API as /healthz"
        raise ValueError(message)
    return text


def _is_one_word(text: str) -> str:
    if not text or re.search(r"\s", text):
        message = "write a name without a space"
        raise ValueError(message)
    return text


def _is_a_role(text: str) -> str:
    if text in {".", ".."} or not re.fullmatch(r"[^\s/%]+", text):
        message = "write the name of a role, for example view"
        raise ValueError(message)
    return text


def _is_an_account(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9.-]+", text):
        message = "write NAMESPACE/NAME, for example shop/ci"
        raise ValueError(message)
    return text


Word = Annotated[str, AfterValidator(_is_one_word)]
ResourceName = Annotated[str, AfterValidator(_is_a_resource)]
"""This names a resource, with its group and its subresource if it has these, or a path of the API."""


class Right(Model):
    """This is what a subject may do, or must not be able to do: each verb on each resource in each namespace."""

    verbs: tuple[Word, ...] = Field(min_length=1, description="for example [get, list]; * asks for the wildcard itself")
    resources: tuple[ResourceName, ...] = Field(
        min_length=1, description="for example [pods, pods/exec, deployments.apps, /healthz]; * asks for the wildcard"
    )
    namespaces: tuple[Name, ...] = Field(
        default=(),
        description="namespaces; if empty, `can` is about all namespaces at once, and `cannot` about each of them",
    )

    @property
    def cells(self) -> Iterator[tuple[str, str, str]]:
        """Yields each verb, resource and namespace; the namespace is empty for all of them."""
        for verb in self.verbs:
            for resource in self.resources:
                yield from ((verb, resource, namespace) for namespace in self.namespaces or ("",))


class RoleGiven(Model):
    """This is a role that exists, and where the subject has it."""

    role: Annotated[str, AfterValidator(_is_a_role)] = Field(description="name of the role, for example view")
    kind: Literal["ClusterRole", "Role"] = Field(
        default="ClusterRole", description="ClusterRole, or Role for one of the namespaces themselves"
    )
    namespaces: tuple[Name, ...] = Field(
        default=(), description="namespaces in which the subject has the role; none: everywhere (a ClusterRoleBinding)"
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.kind == "Role" and not self.namespaces:
            message = "namespaces: name those of the Role; only a ClusterRole can be given everywhere"
            raise ValueError(message)
        return self


class Declared(Model):
    """This is a subject of the policy, and its rights."""

    can: tuple[Right, ...] = Field(
        default=(), description="rights that the subject needs; the audit checks each, and access_apply gives them"
    )
    roles: tuple[RoleGiven, ...] = Field(default=(), description="roles that exist and that access_apply gives")
    cannot: tuple[Right, ...] = Field(default=(), description="rights that the subject must not have")


class DeclaredUser(Declared):
    """This is a person or a machine that logs in by a user name."""

    name: Word = Field(description="user name as the API knows it, for example the CN of a certificate")
    groups: tuple[Word, ...] = Field(
        default=(),
        description="groups with which the user logs in; the rights that the policy has for them are checked too",
    )
    access: UserAccess | None = Field(
        default=None, description="the credential that kube-runbooks gives; none: the user logs in in another way"
    )

    @property
    def has_token(self) -> bool:
        """Checks whether the user logs in as a ServiceAccount, which has no groups of ours."""
        return self.access is not None and self.access.credential is Credential.TOKEN

    @property
    def subject(self) -> Subject:
        """Returns the subject that bindings have for this user."""
        return account_for(self.name) if self.has_token else Subject(kind="User", name=self.name)

    @model_validator(mode="after")
    def _takes_no_name_of_kubernetes(self) -> Self:
        names = (self.name, *self.groups) if self.access else ()
        if taken := [name for name in names if name.startswith(RESERVED)]:
            message = f"access: {taken[0]} is a name of Kubernetes or kubeadm, so nobody gets a credential with it"
            raise ValueError(message)
        return self


class DeclaredGroup(Declared):
    """This is a group of users, under the name that the API knows."""

    name: Word = Field(description="name of the group, for example the O of a certificate")


class DeclaredAccount(Declared):
    """This is a ServiceAccount."""

    name: Annotated[str, AfterValidator(_is_an_account)] = Field(description="NAMESPACE/NAME of the ServiceAccount")

    @property
    def subject(self) -> Subject:
        """Returns the subject that bindings have for it."""
        namespace, _, name = self.name.partition("/")
        return Subject(kind="ServiceAccount", name=name, namespace=namespace)


class Accepted(Model):
    """This is a finding of the audit that the site accepts for some time."""

    finding: Word = Field(description="id of the finding, as the report has it")
    reason: str = Field(min_length=1, description="why the site accepts it")
    expires: date = Field(description="the last day of the acceptance, for example 2027-06-30")


class Row(Model):
    """This is one subject of the matrix: who is asked about, and its rights."""

    subject: str
    identity: Identity
    can: tuple[Right, ...]
    cannot: tuple[Right, ...]


class AccessPolicy(Model):
    """This is the file `access.yaml` in the folder of a cluster."""

    users: tuple[DeclaredUser, ...] = Field(default=(), description="people and machines")
    groups: tuple[DeclaredGroup, ...] = Field(default=(), description="groups of users")
    service_accounts: tuple[DeclaredAccount, ...] = Field(default=(), description="ServiceAccounts")
    registries: tuple[Word, ...] = Field(
        default=(), description="registries, or folders of them, from which pods may pull; none: all of them"
    )
    pull_secrets: tuple[PullSecret, ...] = Field(default=(), description="credentials of registries, by namespace")
    accepted: tuple[Accepted, ...] = Field(default=(), description="findings that the site accepts")

    @property
    def rows(self) -> tuple[Row, ...]:
        """Returns each subject with its own rights and those of its groups."""
        return tuple(self._rows())

    def sources_of(self, user: DeclaredUser) -> tuple[Declared, ...]:
        """Returns what declares the rights of a user: the user itself, and its groups."""
        return (user, *(group for group in self.groups if group.name in user.groups))

    def _rows(self) -> Iterator[Row]:
        for one in self.users:
            identity = one.subject.identity
            if not one.has_token:
                groups = tuple(dict.fromkeys((*one.groups, *identity.groups)))
                identity = Identity(user=one.name, groups=groups)
            yield _row(Subject(kind="User", name=one.name), identity, self.sources_of(one))
        for group in self.groups:
            subject = Subject(kind="Group", name=group.name)
            yield _row(subject, Identity(groups=with_implied((group.name,))), (group,))
        for account in self.service_accounts:
            yield _row(account.subject, account.subject.identity, (account,))

    @model_validator(mode="after")
    def _names_each_subject_once(self) -> Self:
        for field, declared in (
            ("users", self.users),
            ("groups", self.groups),
            ("service_accounts", self.service_accounts),
            ("pull_secrets", self.pull_secrets),
        ):
            names = [one.name for one in declared]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                message = f"{field}: named twice: {', '.join(twice)}"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _has_a_safe_name_for_each_subject(self) -> Self:
        """Different subjects would share objects only if somebody chose the names for that."""
        seen: dict[str, str] = {}
        for kind, declared in (("user", self.users), ("group", self.groups), ("account", self.service_accounts)):
            for one in declared:
                other = seen.setdefault(owner_of(kind, one.name), one.name)
                if other != one.name:
                    message = f"{kind} {other} and {one.name} would share objects; rename one of them"
                    raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _lets_tokens_have_the_rights_of_their_groups(self) -> Self:
        groups = {one.name for one in self.groups}
        for user in self.users:
            if user.has_token and (unknown := [name for name in user.groups if name not in groups]):
                message = (
                    f"users: {user.name} logs in with a token, which has no groups, so the rights of group {unknown[0]} "
                    "must be here: add it to groups, or use credential: certificate"
                )
                raise ValueError(message)
        if ours := [one.name for one in self.service_accounts if one.name.startswith(f"{ACCESS_NAMESPACE}/")]:
            message = f"service_accounts: {ours[0]} belongs to a user with a token; declare the user"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        for row in self.rows:
            may = {cell for one in row.can for cell in one.cells}
            must_not = {cell for one in row.cannot for cell in one.cells}
            if both := sorted(may & must_not):
                verb, resource, namespace = both[0]
                where = f" in {namespace}" if namespace else ""
                message = f"{row.subject}: it can and cannot {verb} {resource}{where}; remove one of them"
                raise ValueError(message)
        return self


def _row(subject: Subject, identity: Identity, sources: tuple[Declared, ...]) -> Row:
    return Row(
        subject=subject.label,
        identity=identity,
        can=tuple(right for one in sources for right in one.can),
        cannot=tuple(right for one in sources for right in one.cannot),
    )
