"""Which cluster a backup is of, as etcd and as the nodes' files say it."""

import base64
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tasks.backup.models.backups import Origin
from tasks.backup.probes import origin
from tasks.backup.sources import Source, origin_of
from tasks.certificates.probes.x509 import fingerprint_of
from tasks.cluster import Cluster
from tasks.control_plane.probes.look import parse
from tasks.core.errors import NotYet
from tests.facts.control_plane import CP1
from tests.facts.shapes import PODS, shape_of

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def authority(name: str) -> x509.Certificate:
    """A CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name.from_rfc4514_string(f"CN={name}")
    made = x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    return made.sign(key, hashes.SHA256())


def pem(found: x509.Certificate) -> bytes:
    """As a file has it."""
    return found.public_bytes(Encoding.PEM)


def test_a_ca_is_read_from_an_object_as_etcd_has_it() -> None:
    """Protobuf or JSON, one or two of them; of what is encrypted, damaged or absent it is not known."""
    old, new = authority("old"), authority("new")
    both = tuple(sorted([fingerprint_of(old), fingerprint_of(new)]))
    text = pem(old) + pem(new)
    assert origin.authorities_in(b"k8s\0\n\r\n\x02v1\x12\tConfigMap" + text + b"\x1a\0") == both
    assert origin.authorities_in(b'{"data":{"ca.crt":"' + text.replace(b"\n", b"\\n") + b'"}}') == both
    assert origin.authorities_in(b"k8s:enc:aescbc:v1:key1:\x01\x02") == origin.authorities_in(b"") == ()
    assert origin.authorities_in(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") == ()


def test_a_node_prints_the_certificates_of_the_files_that_its_manifests_name(tmp_path: Path) -> None:
    """And nothing else of them, also where one is missing."""
    found = parse("cp1", CP1.encode()).node
    assert found.authority_files == ("/etc/kubernetes/pki/ca.crt",)
    ca = authority("kubernetes")
    (tmp_path / "ca.crt").write_bytes(pem(ca) + b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n")
    script = origin.look((str(tmp_path / "ca.crt"), str(tmp_path / "absent.crt")))
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert b"secret" not in base64.b64decode(done.stdout)
    assert origin.parse(done.stdout) == (fingerprint_of(ca),)


class Client:
    """As of etcd."""

    def __init__(self, ca: bytes, prefix: str, *, is_away: bool) -> None:
        self._ca, self._prefix, self._is_away = ca, prefix, is_away
        self.asked: list[str] = []

    def members(self) -> list[SimpleNamespace]:
        """As it lists them."""
        if self._is_away:
            raise NotYet("etcd: away")
        return [SimpleNamespace(name="cp2"), SimpleNamespace(name="cp1")]

    def paths_below(self, prefix: str) -> tuple[str, ...]:
        """Of the nodes, which are below one prefix only."""
        self.asked.append(prefix)
        return (f"{prefix}w1", f"{prefix}cp1") if prefix == f"{self._prefix}/minions/" else ()

    def value(self, path: str) -> bytes:
        """Of the ConfigMap."""
        self.asked.append(path)
        return self._ca


def source(prefix: str = "/registry", *, is_away: bool = False) -> Source:
    """A member with a CA."""
    client: Any = Client(b"", prefix, is_away=is_away)
    member: Any = SimpleNamespace(label="cp1")
    status: Any = None
    return Source(member, status, client)


def cluster(flag: str = "", *, pods: Mapping[str, str] = PODS) -> Cluster:
    """Whose API server has that flag."""
    api = PODS["kube-apiserver"].replace(
        "- --secure-port", f"- {flag}\n    - --secure-port" if flag else "- --secure-port"
    )
    shape = shape_of("cp1", pods={**pods, "kube-apiserver": api} if pods else {})
    profile = SimpleNamespace(name="prod", nodes=("cp1",))
    handle: Any = SimpleNamespace(control_planes=("cp1",), shape=lambda _: shape, profile=profile)
    return handle  # type: ignore[no-any-return]


def test_a_backup_does_not_fail_for_what_it_cannot_say_of_its_cluster() -> None:
    """It has what could be read, or nothing; a manifest from before has nothing, too."""
    assert origin_of(cluster(), source()) == Origin(members=("cp1", "cp2"), nodes=("cp1", "w1"))
    assert origin_of(cluster(), source(is_away=True)) == Origin()


@pytest.mark.parametrize(
    ("flag", "prefix"),
    [
        ("", "/registry"),
        ("--etcd-prefix=/k8s/prod/", "/k8s/prod"),
        ('"--etcd-prefix=k8s"', "/k8s"),
        ("--etcd-prefix=", "/registry"),
    ],
)
def test_keys_are_read_below_the_prefix_of_the_api_server(flag: str, prefix: str) -> None:
    """With another one, a backup said nothing of its cluster, and a restore compared nothing."""
    one = source(prefix)
    assert origin_of(cluster(flag), one).nodes == ("cp1", "w1")
    assert one.client.asked[-2:] == [f"{prefix}/minions/", f"{prefix}/configmaps/kube-system/kube-root-ca.crt"]  # type: ignore[attr-defined]


def test_no_node_is_asked_for_the_default_prefix() -> None:
    """A backup by route `direct` logs in to no node, and says nothing of flags that it does not need."""
    nobody: Any = SimpleNamespace(profile=SimpleNamespace(name="prod"))
    assert origin_of(nobody, source()).nodes == ("cp1", "w1")


def test_a_prefix_that_nobody_tells_is_the_default_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """By route `direct` no node may be reached at all."""

    class Away:
        profile = SimpleNamespace(name="prod", nodes=("cp1",))

        @property
        def control_planes(self) -> tuple[str, ...]:
            raise NotYet("none of cp1 can be reached")

    for handle in (Away(), cluster(pods={})):
        one = source("/elsewhere")
        origin_of(handle, one)  # type: ignore[arg-type]
        assert one.client.asked[0] == "/registry/minions/"  # type: ignore[attr-defined]
    assert "--etcd-prefix is not known, /registry is assumed: none of cp1 can be reached" in caplog.text
    assert "that node has no manifest of an API server" in caplog.text


def test_a_profile_without_nodes_has_nothing_to_ask_and_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    """As in the demo: nothing went wrong."""
    one = source("/elsewhere")
    origin_of(SimpleNamespace(profile=SimpleNamespace(name="prod", nodes=())), one)  # type: ignore[arg-type]
    assert one.client.asked[0] == "/registry/minions/"  # type: ignore[attr-defined]
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
