"""CAs as kubeadm made them until v1.18: without key identifiers, which Python refuses from 3.13 on unless it is told otherwise."""

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from botocore.httpsession import create_urllib3_context
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tasks.certificates.authority import SigningAuthority
from tasks.certificates.models.kubeadm import Leaf
from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.clients.prometheus import ask_prometheus
from tasks.clients.tls import tls_context
from tasks.core.errors import NotTrusted, NotYet

LEAF = Leaf(
    name="apiserver", authority="ca", path="pki/apiserver.crt", common_name="x", server=True, addresses=("127.0.0.1",)
)


@dataclass(frozen=True)
class Old:
    """A server whose CA is an old one."""

    ca: bytes
    url: str


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's defaults as they are from 3.13 on, whichever runs here."""
    make = ssl.create_default_context

    def as_of_3_13(*args: Any, **words: Any) -> ssl.SSLContext:  # noqa: ANN401 - as the original has them
        context = make(*args, **words)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", as_of_3_13)


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Old]:
    """It answers every question with an empty vector."""
    authority, ca = old_authority()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anybody")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    certificate = authority.sign(LEAF, request.public_bytes(Encoding.PEM), datetime.now(UTC), timedelta(days=1))
    pair = tmp_path / "pair.pem"
    pair.write_bytes(certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Old(ca, f"https://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def old_authority() -> tuple[SigningAuthority, bytes]:
    """With neither of the key identifiers."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")]), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return SigningAuthority.read(pem, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())), pem


@pytest.mark.usefixtures("strict")
def test_the_api_of_an_old_cluster_is_reached(old: Old) -> None:
    """Its name and its signature count, and another CA is still not believed."""
    client = KubeClient([KubeServer("old", lambda: nullcontext(old.url))], lambda: KubeUser(old.ca, token="secret"))
    assert client.get("/version")["status"] == "success"
    client.close()
    _, other = old_authority()
    stranger = KubeClient([KubeServer("old", lambda: nullcontext(old.url))], lambda: KubeUser(other, token="secret"))
    with pytest.raises(NotTrusted, match="no API server is trusted: old: its certificate: [a-z]") as caught:
        stranger.get("/version")
    assert "cert-rotation" in caught.value.hint
    stranger.close()


def test_a_certificate_that_is_not_trusted_is_refused_and_a_handshake_that_breaks_is_not(old: Old) -> None:
    """By Prometheus, and by an API of two servers only where neither is trusted: the other one may come back."""
    with pytest.raises(NotTrusted, match=f"^Prometheus at {old.url}: its certificate: "):
        ask_prometheus(old.url, "up")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broken = f"https://127.0.0.1:{silent.getsockname()[1]}"
        threading.Thread(target=hang_up, args=[silent], daemon=True).start()
        with pytest.raises(NotYet, match="does not answer"):
            ask_prometheus(broken, "up")
        _, other = old_authority()
        servers = [KubeServer(name, lambda url=url: nullcontext(url)) for name, url in (("a", old.url), ("b", broken))]  # type: ignore[misc]
        client = KubeClient(servers, lambda: KubeUser(other, token="secret"))
        with pytest.raises(NotYet, match="no API server answers: a: its certificate: [a-z -]+; b: "):
            client.get("/version")
        client.close()


def hang_up(server: socket.socket) -> None:
    """Closes each connection in the middle of its handshake."""
    with suppress(OSError):
        while True:
            server.accept()[0].close()


def test_the_stores_tls_is_as_openssl_has_it() -> None:
    """botocore makes its own contexts."""
    assert not create_urllib3_context().verify_flags & ssl.VERIFY_X509_STRICT


@pytest.mark.usefixtures("strict")
def test_prometheus_behind_an_old_ca_is_reached(old: Old, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a CA that the system trusts."""
    system = tmp_path / "system.pem"
    system.write_bytes(old.ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    assert ask_prometheus(old.url, "up") == {}


@pytest.mark.usefixtures("strict")
def test_no_context_of_ours_is_stricter_than_openssl() -> None:
    """Whatever Python's default is; names and chains are verified as ever."""
    context = tls_context()
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_an_old_ca_signs_as_kubeadm_has_it_sign() -> None:
    """What it signs names no key of its issuer: there is none to name."""
    authority, ca = old_authority()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anybody")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    made = authority.sign(LEAF, request.public_bytes(Encoding.PEM), datetime.now(UTC), timedelta(days=1))
    certificate = x509.load_pem_x509_certificate(made)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
    assert not [one for one in certificate.extensions if isinstance(one.value, x509.AuthorityKeyIdentifier)]
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1")]
