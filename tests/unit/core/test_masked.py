"""A kubeconfig is told without its secrets: what is left is the same YAML, with each place where it was."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tasks.core.errors import NotYet
from tasks.core.probes.masked_kubeconfig import PUBLIC, hides_more, parse_masked
from tasks.core.shell import ROOT

KUBECONFIG = """\
apiVersion: v1
kind: Config
own: &own SECRET
clusters:
- name: c
  cluster: {server: "https://u:SECRET@[fd00::1]:6443", proxy-url: "http://a:SECRET@b"}
- cluster:
    certificate-authority-data: Q0E=
    server: https://[fd00::2]:6443 # SECRET
  name: d
users:
- name: flow
  user: {token: "SECRET, w}rd!", client-key-data: U0VDUkVUMQ==, client-certificate-data: Q0VSVA==}
- name: block
  user:
    password: SECRET!w a,b {c} SECRET
    client-key-data: >-
      U0VDUkVU
      U0VDUkVUMg==
    client-certificate-data: |
      Q0VS
      VA==
- name: quoted
  user:
    token: 'SECRET
      s: SECRET}'
    "client-key-data": "U0VDUkVU
      U0VDUkVUMw=="
    username: SECRET
    client-certificate-data: "Q0VS
      VA=="
    exec:
      command: SECRET
      env:
      - name: SECRET
        value: SECRET
