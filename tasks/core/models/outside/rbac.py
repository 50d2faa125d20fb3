"""Models the API's access rules: roles, their bindings, and the answer to a SubjectAccessReview."""

from typing import Any

from pydantic import Field

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Metadata


class PolicyRule(Outside):
    """This is a rule of a Role or a ClusterRole, as it is stored."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = Field(default=(), alias="nonResourceURLs")


class Role(Outside):
    """This is a rbac.authorization.k8s.io/v1 Role or ClusterRole.

    The controller manager fills in the rules of an aggregated ClusterRole, so they are read as they are stored.
    """

    metadata: Metadata
    rules: tuple[PolicyRule, ...] = ()


class RoleRef(Outside):
    """This is the role that a binding grants."""

    kind: str
    name: str


class RbacSubject(Outside):
    """This is a subject of a binding: a User, a Group or a ServiceAccount."""

    kind: str
    name: str
    namespace: str = ""


class Binding(Outside):
    """This is a rbac.authorization.k8s.io/v1 RoleBinding, or a ClusterRoleBinding, which has no namespace."""

    metadata: Metadata
    role_ref: RoleRef
    subjects: tuple[RbacSubject, ...] = ()


class VersionedMetadata(Metadata):
    """This is metadata with the version of the object. An object that is only about to be made has none."""

    uid: str = ""
    resource_version: str = ""


class AccessObject(Outside):
    """This is an object that gives access: a role, a binding, a ServiceAccount, or a namespace of these."""

    metadata: VersionedMetadata
    rules: tuple[PolicyRule, ...] = ()
    role_ref: RoleRef | None = None
    subjects: tuple[RbacSubject, ...] = ()
    aggregation_rule: dict[str, Any] | None = None
    automount_service_account_token: bool | None = None


class Judgement(Outside):
    """This is the status of a SubjectAccessReview."""

    allowed: bool
    reason: str = ""
    evaluation_error: str = ""


class SubjectReview(Outside):
    """This is an authorization.k8s.io/v1 SubjectAccessReview with its answer."""

    status: Judgement


class GroupName(Outside):
    """This is the metadata of an API group; the group of v1 has no name."""

    name: str = ""


class SubresourceKind(Outside):
    """This is a subresource of a resource."""

    subresource: str


class ResponseKind(Outside):
    """This is the kind of the objects of a resource."""

    kind: str = ""


class ResourceKind(Outside):
    """This is a resource that the API serves."""

    resource: str
    scope: str
    response_kind: ResponseKind = ResponseKind()
    verbs: tuple[str, ...] = ()
    subresources: tuple[SubresourceKind, ...] = ()


class GroupVersion(Outside):
    """This is a version of an API group."""

    version: str = ""
    resources: tuple[ResourceKind, ...] = ()
    freshness: str = ""


class ApiGroup(Outside):
    """This is an apidiscovery.k8s.io/v2 APIGroupDiscovery."""

    metadata: GroupName = GroupName()
    versions: tuple[GroupVersion, ...] = ()
