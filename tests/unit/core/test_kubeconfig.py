"""A kubeconfig: what of it is used, and what is missing in it, said without saying what is there."""

import base64
import json
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


def with_cluster(**fields: str) -> str:
    """Another cluster in it."""
    made = config()
    made["clusters"][0]["cluster"].update({name.replace("_", "-"): text for name, text in fields.items()})
    return yaml.safe_dump(made)


def with_user(**fields: object) -> str:
    """Another user in it, beside what is there."""
    made = config()
    made["users"][0]["user"].update({name.replace("_", "-"): value for name, value in fields.items()})
    return yaml.safe_dump(made)


def test_what_people_write_is_read_as_kubectl_reads_it() -> None:
    """Base64 over several lines, quoted or not, names that YAML has other ideas of, an IPv6 address, a name for TLS, JSON."""
    many = encoded("C" * 200)
    lines = "\n      ".join(many[start : start + 64] for start in range(0, len(many), 64))
    for written in (f"|\n      {lines}", f"'{lines}'", lines, f'"{many}"', f">-\n      {lines}"):
        text = f"""
apiVersion: v1
current-context: 1e3
contexts: [{{name: 1e3, context: {{cluster: y, user: "007"}}}}, {{name: other, context: {{cluster: n, user: n}}}}]
clusters:
- name: y
  cluster:
    server: https://[fd00::1]:6443
    tls-server-name: kubernetes
    insecure-skip-tls-verify: false
    certificate-authority-data: {written}
users: [{{name: "007", user: {{token: 0123456}}}}]
"""
        found = parse_kubeconfig(text, "here")
        assert (found.server, found.tls_server_name) == ("https://[fd00::1]:6443", "kubernetes")
        assert (found.ca, found.token.get_secret_value()) == ("C" * 200, "0123456")
    assert parse_kubeconfig(json.dumps(config()), "here").ca == "CA"


NO_USERS = {key: value for key, value in config().items() if key != "users"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "here: it is no YAML"),
        ("[]", "here: it is no mapping of fields"),
        ("", "it is no mapping of fields"),
        ("{}", "it has no current-context"),
        ("current-context: []", "it has no current-context"),
        (yaml.safe_dump(config() | {"current-context": "y"}), "no context of the name that its current-context has"),
        (yaml.safe_dump(NO_USERS), "no user of the name that its context has"),
        (yaml.safe_dump(config() | {"clusters": "x"}), "no cluster of the name that its context has"),
        (yaml.safe_dump(config() | {"clusters": ["x"]}), "no cluster of the name that its context has"),
        (yaml.safe_dump(config() | {"users": [{"name": "u", "user": None}]}), "its user is no mapping of fields"),
        (with_user(client_key_data="hunter2!"), "its client-key-data is no base64 of a text"),
        (with_user(client_key_data=["hunter2"]), "its client-key-data is no text"),
        (with_cluster(certificate_authority_data=""), "its certificate-authority-data is missing"),
        (with_cluster(certificate_authority_data="gIA="), "its certificate-authority-data is no base64 of a text"),
        (
            with_cluster(insecure_skip_tls_verify="true"),
            "its cluster has insecure-skip-tls-verify: a server that is not",
        ),
        (with_cluster(proxy_url="http://hunter2@p"), "its cluster has proxy-url: no proxy stands"),
        (with_cluster(certificate_authority="/ca.crt"), "its cluster has certificate-authority: what is in a file"),
        (with_user(exec={"command": "hunter2"}), "its user has exec: no program is run"),
        (with_user(tokenFile="/hunter2"), "its user has tokenFile: what is in a file"),
        (with_user(client_certificate="/hunter2"), "its user has client-certificate: what is in a file"),
        (with_user(as_groups=["hunter2"]), "its user has as-groups: nobody is impersonated"),
        (yaml.safe_dump(config(token="")), "neither a client certificate with key nor a token"),
        (yaml.safe_dump(config()).replace("https://h", "http://h"), "its server is not https://"),
        (yaml.safe_dump(config()).replace("https://h", "https://[fd00::1"), "its server is not https://"),
        (with_cluster(server="https://h:0"), "its server is not https://"),
        (with_cluster(server="https://"), "its server is not https://"),
    ],
)
def test_what_is_missing_is_said_without_what_is_there(text: str, told: str) -> None:
    """And what to give instead."""
    with pytest.raises(Refused) as refused:
        parse_kubeconfig(text, "here")
    assert told in str(refused.value)
    assert "certificate-authority-data" in refused.value.hint
    assert "hunter2" not in str(refused.value)