- name: several lines
  user: {exec: {env: [{name: SECRET, value: "SECRET}"}],
      args: ["SECRET
      , SECRET"]}, tokenFile: SECRET, token: 'SECRET
      , b: SECRET', client-certificate: /x/y.pem}
- name: strange
  user: &SECRET {token: SECRET}
- name: escaped
  user: {"client\\x2dkey-data": SECRET}
- name: explicit
  user:
    ? client-key-data
    : SECRET
- user:
    token:
      SECRET
    ca: [SECRET,
      SECRET]
  name: last
"""
SECRETS = ("SECRET", "U0VDUkVU")


def told(tmp_path: Path, text: str, function: str = "masked") -> str:
    """What a node tells of a file."""
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    command = ["sh", "-c", f". {ROOT}/tasks/core/masked.lib.sh; {function} {file}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_no_character_of_a_secret_is_shown_and_each_place_stays(tmp_path: Path) -> None:
    """In flow style, over several lines, in quotes, in fields that nobody knows, with escapes and anchors."""
    shown = told(tmp_path, KUBECONFIG)
    assert [len(line) for line in shown.splitlines()] == [len(line) for line in KUBECONFIG.splitlines()]
    assert not [line for line in shown.splitlines() if any(secret in line for secret in SECRETS)]
    assert "w}rd" not in shown
    keys = told(tmp_path, KUBECONFIG, "read_masked keys").split()
    assert [base64.b64decode(key).decode() for key in keys] == ["SECRET1", "SECRETSECRET2", "SECRETSECRET3"]


def test_what_is_harmless_means_what_it_meant(tmp_path: Path) -> None:
    """Names, servers, certificates in each form, and files of certificates."""
    shown = yaml.safe_load(told(tmp_path, KUBECONFIG))
    users = {one["name"]: one["user"] for one in shown["users"]}
    assert {"".join(users[name]["client-certificate-data"].split()) for name in ("flow", "block", "quoted")} == {
        "Q0VSVA=="
    }
    assert users["several lines"]["client-certificate"] == "/x/y.pem"
    assert set(users) == {"flow", "block", "quoted", "several lines", "strange", "escaped", "explicit", "last"}
    clusters = {one["name"]: one["cluster"] for one in shown["clusters"]}
    assert clusters["c"]["server"] == "https://xxxxxxxx@[fd00::1]:6443"
    assert clusters["d"] == {"certificate-authority-data": "Q0E=", "server": "https://[fd00::2]:6443"}


def a_config(secret: str) -> dict[str, Any]:
    """As kubectl and others write it."""
    user = {
        "client-certificate-data": "Q0VSVA==" * 30,
        "client-key-data": base64.b64encode(f"{secret} of a key".encode() * 9).decode(),
        "token": f"{secret}: a 'token', with #{{signs}}",
        "exec": {"command": "x", "env": [{"name": "A", "value": f"{secret}\nlines"}], "args": ["--secret", secret]},
        "auth-provider": {"config": {"id-token": secret}},
    }
    return {
        "apiVersion": "v1",
        "clusters": [{"cluster": {"certificate-authority-data": "Q0E=" * 40, "server": "https://a:1"}, "name": "c"}],
        "contexts": [{"context": {"cluster": "c", "user": "u"}, "name": "x"}],
        "current-context": "x",
        "users": [{"name": "u", "user": user}],
    }


def forms(config: dict[str, Any]) -> Iterator[str]:
    """In YAML and JSON as programs write it."""
    yield json.dumps(config)
    yield json.dumps(config, indent=1)
    yield json.dumps(config).replace("/", "\\/")
    for flow in (True, False, None):
        for style in (None, '"', "'", "|", ">"):
            for width in (40, 10**6):
                for indent in (2, 5):
                    yield yaml.safe_dump(
                        config,
                        default_flow_style=flow,
                        default_style=style,
                        width=width,
                        indent=indent,
                        sort_keys=False,
                    )


def test_in_whatever_form_it_is_written_no_secret_is_told(tmp_path: Path) -> None:
    """And where its fields are written as programs do, what is harmless is read."""
    secret = "s3cr3tW0rd"
    read = 0
    for text in forms(a_config(secret)):
        shown = told(tmp_path, text)
        assert [len(line) for line in shown.splitlines()] == [len(line) for line in text.splitlines()]
        assert secret not in shown
        assert base64.b64encode(f"{secret} of a key".encode()).decode()[:12] not in "".join(shown.split())
        if any(form in text for form in ("? ", "name: |", "name: >", '"name": |', '"name": >')):
            continue  # no program writes a name so: what is hidden of it is no name, and is told as that
        found = yaml.safe_load(shown)
        user = found["users"][0]["user"]
        assert "".join(user["client-certificate-data"].split()) == "Q0VSVA==" * 30
        assert set("".join(user["client-key-data"].split())) <= {"x"}
        assert found["contexts"] == a_config("")["contexts"]
        read += 1
    assert read > 20


def test_a_key_is_told_by_its_public_half(tmp_path: Path) -> None:
    """One that openssl does not read has none. A certificate with a key beside it in one field is not told at all."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    data = base64.b64encode(pem).decode()
    text = f"users:\n- user: {{client-key-data: AAAA}}\n- user:\n    client-key-data: {data}\n"
    halves = told(tmp_path, text, "public_halves").split()
    assert halves == ["-", base64.b64encode(public).decode()]
    config = parse_masked(told(tmp_path, text), halves, "it")
    assert [one["user"] for one in config["users"]] == [{PUBLIC: ""}, {PUBLIC: halves[1]}]
    both = told(tmp_path, f"users:\n- user:\n    client-certificate-data: {data}\n    client-key-data: {data}\n")
    assert data[:20] not in both
    assert [*yaml.safe_load(both)["users"][0]["user"]] == ["x" * 23, "client-key-data"]


@pytest.mark.parametrize(
    ("text", "halves", "why"),
    [
        ("[", (), "is not YAML"),
        ("- a", (), "has no fields"),
        ("users: [{user: {client-key-data: xx}}]", (), "whose public half is missing"),
        ("users: [a, {user: b}, {user: {}}]", ("AAAA",), "has a key that is no user's"),
    ],
)
def test_what_is_not_understood_is_told(text: str, halves: tuple[str, ...], why: str) -> None:
    """Keys and their public halves have to be as many."""
    with pytest.raises(NotYet, match=why):
        parse_masked(text, halves, "it")


@pytest.mark.parametrize(
    ("config", "more"),
    [
        ({"users": [{"user": {"token": 1}}]}, False),
        ({"users": [{"xx": None}]}, True),
        ({"a": ["b", "xxx"]}, True),
        ({"a": "xxx xx"}, True),
        ({"a": "x"}, False),
        ({"a": "https://xx.example"}, False),
        ({"server": "https://xxx@b"}, True),
        ({}, False),
    ],
)
def test_what_was_not_told_is_known(config: dict[str, Any], more: bool) -> None:  # noqa: FBT001
    """A field, a value, or a password in a URL: a file that was told so must not be written."""
    assert hides_more(config) is more
    assert parse_masked("clusters: []", (), "it") == {"clusters": []}
