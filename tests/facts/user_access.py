"""Users, credentials and requests, as a run finds them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.access.models.audit import Judged
from tasks.access.models.declared import Kind
from tasks.access.models.login import Credential
from tasks.access.models.policy import AccessPolicy
from tasks.access.models.rights import Identity
from tasks.access_apply.models import Act, Change, Comparison
from tasks.user_access.models.credentials import CellsProof, Entry, Granted, Held
from tasks.user_access.models.grant import Login, UserFacts
from tasks.user_access.models.requests import Asked
from tasks.user_access.models.revoke import Revoked, RevokeFacts

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
RECIPIENT = "age1dm6j8cf58rrmy3ky2p4synjqavs0v4yxz30rcq3w2vre878ryg0syawt0s"
ACCOUNT = "system:serviceaccount:kube-runbooks-access:ada"


def login(**fields: Any) -> Login:  # noqa: ANN401 - fields of Login
    """Of ada, with a token."""
    made: dict[str, Any] = {
        "user": "ada",
        "kind": Credential.TOKEN,
        "identity": Identity(user=ACCOUNT, groups=("system:authenticated",)),
        "lifetime": timedelta(days=30),
        "recipient": RECIPIENT,
        "slug": "ada",
        "owner": "user.ada",
        "account": "ada",
    }
    return Login.model_validate(made | fields)


def by_certificate(**fields: Any) -> Login:  # noqa: ANN401 - as above
    """Of ada, in the group dev."""
    identity = Identity(user="ada", groups=("dev", "system:authenticated"))
    kind = Credential.CERTIFICATE
    return login(**{"kind": kind, "identity": identity, "groups": ("dev",), "account": "", **fields})


def entry(name: str = "e1", **fields: Any) -> Entry:  # noqa: ANN401 - fields of Entry
    """Of a token that is valid."""
    made: dict[str, Any] = {
        "id": name,
        "user": "ada",
        "kind": Credential.TOKEN,
        "username": ACCOUNT,
        "credential_id": f"JTI={name}",
        "issued_at": NOW - timedelta(days=1),
        "expires_at": NOW + timedelta(days=29),
        "secret": f"kube-runbooks-access/ada-{name}",
        "secret_uid": f"uid-{name}",
        "sealed": f"prod/access/ada/{name}.age",
        "recipient": RECIPIENT,
        "run_id": "earlier",
    }
    return Entry.model_validate(made | fields)


def certificate_entry(**fields: Any) -> Entry:  # noqa: ANN401 - as above
    """Of a certificate that is valid."""
    made = {"kind": Credential.CERTIFICATE, "username": "ada", "groups": ("dev",), "serial": "1A", "secret": ""}
    return entry("c1", **{**made, "secret_uid": "", "credential_id": "X509SHA256=ab", **fields})


def held(name: str = "e1") -> Held:
    """The Secret of a token."""
    return Held(namespace="kube-runbooks-access", name=f"ada-{name}", uid=f"uid-{name}", run_id="earlier")


def cell(right: str, wanted: str, *, allowed: bool | None) -> Judged:
    """Of ada in shop."""
    made = {"subject": "User:ada", "right": right, "wanted": wanted, "namespace": "shop", "allowed": allowed}
    return Judged.model_validate(made | ({"problem": "no namespace shop"} if allowed is None else {}))


CELLS = (cell("get pods", "allow", allowed=False), cell("get secrets", "deny", allowed=False))


def objects(**fields: Any) -> Comparison:  # noqa: ANN401 - fields of Comparison
    """The binding of ada is missing."""
    change = Change(
        kind=Kind.BINDING, namespace="shop", name="kube-runbooks:user:ada", subject="User:ada", act=Act.CREATE
    )
    made: dict[str, Any] = {"observed_at": NOW, "policy": AccessPolicy(), "changes": (change,), "cells": CELLS}
    return Comparison.model_validate(made | fields)


def facts(**fields: Any) -> UserFacts:  # noqa: ANN401 - fields of UserFacts
    """Of ada, who has nothing yet."""
    made: dict[str, Any] = {
        "user": "ada",
        "login": login(),
        "endpoint": "https://api.example:6443",
        "objects": objects(),
    }
    return UserFacts.model_validate(made | fields)


def asked(**fields: Any) -> Asked:  # noqa: ANN401 - fields of Asked
    """A request that is as it must be."""
    made: dict[str, Any] = {
        "common_names": ("ada",),
        "organizations": ("dev",),
        "key": "EC secp256r1",
        "public_key": "k1",
        "is_signed": True,
    }
    return Asked.model_validate(made | fields)


def granted(**fields: Any) -> Granted:  # noqa: ANN401 - fields of Granted
    """A token that was proven."""
    proof = CellsProof(
        username=ACCOUNT,
        credential_id="JTI=e1",
        without="401 Unauthorized",
        through="https://api.example:6443",
        allowed=4,
        denied=9,
    )
    place = "s3://backups/prod/access/ada/e1.age"
    return Granted.model_validate({"entry": entry(), "place": place, "proof": proof} | fields)


def revocation(**fields: Any) -> RevokeFacts:  # noqa: ANN401 - fields of RevokeFacts
    """Of ada, of whom nothing is known."""
    return RevokeFacts.model_validate({"user": "ada", "account": "ada", "known": ("bob",)} | fields)


def revoked(**fields: Any) -> Revoked:  # noqa: ANN401 - fields of Revoked
    """Everything is gone."""
    made = {"user": "ada", "removed": ("RoleBinding shop/kube-runbooks:user:ada", "Secret x/ada-e1"), "logins": 2}
    return Revoked.model_validate(made | {"taken": ("JTI=e1",)} | fields)
