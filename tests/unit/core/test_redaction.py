"""Nothing secret in logs: known values, and whatever looks like key material."""

import base64
import json
import logging
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import quote, quote_plus, urlencode

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tasks.core import redaction
from tasks.core.redaction import redact, redact_json, remember_secret, remember_secrets_of
from tasks.core.secret_forms import forms_of

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabc\ndefghijklmnop\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key: {PEM} end", "key: *** end"),
        ("-----BEGIN PRIVATE KEY-----\nMHcCAQ", "***"),
        ("PUT /k?X-Amz-Signature=0123abcd&x=1", "PUT /k?X-Amz-Signature=***&x=1"),
        ("X-Amz-Security-Token=FwoGZXI%2F&y=2", "X-Amz-Security-Token=***&y=2"),
        ("AGE-SECRET-KEY-1QQQQ", "***"),
        ("https%3A%2F%2Fh%2Fk%3FX-Amz-Signature%3D0123abcd%26x", "https%3A%2F%2Fh%2Fk%3FX-Amz-Signature%3D***%26x"),
        (
            "AWS4-HMAC-SHA256 Credential=A/b, Signature=0123abcd end",
            "AWS4-HMAC-SHA256 Credential=A/b, Signature=*** end",
        ),
        ("Authorization: Bearer abcdefghij.klmnopqrst next", "Authorization: Bearer *** next"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl end", "token *** end"),
        (f"client-key-data: {base64.b64encode(PEM.encode()).decode()}\nusers: []", "client-key-data: ***\nusers: []"),
        ("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="),
        ("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"),
    ],
)
def test_key_material_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    """Also when it was never seen before."""
    assert redact(text) == shown


def test_a_known_secret_is_masked_also_line_by_line() -> None:
    """A key in a traceback is often cut into lines; short words are left alone."""
    remember_secret("first-line-of-it\nsecond-line-of-it\nab\n")
    assert redact("x second-line-of-it y ab") == "x *** y ab"


def test_log_records_and_their_tracebacks_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    """Arguments too, for every logger of the process."""
    remember_secret("top-secret-value")
    redaction.install()
    try:
        raise ValueError("failed with top-secret-value")  # noqa: TRY301 - the traceback is the point
    except ValueError:
        logging.getLogger("anything").exception("saw %s", "top-secret-value")
    assert "top-secret-value" not in caplog.text
    assert "saw ***" in caplog.text
    assert "ValueError: failed with ***" in caplog.text


def test_a_key_that_is_cut_off_ends_with_its_text_and_not_with_the_document() -> None:
    """The journal of a run stays JSON: what finishes it after a crash reads it again."""
    whole: Any = {
        "problem": f"it said: {PEM[:50]}",
        "done": [{"step": 1, "of": PEM, "ok": True, "x": None}],
        "é": "end",
    }
    assert redact_json(whole) == {
        "problem": "it said: ***",
        "done": [{"step": 1, "of": "***", "ok": True, "x": None}],
        "é": "end",
    }


quick = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)

HARMLESS = "node cp1 is Ready, pod kube-system/coredns-7f9 runs; 3 of 3 members are healthy at revision 4711"

CERTIFICATE = base64.b64encode(
    b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ\n-----END CERTIFICATE-----\n"
).decode()


@contextmanager
def nothing_known() -> Iterator[None]:
    """No secret of another test."""
    with mock.patch.object(redaction, "_known", {}), mock.patch.object(redaction, "_values", set()):
        yield


def kubeconfig(**user: object) -> str:
    """As kubeadm writes it, with these credentials."""
    cluster = {"certificate-authority-data": CERTIFICATE, "server": "https://198.18.0.10:6443"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "preferences": {},
            "clusters": [{"name": "kubernetes", "cluster": cluster}],
            "contexts": [{"name": "admin@kubernetes", "context": {"cluster": "kubernetes", "user": "admin"}}],
            "current-context": "admin@kubernetes",
            "users": [{"name": "admin", "user": {"client-certificate-data": CERTIFICATE, **user}}],
        }
    )


