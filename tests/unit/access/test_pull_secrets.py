"""Pull Secrets that do not work are findings. A registry is asked about each credential once."""

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.access.models.policy import AccessPolicy
from tasks.access.models.pulls import Denied, PullAudit
from tasks.access.policy.pull_secrets import Question, find_pull_secrets, questions_for
from tasks.registries.models.secrets import Account, Entry, FoundSecret, Namer, PullFacts

ENTRY: dict[str, Any] = {
    "name": "shop-pull",
    "registry": "registry.example:5000",
    "namespaces": ["shop", "team-*"],
    "images": ["registry.example:5000/shop/web:2"],
    "username": "ada",
    "password": "env:REGISTRY_PASSWORD",
}


def secret(name: str, *entries: Entry, **more: Any) -> FoundSecret:  # noqa: ANN401 - fields
    """In shop."""
    return FoundSecret(namespace="shop", name=name, uid=name, entries=entries, **more)


def entry(place: str = "registry.example", fingerprint: str = "1", problem: str = "") -> Entry:
    """For a registry."""
    return Entry(place=place, fingerprint=fingerprint, problem=problem)


def namer(*secrets: str, image: str = "registry.example/web:1", namespace: str = "shop") -> Namer:
    """A Deployment that pulls with these."""
    return Namer(kind="Deployment", namespace=namespace, name="web", pulls=secrets, uses=secrets, images=(image,))


def account(*secrets: str) -> Account:
    """The one of shop."""
    return Account(namespace="shop", name="default", secrets=secrets)


def test_each_secret_that_does_not_work_is_a_finding_with_its_reason() -> None:
    """Medium if something names it. The owner says how it is changed."""
    facts = PullFacts(
        secrets=(
            secret("fine", entry()),
            secret("empty", problem="it has no registry"),
            secret(
                "both",
                entry(problem="it has no user and password"),
                entry("ghcr.io", problem="odd"),
                owner_way="helm upgrade",
            ),
            secret("stale", entry()),
        ),
        accounts=(account("gone", "stale"),),
        namers=(namer("opaque", "empty"),),
        missing=("shop/gone",),
        others=("shop/opaque",),
    )
    told = "401 UNAUTHORIZED"
    denied = Denied(secret="shop/stale", place="registry.example", image="registry.example/web:1", node="w1", said=told)
    found = {one.id: one for one in find_pull_secrets(PullAudit(facts=facts, denied=(denied,)))}
    assert {one: (found[one].severity.value, found[one].problem.partition(":")[0]) for one in found} == {
        "pull-secret:shop/gone": ("medium", "it is named to pull with, and does not exist"),
        "pull-secret:shop/opaque": ("medium", "it is named to pull with, and is no Secret of registries"),
        "pull-secret:shop/empty": ("medium", "it has no registry"),
        "pull-secret:shop/both": ("low", "registry.example"),
        "pull-secret:shop/stale": ("medium", "registry.example refuses it for registry.example/web"),
    }
    assert found["pull-secret:shop/gone"].fix.endswith("`kubectl -n shop edit serviceaccount default`")
    assert found["pull-secret:shop/opaque"].evidence == "named by shop/deployment/web"
    assert found["pull-secret:shop/both"].evidence == "nothing names it"
    assert found["pull-secret:shop/both"].fix == "helm upgrade"
    assert found["pull-secret:shop/stale"].problem.endswith(told)


def test_a_registry_is_asked_for_an_image_that_a_pod_pulls_with_the_secret() -> None:
    """One question for each credential. A Secret in use whose image no pod shows is not checked."""
    used = secret("used", entry(), entry("ghcr.io", "2"), entry("quay.io", ""))
    facts = PullFacts(
        secrets=(used, secret("other", entry("quay.io")), secret("nobody", entry()), secret("account", entry())),
        accounts=(account("account"),),
        namers=(
            namer("used", "other"),
            namer("used", image="registry.example/other:2"),
            namer("used", image="ghcr.io/a:1"),
            namer("used", image="quay.io/a:1"),
            namer("used", image="quay.io/a:1", namespace="elsewhere"),
        ),
    )
    questions, unused = questions_for(facts)
    assert questions == (
        Question("shop/used", "1", "registry.example", "registry.example/web:1"),
        Question("shop/used", "2", "ghcr.io", "ghcr.io/a:1"),
    )
    assert unused == ("shop/other", "shop/account")


def test_a_declared_pull_secret_has_images_of_its_registry() -> None:
    """With the ServiceAccount default, and docker.io under one name."""
    (one,) = AccessPolicy.model_validate({"pull_secrets": [ENTRY]}).pull_secrets
    assert (one.service_accounts, one.previous_password) == (("default",), None)
    hub = ENTRY | {"registry": "index.docker.io", "images": ["shop/web:1", "busybox"]}
    (one,) = AccessPolicy.model_validate({"pull_secrets": [hub]}).pull_secrets
    assert one.registry == "docker.io"
    with pytest.raises(ValidationError, match="pull_secrets: named twice: shop-pull"):
        AccessPolicy.model_validate({"pull_secrets": [ENTRY, hub]})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"registry": "https://registry.example"}, "write HOST, HOST:PORT or HOST/PATH, without https://"),
        ({"images": ["ghcr.io/shop/web:2"]}, "images: ghcr.io/shop/web:2 is not of registry.example:5000"),
        ({"images": []}, "at least 1 item"),
        ({"namespaces": []}, "at least 1 item"),
        ({"namespaces": ["Shop"]}, r"write the name of a namespace, or a pattern such as team-\*"),
        ({"service_accounts": ["shop/default"]}, "write the name of a ServiceAccount, without its namespace"),
        ({"username": "ada:x"}, "write a user name of one line, without a colon"),
        ({"password": "hunter2"}, "an inline secret or an unknown kind of reference"),
    ],
)
def test_a_wrong_field_says_what_to_write(change: dict[str, object], told: str) -> None:
    """Before anything is read from the cluster."""
    with pytest.raises(ValidationError, match=told):
        AccessPolicy.model_validate({"pull_secrets": [ENTRY | change]})
