"""How images are called, and which credentials the kubelet takes for them."""

import base64
import json
from typing import Any

import pytest

from tasks.core.models.images import Reference
from tasks.registries.models.credentials import Credential
from tasks.registries.policy.pull_secrets import credentials_for, fits

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("image", "names"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("shop/web:2", "docker.io/shop/web:2"),
        ("index.docker.io/shop/web", "docker.io/shop/web:latest"),
        ("localhost/web:2", "localhost/web:2"),
        ("registry:5000/a/b/web:2", "registry:5000/a/b/web:2"),
        ("ghcr.io/shop/web", "ghcr.io/shop/web:latest"),
        (f"ghcr.io/shop/web:2@{DIGEST}", f"ghcr.io/shop/web@{DIGEST}"),
    ],
)
def test_an_image_has_one_whole_name(image: str, names: str) -> None:
    """As the runtime lists it. A digest takes precedence over a tag."""
    assert Reference.of(image).names == (names,)
    assert names.endswith(Reference.of(image).version)


@pytest.mark.parametrize(
    ("place", "image", "is_for"),
    [
        ("ghcr.io", "ghcr.io/shop/web", True),
        ("ghcr.io/shop", "ghcr.io/shop/web", True),
        ("ghcr.io/other", "ghcr.io/shop/web", False),
        ("*.example.com", "eu.example.com/web", True),
        ("*.example.com", "a.eu.example.com/web", False),
        ("registry:5000", "registry:5000/web", True),
        ("registry", "registry:5000/web", False),
        ("docker.io", "shop/web", True),
    ],
)
def test_an_entry_is_for_hosts_and_paths_as_the_kubelet_reads_it(place: str, image: str, is_for: bool) -> None:  # noqa: FBT001 - a table
    """A part of a host may be a pattern, a port has to be the same."""
    assert fits(place, Reference.of(image)) is is_for


def secret(auths: object, field: str = ".dockerconfigjson") -> dict[str, Any]:
    """As the API has it."""
    told = {"auths": auths} if field == ".dockerconfigjson" else auths
    return {"data": {field: base64.b64encode(json.dumps(told).encode()).decode()}}


AUTH = {"auth": base64.b64encode(b"ada:pass:word").decode(), "username": "other", "password": "other"}


def test_the_most_specific_entry_is_tried_first() -> None:
    """`auth` takes precedence over user and password."""
    entries = {"ghcr.io": {"username": "all", "password": "p"}, "https://ghcr.io/v2/shop/": AUTH, "quay.io": {}}
    found = credentials_for(Reference.of("ghcr.io/shop/web"), "pull", secret(entries))
    assert found == (Credential("pull", "ada", "pass:word"), Credential("pull", "all", "p"))
    assert "pass:word" not in repr(found)


@pytest.mark.parametrize("field", [".dockerconfigjson", ".dockercfg"])
def test_docker_io_has_a_name_of_its_own_in_secrets(field: str) -> None:
    """As `docker login` writes it."""
    entries = {"https://index.docker.io/v1/": AUTH}
    assert credentials_for(Reference.of("busybox"), "hub", secret(entries, field)) == (
        Credential("hub", "ada", "pass:word"),
    )
    assert credentials_for(Reference.of("ghcr.io/shop/web"), "hub", secret(entries, field)) == ()


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({}, "it has neither .dockerconfigjson nor .dockercfg"),
        ({"data": {".dockercfg": "!"}}, ".dockercfg is not the configuration of a registry"),
        (secret(["ghcr.io"]), ".dockerconfigjson is not the configuration of a registry"),
        (secret({"ghcr.io": 7}), ".dockerconfigjson is not the configuration of a registry"),
        (secret({"ghcr.io": {"auth": "!"}}), "its field auth is no base64 of a user and a password"),
    ],
)
def test_a_secret_that_is_none_of_a_registry_is_an_error(raw: dict[str, Any], problem: str) -> None:
    """Not a pull without credentials."""
    with pytest.raises(ValueError, match=problem):
        credentials_for(Reference.of("ghcr.io/shop/web"), "pull", raw)
