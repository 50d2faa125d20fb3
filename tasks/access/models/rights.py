"""Models who asks, what is asked, and which binding gives a right."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from tasks.core.models.base import Model
from tasks.core.models.outside import Binding, PolicyRule

MASTERS = "system:masters"
"""This group may do everything. The API server decides that before it reads any rule."""

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
ACCOUNTS = "system:serviceaccounts"
ACCOUNT_USER = "system:serviceaccount:"
"""The user name of a ServiceAccount begins with this text."""

EVERYWHERE = "*"
"""This marks a right that holds in all namespaces, where a namespace would be."""


class Identity(Model):
    """This is who asks: a user name, and all groups that the API server gives it."""

    user: str = ""
    groups: tuple[str, ...] = ()


class Question(Model):
    """This is a question about a right: a verb on a resource, or on a URL that is no resource.

    Without a namespace it is about all namespaces, or about an object without a namespace.
    """

    verb: str
    resource: str = ""
    subresource: str = ""
    group: str = ""
    name: str = ""
    namespace: str = ""
    url: str = ""

    @property
    def words(self) -> str:
        """Returns the question as people write it: `create pods/exec`, `get deployments.apps`, `get /healthz`."""
        group = f".{self.group}" if self.group else ""
        below = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.url or self.resource + group + below}"


class Subject(Model):
    """This is a subject of a binding. The namespace is that of a ServiceAccount."""

    kind: Literal["User", "Group", "ServiceAccount"]
    name: str
    namespace: str = ""

    @property
    def label(self) -> str:
        """Returns `User:ada`, or `ServiceAccount:shop/ci`."""
        return f"{self.kind}:{f'{self.namespace}/' if self.namespace else ''}{self.name}"

    @property
    def identity(self) -> Identity:
        """Returns the subject with the groups that the API server itself gives to it."""
        if self.kind == "ServiceAccount":
            groups = (ACCOUNTS, f"{ACCOUNTS}:{self.namespace}", AUTHENTICATED)
            return Identity(user=f"{ACCOUNT_USER}{self.namespace}:{self.name}", groups=groups)
        if self.kind == "Group":
            return Identity(groups=with_implied((self.name,)))
        if self.name == ANONYMOUS:
            return Identity(user=ANONYMOUS, groups=(UNAUTHENTICATED,))
        return Identity(user=self.name, groups=(AUTHENTICATED,))


def with_implied(groups: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the groups, and the group of all users who have logged in, unless they are those who have not."""
    return groups if {AUTHENTICATED, UNAUTHENTICATED} & set(groups) else (*groups, AUTHENTICATED)


class Grant(Model):
    """This is a right that a binding gives to a subject."""

    subject: Subject
    namespace: str
    names: tuple[str, ...] = ()
    binding: str
    role: str

    @property
    def evidence(self) -> str:
        """Returns which binding of which role gives the right."""
        only = f", only {', '.join(self.names)}" if self.names else ""
        return f"{self.binding} of {self.role}{only}"


class Rbac(NamedTuple):
    """Holds all roles and bindings of a cluster, as they are stored.

    A role has the key (kind, namespace, name); the namespace of a ClusterRole is empty.
    """

    roles: Mapping[tuple[str, str, str], tuple[PolicyRule, ...]]
    bindings: tuple[Binding, ...]
