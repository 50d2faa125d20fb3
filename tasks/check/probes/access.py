"""Asks the API for each right whether the worker has it, without using the right."""

from collections.abc import Mapping
from typing import Any

from tasks.check.models import Right
from tasks.core.models import outside

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
WHO_AM_I = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def review_of(right: Right) -> dict[str, Any]:
    """Returns the request that asks the API whether it allows something."""
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": _asked(right)}


def is_allowed(answer: Mapping[str, Any]) -> bool:
    """Returns whether the API allows the right; raises `NotYet` if the answer could not be parsed."""
    return outside.AccessReview.read(answer, f"the answer to POST {REVIEWS}").status.allowed


def user_in(answer: Mapping[str, Any]) -> str:
    """Returns the user as whom the API recognises the worker."""
    return outside.Review.read(answer, f"the answer to POST {WHO}").status.user_info.username


def _asked(right: Right) -> dict[str, Any]:
    if right.path:
        return {"nonResourceAttributes": {"path": right.path, "verb": right.verb}}
    resource, _, below = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": below,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {"resourceAttributes": {name: value for name, value in attributes.items() if value}}
