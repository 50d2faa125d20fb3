"""The objects of a token, the kubeconfig, and the answers of the API."""

import base64
import json
from datetime import UTC, datetime, timedelta

from tasks.access.models.rights import Question
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.user_access.probes.kubeconfig import certificate_fields, kubeconfig_of
from tasks.user_access.probes.tokens import (
    labels_of,
    only,
    parse_held,
    parse_judgement,
    parse_token,
    parse_user,
    secret_body,
    selector_of,
    self_review_of,
    token_body,
    token_path,
)
from tests.facts.user_access import held


def test_a_secret_has_no_data_and_is_found_by_its_labels() -> None:
    """Its name is new in each run."""
    body = secret_body("ada", labels_of("user.ada", "r1"))
    assert body["metadata"]["generateName"] == "ada-"
    assert "data" not in body
    labels = body["metadata"]["labels"]
    assert all(
        labels[name] == value for name, _, value in (one.partition("=") for one in selector_of("user.ada").split(","))
    )
    stored = {"metadata": body["metadata"] | {"name": "ada-x1", "uid": "u1"}}
    (found,) = parse_held([stored])
    assert (found.id, found.uid, found.run_id) == ("kube-runbooks-access/ada-x1", "u1", "r1")


def test_a_token_is_bound_to_this_very_secret() -> None:
    """A canary may be bound to the ServiceAccount alone."""
    spec = token_body(held(), timedelta(hours=1))["spec"]
    assert spec["expirationSeconds"] == 3600
    assert spec["boundObjectRef"] == {"kind": "Secret", "apiVersion": "v1", "name": "ada-e1", "uid": "uid-e1"}
    assert "boundObjectRef" not in token_body(None, timedelta(hours=1))["spec"]
    assert token_path("ada") == "/api/v1/namespaces/kube-runbooks-access/serviceaccounts/ada/token"
    issued = parse_token({"status": {"token": "abc", "expirationTimestamp": "2026-12-01T12:00:00Z"}})
    assert (issued.token, issued.expiration_timestamp) == ("abc", datetime(2026, 12, 1, 12, tzinfo=UTC))
    assert "abc" not in repr(issued)


def test_answers_about_oneself_are_parsed() -> None:
    """Who, with which credential, and what is allowed."""
    extra = {"authentication.kubernetes.io/credential-id": ["JTI=1"]}
    info = {"username": "ada", "groups": ["dev"], "extra": extra}
    assert parse_user({"status": {"userInfo": info}}) == ("ada", ("dev",), "JTI=1")
    assert parse_user({"status": {"userInfo": {"username": "ada"}}}) == ("ada", (), "")
    review = self_review_of(Question(verb="get", resource="pods", namespace="shop"))
    assert review["kind"] == "SelfSubjectAccessReview"
    assert review["spec"] == {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "shop"}}
    assert parse_judgement({"status": {"allowed": True, "reason": "RBAC"}}).allowed
    assert only("u1")["preconditions"] == {"uid": "u1"}


def test_a_kubeconfig_is_one_that_we_can_read() -> None:
    """With a token, with a certificate and its key, and with a certificate whose key only the user has."""
    text = kubeconfig_of("prod", "ada", "https://api:6443", "CA", {"token": "abc"})
    config = parse_kubeconfig(text, "it")
    assert (config.server, config.ca, config.token.get_secret_value()) == ("https://api:6443", "CA", "abc")
    fields = certificate_fields(b"CERT", b"KEY")
    config = parse_kubeconfig(kubeconfig_of("prod", "ada", "https://api:6443", "CA", fields), "it")
    assert (config.certificate, config.key.get_secret_value()) == ("CERT", "KEY")
    fields = certificate_fields(b"CERT", b"")
    assert fields == {"client-certificate-data": base64.b64encode(b"CERT").decode(), "client-key": "client.key"}
    assert json.loads(text)["current-context"] == "ada@prod"
