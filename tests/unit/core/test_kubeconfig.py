"""A kubeconfig: what of it is used, and what is missing in it, said without saying what is there."""

import base64
from typing import Any

import pytest
import yaml

from tasks.core.errors import Refused
from tasks.core.probes.kubeconfig import parse_kubeconfig


def encoded(text: str) -> str:
    """As it is written there."""
    return base64.b64encode(text.encode()).decode()


def config(**user: str) -> dict[str, Any]:
    """A whole one, with another user."""
    return {
        "clusters": [
            {"name": "c", "cluster": {"server": "https://h:6443/", "certificate-authority-data": encoded("CA")}}
        ],
        "users": [
            {"name": "u", "user": user or {"client-certificate-data": encoded("C"), "client-key-data": encoded("K")}}
        ],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def test_certificates_and_tokens_are_understood() -> None:
    """Neither is shown by printing it."""
    found = parse_kubeconfig(yaml.safe_dump(config()), "here")
    assert (found.server, found.ca, found.certificate, found.key.get_secret_value()) == (
        "https://h:6443",
        "CA",
        "C",
        "K",
    )
    by_token = parse_kubeconfig(yaml.safe_dump(config(token="hunter2")), "here")
    assert by_token.token.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(by_token)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "here: not a complete kubeconfig"),
        ("{}", "not a complete kubeconfig ('current-context')"),
        (yaml.safe_dump(config() | {"current-context": "y"}), "not a complete kubeconfig (StopIteration)"),
        (yaml.safe_dump(config(**{"client-key-data": "hunter2!"})), "not a complete kubeconfig"),
        (yaml.safe_dump(config(exec="aws")), "neither a client certificate with key nor a token"),
        (yaml.safe_dump(config()).replace("https://h", "http://h"), "its server is not https://"),
    ],
)
def test_what_is_missing_is_said_without_what_is_there(text: str, told: str) -> None:
    """And what to give instead."""
    with pytest.raises(Refused) as refused:
        parse_kubeconfig(text, "here")
    assert told in str(refused.value)
    assert "certificate-authority-data" in refused.value.hint
    assert "hunter2" not in str(refused.value)
