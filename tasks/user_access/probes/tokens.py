"""Makes the objects of a token, and parses what the API answers."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from tasks.access.models.declared import GIVEN_TO, MANAGED_BY, MANAGER
from tasks.access.models.login import ACCESS_NAMESPACE
from tasks.access.models.rights import Identity, Question
from tasks.access.probes.rbac import review_of
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.user_access.models.credentials import Held

JSON = Mapping[str, Any]

PLACE = f"/api/v1/namespaces/{ACCESS_NAMESPACE}"
SECRETS, ACCOUNTS = f"{PLACE}/secrets", f"{PLACE}/serviceaccounts"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
MAY = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO_AM_I = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"

RUN, PART = "kube-runbooks.io/run", "kube-runbooks.io/access-part"
CREDENTIAL = "credential"
"""This is the part of a Secret or a CertificateSigningRequest of ours, so that nothing else is ever removed."""

TYPE = "kube-runbooks.io/token-binding"
"""This is the type of the Secrets. They hold no data: a token lives as long as its Secret."""


def labels_of(owner: str, run_id: str) -> dict[str, str]:
    """Returns the labels of everything that is made for one credential."""
    return {MANAGED_BY: MANAGER, GIVEN_TO: owner, RUN: run_id, PART: CREDENTIAL}


def selector_of(owner: str) -> str:
    """Returns the label selector of all credentials of a user."""
    return f"{GIVEN_TO}={owner},{PART}={CREDENTIAL}"


def secret_body(slug: str, labels: dict[str, str]) -> dict[str, Any]:
    """Returns the Secret to create. It has no data, and its name is new in each run."""
    metadata = {"generateName": f"{slug}-", "namespace": ACCESS_NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TYPE, "immutable": True}


def token_path(account: str) -> str:
    """Returns the path at which the API issues tokens of a ServiceAccount of ours."""
    return f"{ACCOUNTS}/{account}/token"


def token_body(secret: Held | None, lifetime: timedelta) -> dict[str, Any]:
    """Returns the TokenRequest for a token that is bound to a Secret, or to the ServiceAccount alone."""
    spec: dict[str, Any] = {"expirationSeconds": int(lifetime.total_seconds())}
    if secret:
        spec["boundObjectRef"] = {"kind": "Secret", "apiVersion": "v1", "name": secret.name, "uid": secret.uid}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


def parse_token(answer: JSON) -> outside.IssuedToken:
    """Returns the token, and when it really expires."""
    return outside.TokenAnswer.read(answer, "the answer to a TokenRequest").status


def parse_held(items: Iterable[JSON]) -> tuple[Held, ...]:
    """Returns our Secrets to which tokens of a user are bound."""
    found = (outside.Named.read(one, name_of("Secret", one)).metadata for one in items)
    return tuple(
        Held(namespace=one.namespace, name=one.name, uid=one.uid, run_id=one.labels.get(RUN, "")) for one in found
    )


def self_review_of(asked: Question) -> dict[str, Any]:
    """Returns the SelfSubjectAccessReview that asks the API whether it allows this to who asks."""
    return {**review_of(Identity(), asked), "kind": "SelfSubjectAccessReview"}


def parse_judgement(answer: JSON) -> outside.Judgement:
    """Returns whether the API allows it, and its reason."""
    return outside.SubjectReview.read(answer, f"the answer to POST {MAY}").status


def parse_user(answer: JSON) -> tuple[str, tuple[str, ...], str]:
    """Returns the name, the groups and the id of the credential with which the API recognises who asks."""
    told = outside.Review.read(answer, f"the answer to POST {WHO}").status.user_info
    return told.username, told.groups, next(iter(told.extra.get(CREDENTIAL_ID, ())), "")


def only(uid: str) -> dict[str, Any]:
    """Returns the options of a DELETE that removes this very object, and no other of its name."""
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
