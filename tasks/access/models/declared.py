"""Models the objects with which an access policy is given to a cluster."""

from enum import StrEnum
from typing import Any, NamedTuple

from tasks.core.models.base import Model
from tasks.core.models.plan import Refusal

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "kube-runbooks"
"""Names us as the owner of an object, in its label and as the manager of its fields."""

GIVEN_TO = "kube-runbooks.io/access"
"""This label says to which subject of the policy an object belongs."""

SUBJECT = "kube-runbooks.io/subject"
"""This annotation has the subject as people write it."""

OURS = f"{MANAGED_BY}={MANAGER},{GIVEN_TO}"
"""Selects the objects of the access policy. Nothing else is ever changed or deleted."""

RBAC_GROUP = "rbac.authorization.k8s.io"

JSON = dict[str, Any]


class Kind(StrEnum):
    """This is a kind of object that gives access, in the order in which they are made."""

    NAMESPACE = "Namespace"
    ACCOUNT = "ServiceAccount"
    ROLE = "Role"
    CLUSTER_ROLE = "ClusterRole"
    BINDING = "RoleBinding"
    CLUSTER_BINDING = "ClusterRoleBinding"

    @property
    def api_version(self) -> str:
        """Returns `v1`, or the group and the version."""
        return "v1" if self in {Kind.NAMESPACE, Kind.ACCOUNT} else f"{RBAC_GROUP}/v1"

    @property
    def plural(self) -> str:
        """Returns the name of the resource."""
        return f"{self.lower()}s"

    @property
    def root(self) -> str:
        """Returns the path of the API group and its version."""
        return f"/{'api' if self.api_version == 'v1' else 'apis'}/{self.api_version}"


class Place(NamedTuple):
    """Says where an object is. The namespace is empty for objects without one."""

    kind: Kind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Returns the path of the object in the API."""
        within = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{self.kind.root}{within}/{self.kind.plural}/{self.name}"

    @property
    def label(self) -> str:
        """Returns `ClusterRole kube-runbooks:user:ada`, or `RoleBinding shop/kube-runbooks:user:ada`."""
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


class Wanted(Model):
    """This is an object as the policy wants it: what is sent to the API server."""

    kind: Kind
    namespace: str = ""
    name: str
    subject: str
    """The label of the policy's subject, for example `User:ada`; empty for the namespace of all users."""
    body: JSON

    @property
    def place(self) -> Place:
        """Returns where it is."""
        return Place(self.kind, self.namespace, self.name)


class Declaration(NamedTuple):
    """Holds all objects that a policy wants, in the order in which they are made, and what the policy cannot have."""

    objects: tuple[Wanted, ...]
    refusals: tuple[Refusal, ...]

    def of(self, subject: str) -> tuple[Wanted, ...]:
        """Returns the objects of one subject, such as `User:ada`, with the namespace that they need."""
        own = {one.place for one in self.objects if one.subject == subject}
        spaces = {place.namespace for place in own}
        return tuple(
            one
            for one in self.objects
            if one.place in own or (one.kind is Kind.NAMESPACE and one.name in spaces and not one.subject)
        )