def as_pem(key: bytes, kind: str) -> str:
    """A private key as PEM has it, in lines of 64 characters."""
    text = base64.b64encode(key).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"-----END {kind}PRIVATE KEY-----", ""])


tokens = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60)
pems = st.builds(as_pem, st.binary(min_size=40, max_size=400), st.sampled_from(["", "RSA ", "EC ", "OPENSSH "]))


def b64(text: str) -> str:
    """As `base64 -w0` prints it."""
    return base64.b64encode(text.encode()).decode()


def wrapped(text: str, width: int = 76) -> str:
    """As `base64` prints it."""
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": lambda value: value,
    "in a URL": lambda value: f"https://h/p?{urlencode({'q': value})}",
    "in a path": lambda value: f"/v1/{quote(value, safe='')}/x",
    "with small hexadecimal digits": lambda value: re.sub("%..", lambda found: found[0].lower(), quote_plus(value)),
    "in JSON": lambda value: json.dumps({"a": value}),
    "in JSON in JSON": lambda value: json.dumps({"a": json.dumps({"b": value})}),
    "in YAML": lambda value: yaml.safe_dump({"a": [value]}, width=10_000),
    "in Python": lambda value: repr({"a": value}),
    "as bytes in Python": lambda value: repr(value.encode()),
    "in the shell": lambda value: shlex.join(["login", "--with", value]),
    "in base64": b64,
    "in base64 of a line": lambda value: b64(value + "\n"),
    "in base64 with a name": lambda value: f"Basic {b64(f'admin:{value}')}",
    "in base64 of a document": lambda value: b64(json.dumps({"auths": {"r": {"p": 1}}}) + value + " the end"),
    "in base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "in base64 in lines": lambda value: wrapped(b64(value)),
}


def remains_of(value: str, text: str) -> list[str]:
    """Forms of a value that can still be read, also out of what looks like base64."""
    return [form for form in forms_of(value) if form in text]


@quick
@given(tokens, st.sampled_from(sorted(WRITTEN)))
def test_no_form_of_a_secret_survives_and_harmless_text_does(value: str, form: str) -> None:
    """Whatever wrote it down: a URL, JSON, YAML, Python, the shell, base64 at any offset."""
    assume(not remains_of(value, f"{HARMLESS} before after"))
    with nothing_known():
        remember_secret(value)
        shown = redact(f"{HARMLESS} before\n{WRITTEN[form](value)}\nafter {HARMLESS}")
    assert value not in shown
    assert remains_of(value, shown) == []
    assert redaction.MASK in shown
    assert shown.startswith(f"{HARMLESS} before\n")
    assert shown.endswith(f"\nafter {HARMLESS}")


