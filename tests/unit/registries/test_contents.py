"""What a pull Secret is good for: everything that the API server takes, and that no kubelet can use."""

import base64
import json
from typing import Any

import pytest

from tasks.core.models.images import Reference
from tasks.registries.models.secrets import Account, Entry, FoundSecret, Namer, PullFacts
from tasks.registries.policy.contents import Held, contents_of, data_of, fingerprint_of, is_of
from tasks.registries.policy.pull_secrets import credentials_for
from tasks.registries.probes.pulls import parse_account, parse_namer, parse_secret

ADA = "correct-horse"
AUTH = base64.b64encode(f"ada:{ADA}".encode()).decode()


def raw(document: object, field: str = ".dockerconfigjson") -> dict[str, Any]:
    """A Secret as the API has it."""
    text = document if isinstance(document, str) else json.dumps(document)
    return {
        "metadata": {"name": "pull", "namespace": "shop", "uid": "1"},
        "data": {field: base64.b64encode(text.encode()).decode()},
    }


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "it has no registry"),
        ({"auths": {}}, "it has no registry"),
        (
            {"auths": None, "credHelpers": {"x": "y"}},
            "it has no registry: it has only credHelpers, which the kubelet ignores",
        ),
        ("no JSON", ".dockerconfigjson is not the configuration of a registry"),
    ],
)
def test_a_secret_without_a_registry_has_a_reason(document: object, problem: str) -> None:
    """Each of them is taken by the API server, or was written past it."""
    assert contents_of(raw(document)).problem == problem


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"auth": AUTH}, ""),
        ({"username": "ada", "password": ADA}, ""),
        ({"username": "ada", "password": ADA, "auth": AUTH}, ""),
        ({}, "it has no user and password"),
        ({"username": "ada"}, "it has no user and password"),
        ({"auth": "%%%"}, "its field auth is no base64 of a user and a password"),
        ({"auth": base64.b64encode(b"no colon").decode()}, "it has no user and password"),
        ({"username": "ada", "password": f"{ADA}\n"}, "its password ends with a line break"),
        (
            {"username": "ada", "password": "of-last-year", "auth": AUTH},
            "its username and password are other ones than its auth, which counts",
        ),
    ],
)
def test_an_entry_says_what_is_wrong_about_it(entry: dict[str, str], problem: str) -> None:
    """The password itself is in no text."""
    (held,) = contents_of(raw({"auths": {"registry.example:5000": entry}})).held
    assert (held.place, held.problem) == ("registry.example:5000", problem)
    assert ADA not in repr(held)


def test_what_we_write_is_what_the_kubelet_reads() -> None:
    """For docker.io it has the key that Docker has always had."""
    for registry, image in (
        ("registry.example:5000", "registry.example:5000/a:1"),
        ("docker.io", "busybox"),
        ("ghcr.io/acme", "ghcr.io/acme/a:1"),
    ):
        secret = {"data": data_of(registry, "ada", "pass:word")}
        (found,) = credentials_for(Reference.of(image), "pull", secret)
        assert (found.user, found.password) == ("ada", "pass:word")
        (held,) = contents_of(secret).held
        assert (held, is_of(held.place, registry)) == (Held(held.place, "ada", "pass:word"), True)
    assert (
        "https://index.docker.io/v1/" in base64.b64decode(data_of("docker.io", "a", "b")[".dockerconfigjson"]).decode()
    )
    assert not is_of("ghcr.io", "quay.io")


def test_a_fingerprint_is_of_the_credential_and_of_the_cluster() -> None:
    """Ten hexadecimal digits, for a name."""
    found = fingerprint_of("ada", ADA, "uid")
    assert found == fingerprint_of("ada", ADA, "uid")
    others = {fingerprint_of("ada", ADA, "other"), fingerprint_of("bob", ADA, "uid"), fingerprint_of("ada", "x", "uid")}
    assert len({found, *others}) == 4
    assert len(found) == 10


def test_who_names_a_secret_is_known_for_accounts_pods_and_what_makes_pods() -> None:
    """By pull Secrets, and by volumes and variables, since a Secret in use is not removed."""
    account = parse_account(
        {"metadata": {"name": "default", "namespace": "shop", "uid": "1"}, "imagePullSecrets": [{"name": "pull"}]}
    )
    assert account == Account(namespace="shop", name="default", secrets=("pull",))
    metadata = {"name": "web", "namespace": "shop"}
    volume = {"name": "docker", "secret": {"secretName": "pull"}}
    spec = {
        "containers": [{"image": "a:1"}, {"image": "a:1"}, {}],
        "volumes": [volume],
        "imagePullSecrets": [{"name": "other"}],
    }
    namer = parse_namer("Deployment", {"metadata": metadata, "spec": {"template": {"spec": spec}}})
    assert namer == Namer(
        kind="Deployment", namespace="shop", name="web", pulls=("other",), uses=("other", "pull"), images=("a:1",)
    )
    assert parse_namer("Pod", {"metadata": metadata, "spec": {"containers": []}}) is None
    secret = parse_secret(
        raw({})
        | {
            "metadata": {
                "name": "pull",
                "namespace": "shop",
                "uid": "1",
                "labels": {"kube-runbooks.io/pull-secret": "x"},
            }
        },
        (),
        "none",
    )
    assert (secret.ours, secret.owner, secret.id) == ("x", "", "shop/pull")
    notes = {"meta.helm.sh/release-name": "shop"}
    owned = parse_secret(
        raw({}) | {"metadata": {"name": "pull", "namespace": "shop", "uid": "1", "annotations": notes}}, (), ""
    )
    assert owned.owner.startswith("Helm")
    facts = PullFacts(secrets=(secret,), accounts=(account,), namers=(namer,))
    assert facts.names(secret) == ("shop/serviceaccount/default", "shop/deployment/web")
    assert facts.names(FoundSecret(namespace="other", name="pull", uid="2")) == ()
    assert Entry(place="ghcr.io/acme").host == "ghcr.io"
