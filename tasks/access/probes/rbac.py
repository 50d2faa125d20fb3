"""Reads roles and bindings from the API, and asks it what it would allow."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.access.models.rights import Identity, Question, Rbac
from tasks.core.models import outside

GROUP = "/apis/rbac.authorization.k8s.io/v1"
ROLES, CLUSTER_ROLES = f"{GROUP}/roles", f"{GROUP}/clusterroles"
BINDINGS, CLUSTER_BINDINGS = f"{GROUP}/rolebindings", f"{GROUP}/clusterrolebindings"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

Object = Mapping[str, Any]


def parse_rbac(roles: Iterable[Object], cluster_roles: Iterable[Object], bindings: Iterable[Object]) -> Rbac:
    """Returns all roles and bindings. `bindings` are those of namespaces and those of the cluster."""
    found = {}
    for kind, items in (("Role", roles), ("ClusterRole", cluster_roles)):
        for item in items:
            role = outside.Role.read(item, outside.name_of(kind, item))
            found[kind, role.metadata.namespace, role.metadata.name] = role.rules
    return Rbac(found, tuple(outside.Binding.read(item, outside.name_of("binding", item)) for item in bindings))


def review_of(who: Identity, asked: Question) -> dict[str, Any]:
    """Returns the SubjectAccessReview that asks the API whether it allows the request of this user."""
    spec: dict[str, Any] = {"user": who.user, "groups": list(who.groups)}
    if asked.url:
        spec["nonResourceAttributes"] = {"path": asked.url, "verb": asked.verb}
    else:
        fields = asked.model_dump(exclude={"url"})
        spec["resourceAttributes"] = {name: value for name, value in fields.items() if value}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {name: value for name, value in spec.items() if value},
    }


def judgement_in(answer: Object) -> outside.Judgement:
    """Returns whether the API allows the request, and its reason; raises `NotYet` if the answer could not be parsed."""
    return outside.SubjectReview.read(answer, f"the answer to POST {REVIEWS}").status
