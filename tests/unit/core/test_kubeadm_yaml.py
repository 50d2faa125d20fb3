"""What is written for kubeadm means to it what it meant before: the real kubeadm reads it."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.kubeadm_yaml import dump, dump_all, in_lines
from tests.servers.kubeadm_pki import KubeadmPki

TEXTS = (
    "1e3",
    "y",
    "n",
    "0755",
    "1_000",
    "1:30",
    "1:30.5",
    "0x10",
    "0b1",
    "null",
    "~",
    "on",
    "2001-01-01",
    "=",
    "- a",
    "'",
    '"',
    "",
)
"""Words that one YAML reads as a text, and another one as something else."""


@pytest.mark.parametrize("text", [*TEXTS, "a\u2028b", "a\x7fb", "a\x85b", "\ufeffa", "\U0001f600", "a\nb", "\t"])
def test_a_text_stays_a_text(text: str) -> None:
    """Also as a key, and in a list."""
    document = {"a": text, "b": [text], text or "empty": {"c": 1}}
    assert yaml.safe_load(dump(document)) == document


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_again(text: str) -> None:
    """Whatever is in it."""
    assert yaml.safe_load(dump({"a": text})) == {"a": text}


def test_documents_follow_each_other() -> None:
    """Each in its line."""
    assert dump_all([{"a": 1}, {"b": "y"}]) == '{"a": 1}\n---\n{"b": "y"}\n'


def test_a_date_is_a_text() -> None:
    """PyYAML reads one where kubeadm reads a text."""
    assert yaml.safe_load(dump({"a": date(2001, 1, 2)})) == {"a": "2001-01-02"}
    assert yaml.safe_load(dump({"a": datetime(2001, 1, 2, tzinfo=UTC)})) == {"a": "2001-01-02T00:00:00+00:00"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_nobody_reads_is_refused(value: float) -> None:
    """It would be another thing for each reader."""
    with pytest.raises(ValueError, match="JSON"):
        dump({"a": value})


def test_what_yaml_does_not_know_is_refused() -> None:
    """An error in our own code."""
    with pytest.raises(TypeError, match="Path is nothing that YAML knows"):
        dump({"a": Path("/")})


@pytest.mark.parametrize("name", ["1e3", "y", "0755", "1e3.example", "0x10", "null"])
def test_kubeadm_reads_a_text_as_a_text(tmp_path: Path, name: str) -> None:
    """A name that looks like a number: by PyYAML's own words kubeadm refuses the file, or makes a certificate for 1000."""
    node = KubeadmPki(tmp_path, apiServer={"certSANs": [name]}, clusterName=name)
    text = (tmp_path / "kubeadm.yaml").read_text()
    (tmp_path / "kubeadm.yaml").write_text(dump_all(yaml.safe_load_all(text)))
    node.run("init", "phase", "certs", "ca")
    node.run("init", "phase", "certs", "apiserver")
    made = node.certificate("pki/apiserver.crt")
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert name in names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize(
    "text", [*TEXTS, "true", "Off", "kubernetes", "system:node:cp1", "/a/b", "a: b", "a #b", "LS0t+/="]
)
def test_lines_are_read_as_they_were_meant(text: str) -> None:
    """A key a line, and quotes where another YAML would see something else than a text."""
    document = {"users": [{"name": text, text or "empty": {}}]}
    assert yaml.safe_load(in_lines(document)) == document
    assert f'name: "{text}"' in in_lines(document) or text[:1].isalpha() or text[:1] in {"/", '"'}