@quick
@given(pems, st.sampled_from(sorted(WRITTEN)), st.booleans())
def test_no_line_of_a_private_key_survives(pem: str, form: str, whole: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """Neither in a block, nor line by line, nor inside of something that was encoded as a whole."""
    lines = pem.splitlines()[1:-1]
    with nothing_known():
        remember_secret(pem)
        texts = [pem] if whole else [*lines, "".join(lines), "\n".join(lines)]
        shown = redact("\n".join(f"key {WRITTEN[form](text)} of cp1" for text in texts))
        assert redact(HARMLESS) == HARMLESS
    for line in lines:
        assert len(line) < 8 or remains_of(line, shown) == []
    assert "key " in shown
    assert " of cp1" in shown


@quick
@given(tokens, pems)
def test_of_a_kubeconfig_the_credentials_are_secret_and_nothing_else(token: str, pem: str) -> None:
    """Bare, in a header, in base64; `users:` and `kind: Config` are everybody's words."""
    words = kubeconfig(token="", **{"client-key-data": ""})
    assume(not remains_of(token, words + HARMLESS))
    config = kubeconfig(token=token, password=token[::-1], **{"client-key-data": b64(pem)})
    with nothing_known():
        remember_secret(config)
        assert redact(words) == words
        shown = redact(
            "\n".join([config, token, f"Basic {b64(f'a:{token}')}", token[::-1], b64(pem), *pem.splitlines()[1:-1]])
        )
        assert redact(json.dumps(yaml.safe_load(words))) == json.dumps(yaml.safe_load(words))
    for secret in (token, token[::-1], b64(pem), *(line for line in pem.splitlines()[1:-1] if len(line) > 7)):
        assert secret not in shown
    assert "kind: Config" in shown
    assert f"certificate-authority-data: {CERTIFICATE}" in shown


def test_a_kubeconfig_has_credentials_of_programs_and_providers_too() -> None:
    """JSON or YAML; odd parts are passed over, and short words are never masked."""
    users: dict[str, Any] = {
        "auth-provider": {"config": {"id-token": "id-token-of-admin", "idp-issuer-url": "https://issuer.example.org"}},
        "exec": {"env": [{"name": "API_TOKEN", "value": "env-token-1"}, {"name": "PROFILE", "value": "production"}, 7]},
        "username": "administrator",
        "password": "config",
    }
    for text in (kubeconfig(**users), json.dumps(yaml.safe_load(kubeconfig(**users)))):
        with nothing_known():
            remember_secret(text)
            said = "id-token-of-admin env-token-1 production administrator config https://issuer.example.org"
            assert redact(said) == "*** *** production administrator config https://issuer.example.org"


@pytest.mark.parametrize(
    "text",
    [
        "users: [\nclusters: }",
        "users: none\nclusters: []\n",
        "- users\n- clusters\n",
    ],
)
def test_what_only_looks_like_a_kubeconfig_is_secret_as_a_whole(text: str) -> None:
    """It was given as a secret."""
    with nothing_known():
        remember_secret(text)
        assert redact(f"saw {text.strip()}") == "saw ***"


@pytest.mark.parametrize(
    "user", [None, "admin", {"auth-provider": 1, "exec": 2}, {"auth-provider": {}, "exec": {"env": 1}}]
)
def test_users_without_credentials_have_no_secret(user: object) -> None:
    """Odd kubeconfigs are refused elsewhere, with a sentence that can be read."""
    text = yaml.safe_dump({"clusters": [], "users": [{"name": "a", "user": user}, "b"]})
    with nothing_known():
        remember_secret(text)
        assert redact(text) == text


def test_of_a_file_of_the_control_plane_only_keys_are_secret() -> None:
    """An encryption configuration, and a certificate beside its key."""
    with nothing_known():
        remember_secrets_of("kind: EncryptionConfiguration\nkeys:\n- name: key1\n  secret: c2VjcmV0LW9mLTMyLWJ5dGVz\n")
        remember_secrets_of(f"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIB\n-----END CERTIFICATE-----\n{PEM}")
        said = "kind: EncryptionConfiguration c2VjcmV0LW9mLTMyLWJ5dGVz key1 MIIBszCCAVmgAwIB MHcCAQEEIabc defghijklmnop"
        assert redact(said) == "kind: EncryptionConfiguration *** key1 MIIBszCCAVmgAwIB *** ***"


def test_secrets_that_overlap_are_masked_as_one() -> None:
    """A longer one that begins with a shorter one leaves nothing of itself."""
    with nothing_known():
        remember_secret("alpha-beta")
        remember_secret("alpha-beta-gamma")
        remember_secret("gamma-delta")
        remember_secret("alpha-beta")
        assert redact("x alpha-beta-gamma-delta y alpha-beta z") == "x *** y *** z"
        assert redact("") == ""


def test_a_long_word_that_looks_like_the_beginning_of_a_token_is_read_once() -> None:
    """Read again from each beginning, a text of this size takes an hour."""
    text = "eyJhbGciOiJ" * 200_000
    assert redact(text) == text
