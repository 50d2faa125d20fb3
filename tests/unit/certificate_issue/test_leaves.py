"""What is made from nothing is what the real kubeadm makes, field by field, and openssl agrees on what it is good for."""

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from tasks.cert_rotation.policy.san_changes import name_change, names_by_kubeadm, with_names
from tasks.certificate_issue.models import IssueRequest
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificates.authority import SigningAuthority, new_key_pair, public_half
from tasks.certificates.models.kubeadm import AUTHORITIES, COMMON_NAMES, Leaf
from tasks.certificates.probes.x509 import names_of
from tasks.core.errors import Refused
from tests.facts.issue import EXTERNAL, STACKED
from tests.servers.kubeadm_pki import KubeadmPki

NOW = datetime.now(UTC)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory) -> KubeadmPki:
    """Of a first control plane node with a member of its own."""
    made = KubeadmPki(
        tmp_path_factory.mktemp("stacked"),
        controlPlaneEndpoint="api.example.org:6443",
        apiServer={"certSANs": ["lb.example.org", "192.0.2.9"]},
    )
    made.make_all()
    return made


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> KubeadmPki:
    """Of one that is told of an external etcd, in a cluster of two families of addresses."""
    paths = {name: f"/etc/kubernetes/pki/{name}" for name in ("caFile", "certFile", "keyFile")}
    made = KubeadmPki(
        tmp_path_factory.mktemp("external"),
        address="2001:db8::11",
        controlPlaneEndpoint="192.0.2.10:6443",
        networking={"serviceSubnet": "fd00:10:96::/112,10.96.0.0/16", "dnsDomain": "k8s.example"},
        etcd={"external": {"endpoints": ["https://192.0.2.21:2379"], **paths}},
    )
    made.make_all()
    return made


def signed(leaf: Leaf, now: datetime = NOW, validity: timedelta = YEAR) -> tuple[SigningAuthority, x509.Certificate]:
    """By an authority of that name."""
    authority = SigningAuthority.made(COMMON_NAMES.get(leaf.authority, leaf.authority), now, 10 * YEAR)
    return authority, x509.load_pem_x509_certificate(authority.sign(leaf, request_for(), now, validity))


def request_for(subject: str = "anybody", key: Any = None) -> bytes:  # noqa: ANN401 - of several kinds
    """As openssl makes one on a node; its subject means nothing."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM)


def fields(certificate: x509.Certificate) -> Mapping[str, Any]:
    """All that Kubernetes looks at, but keys, dates and numbers."""
    extensions = {
        one.oid.dotted_string: (one.critical, _comparable(one.value))
        for one in certificate.extensions
        if not isinstance(one.value, x509.SubjectKeyIdentifier | x509.AuthorityKeyIdentifier)
    }
    return {
        "subject": sorted((one.oid.dotted_string, one.value) for one in certificate.subject),
        "issuer": certificate.issuer.rfc4514_string(),
        "extensions": extensions,
        "identifiers": sorted(
            one.oid.dotted_string
            for one in certificate.extensions
            if isinstance(one.value, x509.SubjectKeyIdentifier | x509.AuthorityKeyIdentifier)
        ),
        "signature": certificate.signature_algorithm_oid,
        "version": certificate.version,
        "lasts": round((certificate.not_valid_after_utc - certificate.not_valid_before_utc) / timedelta(minutes=1)),
    }


def _comparable(value: x509.ExtensionType) -> Any:  # noqa: ANN401 - whatever the extension is made of
    """Neither kubeadm nor we promise an order."""
    if isinstance(value, x509.SubjectAlternativeName | x509.ExtendedKeyUsage):
        return sorted(map(repr, value))
    return value


# --- what kubeadm makes


@pytest.mark.parametrize("leaf", leaves_of(STACKED, "cp1"), ids=lambda leaf: str(leaf.name))
def test_each_certificate_is_what_kubeadm_makes(leaf: Leaf, stacked: KubeadmPki) -> None:
    """Subject, usages, names, constraints, algorithm and length of life."""
    assert fields(signed(leaf)[1]) == fields(stacked.certificate(leaf.path))


@pytest.mark.parametrize(
    "leaf", [one for one in leaves_of(EXTERNAL, "cp1") if one.authority != "etcd-ca"], ids=lambda one: one.name
)
def test_so_is_each_with_two_families_of_addresses(leaf: Leaf, external: KubeadmPki) -> None:
    """And an endpoint that is an address, and another DNS domain."""
    assert fields(signed(leaf)[1]) == fields(external.certificate(leaf.path))


@pytest.mark.parametrize("authority", AUTHORITIES)
def test_each_authority_is_what_kubeadm_makes(authority: str, stacked: KubeadmPki) -> None:
    """For ten years."""
    made = SigningAuthority.made(COMMON_NAMES.get(authority, authority), NOW, 10 * YEAR)
    assert fields(x509.load_pem_x509_certificate(made.certificate)) == fields(
        stacked.certificate(AUTHORITIES[authority])
    )


def test_nothing_that_kubeadm_makes_is_left_out(stacked: KubeadmPki, external: KubeadmPki) -> None:
    """Every certificate and kubeconfig of a node is of an authority or of the table."""
    for made, request in ((stacked, STACKED), (external, EXTERNAL)):
        files = {
            str(file.relative_to(made.folder)) for kind in ("crt", "conf") for file in made.folder.rglob(f"*.{kind}")
        }
        ours = {leaf.path for leaf in leaves_of(request, "cp1")} | set(AUTHORITIES.values())
        etcd = {one for one in ours if one.startswith("pki/etcd/") or "etcd-client" in one} if request.etcd else set()
        assert files == ours - etcd


def test_the_key_pair_of_service_accounts_is_as_kubeadms(stacked: KubeadmPki) -> None:
    """RSA of 2048 bits, in the same formats."""
    for ours, path in zip(new_key_pair(), ("pki/sa.key", "pki/sa.pub"), strict=True):
        theirs = (stacked.folder / path).read_bytes()
        assert ours.splitlines()[0] == theirs.splitlines()[0]
        assert abs(len(ours) - len(theirs)) < 20
    key, public = new_key_pair()
    assert public_half(key) == public


def test_an_authority_of_kubeadms_signs_as_one_of_ours(stacked: KubeadmPki) -> None:
    """Read from a node: what it signs is of it, also by the identifier of its key."""
    [leaf] = [one for one in leaves_of(STACKED, "cp1") if one.name == "apiserver"]
    text = (stacked.folder / "pki/ca.crt").read_bytes()
    authority = SigningAuthority.read(text, (stacked.folder / "pki/ca.key").read_bytes())
    certificate = x509.load_pem_x509_certificate(authority.sign(leaf, request_for(), datetime.now(UTC), YEAR))
    certificate.verify_directly_issued_by(stacked.certificate("pki/ca.crt"))
    theirs = stacked.certificate("pki/apiserver.crt")
    kind = x509.AuthorityKeyIdentifier
    ours, identifier = (one.extensions.get_extension_for_class(kind).value for one in (certificate, theirs))
    assert ours == identifier
    assert authority.certificate == text


# --- what each is good for, and where


@pytest.mark.parametrize("leaf", leaves_of(STACKED, "cp1"), ids=lambda leaf: str(leaf.name))
def test_openssl_finds_each_good_for_what_it_is_for(leaf: Leaf, tmp_path: Path) -> None:
    """And for nothing else."""
    authority, certificate = signed(leaf)
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    (tmp_path / "leaf.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    for purpose, wanted in (("sslserver", leaf.server), ("sslclient", leaf.client)):
        words: list[str | Path] = [
            "openssl",
            "verify",
            "-CAfile",
            tmp_path / "ca.crt",
            "-purpose",
            purpose,
            tmp_path / "leaf.crt",
        ]
        done = subprocess.run(words, capture_output=True, check=False)
        assert (done.returncode == 0) is wanted, done.stderr


def test_names_are_those_of_kubeadm_however_they_are_written(tmp_path: Path) -> None:
    """In capitals, with zeros before octets, as an IPv4-mapped address; the second subnet of services gives none."""
    sans = ["API.Example.org", "010.001.002.003", "::ffff:9.8.7.6", "*.wild.example"]
    configuration: dict[str, Any] = {
        "controlPlaneEndpoint": "api.example.org:6443",
        "apiServer": {"certSANs": sans},
        "networking": {"serviceSubnet": "10.96.0.0/16,fd00:10:96::/112"},
        "etcd": {"local": {"serverCertSANs": ["010.001.002.004"], "peerCertSANs": ["peer.example"]}},
    }
    made = KubeadmPki(tmp_path, address="192.0.2.11", **configuration)
    made.make_all()
    for leaf, path in (
        ("apiserver", "pki/apiserver.crt"),
        ("etcd-server", "pki/etcd/server.crt"),
        ("etcd-peer", "pki/etcd/peer.crt"),
    ):
        names = names_of(made.certificate(path).extensions)
        node = next(name.removeprefix("DNS:") for name in names if name.startswith("DNS:cp"))
        assert set(names) == names_by_kubeadm(leaf, configuration, node, "192.0.2.11")


def test_kubeadm_itself_gives_a_new_certificate_the_names_that_are_kept(tmp_path: Path) -> None:
    """Names that somebody gave it by hand, beside a new one: a renewal keeps them, and so does what we have it make."""
    by_hand: dict[str, Any] = {
        "apiServer": {"certSANs": ["by.hand", "203.0.113.9"]},
        "etcd": {"local": {"serverCertSANs": ["db.hand"]}},
    }
    before = KubeadmPki(tmp_path / "before", **by_hand)
    before.make_all()
    before.run("certs", "renew", "apiserver")
    now: dict[str, Any] = {"controlPlaneEndpoint": "api.example.org:6443", "networking": {}}
    leaves = {"apiserver": "pki/apiserver.crt", "etcd-server": "pki/etcd/server.crt"}
    has = {leaf: names_of(before.certificate(path).extensions) for leaf, path in leaves.items()}
    changes = {leaf: name_change(leaf, names, now, "cp1", "192.0.2.11") for leaf, names in has.items()}
    assert changes["apiserver"].in_words == "+DNS:api.example.org, keeps DNS:by.hand, IP:203.0.113.9"
    assert (changes["etcd-server"].in_words, changes["etcd-server"].kept) == ("", ("DNS:db.hand",))
    kept: dict[str, Any] = with_names(now, {leaf: change.kept for leaf, change in changes.items()})
    made = KubeadmPki(tmp_path / "made", **kept)
    made.run("init", "phase", "certs", "all")
    for leaf, path in leaves.items():
        wanted = {*has[leaf], *changes[leaf].added}
        assert set(names_of(made.certificate(path).extensions)) == wanted


def test_who_gets_what() -> None:
    """The super administrator is on the first control plane alone; a machine of an external etcd has its own and no more."""
    assert [leaf.name for leaf in leaves_of(STACKED, "cp1")] == [
        *("apiserver", "apiserver-kubelet-client", "front-proxy-client", "apiserver-etcd-client"),
        *("etcd-server", "etcd-peer", "etcd-healthcheck-client"),
        *("admin.conf", "super-admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf"),
    ]
    second = {leaf.name: leaf for leaf in leaves_of(STACKED, "cp2")}
    assert "super-admin.conf" not in second
    assert second["apiserver"].addresses == ("10.96.0.1", "192.0.2.12", "192.0.2.9")
    assert [leaf.name for leaf in leaves_of(EXTERNAL, "etcd1")] == [
        "etcd-server",
        "etcd-peer",
        "etcd-healthcheck-client",
    ]
    assert [leaf.name for leaf in leaves_of(EXTERNAL, "cp1") if leaf.authority == "etcd-ca"] == [
        "apiserver-etcd-client"
    ]
    assert leaves_of(EXTERNAL, "w1") == ()


def test_kubeconfigs_lead_where_kubeadms_do(stacked: KubeadmPki, external: KubeadmPki) -> None:
    """People to the endpoint, what runs on a node to its own API server."""
    for made, request in ((stacked, STACKED), (external, EXTERNAL)):
        for leaf in leaves_of(request, "cp1"):
            if leaf.asks:
                assert f"server: {leaf.asks}\n" in (made.folder / leaf.path).read_text()


def test_before_its_own_binding_the_client_of_kubelets_is_an_administrator() -> None:
    """As v1.35.4 makes it; v1.36 binds its user to what it may do on kubelets."""
    old = STACKED.model_copy(update={"version": "1.35.4"})
    [ours] = [leaf for leaf in leaves_of(old, "cp1") if leaf.name == "apiserver-kubelet-client"]
    assert ours.subject == "CN=kube-apiserver-kubelet-client,O=kubeadm:cluster-admins"


# --- how long, and for whom


def test_a_certificate_does_not_outlive_its_authority_nor_begin_before_it() -> None:
    """Whatever validity is asked for."""
    leaf = leaves_of(STACKED, "cp1")[0]
    authority = SigningAuthority.made(COMMON_NAMES.get(leaf.authority, leaf.authority), NOW, timedelta(days=30))
    own = x509.load_pem_x509_certificate(authority.certificate)
    certificate = x509.load_pem_x509_certificate(authority.sign(leaf, request_for(), NOW - YEAR, 3 * YEAR))
    assert certificate.not_valid_after_utc == own.not_valid_after_utc
    assert certificate.not_valid_before_utc == own.not_valid_before_utc


def test_of_a_request_only_the_key_is_taken() -> None:
    """Its subject may be that of an administrator: the certificate is for whom the table says."""
    leaf = leaves_of(STACKED, "cp1")[0]
    key = ec.generate_private_key(ec.SECP256R1())
    authority = SigningAuthority.made(COMMON_NAMES.get(leaf.authority, leaf.authority), NOW, YEAR)
    certificate = x509.load_pem_x509_certificate(
        authority.sign(leaf, request_for("kubernetes-super-admin", key), NOW, YEAR)
    )
    assert certificate.subject.rfc4514_string() == "CN=kube-apiserver"
    assert certificate.public_key() == key.public_key()


def test_a_request_whose_owner_has_not_the_key_is_refused() -> None:
    """And a key of a kind that kubeadm does not make."""
    leaf = leaves_of(STACKED, "cp1")[0]
    authority = SigningAuthority.made(COMMON_NAMES.get(leaf.authority, leaf.authority), NOW, YEAR)
    der = bytearray(x509.load_pem_x509_csr(request_for()).public_bytes(Encoding.DER))
    der[-5] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(Refused, match="apiserver: the request is not signed with its own key"):
        authority.sign(leaf, forged, NOW, YEAR)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    other = ed25519.Ed25519PrivateKey.generate()
    strange = x509.CertificateSigningRequestBuilder().subject_name(name).sign(other, None).public_bytes(Encoding.PEM)
    with pytest.raises(Refused, match="apiserver: its key is neither RSA nor ECDSA"):
        authority.sign(leaf, strange, NOW, YEAR)
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(Refused, match="the authority's key is neither RSA nor ECDSA"):
        SigningAuthority.read(authority.certificate, pem)


def test_the_key_of_an_authority_is_shown_nowhere() -> None:
    """It is in what is written to a machine alone."""
    authority = SigningAuthority.made("kubernetes", NOW, YEAR)
    assert repr(authority) == "<SigningAuthority CN=kubernetes>"
    key = load_pem_private_key(authority.key, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    again = SigningAuthority.read(authority.certificate, authority.key)
    assert (again.certificate, again.key) == (authority.certificate, authority.key)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"control_planes": []}, "control_planes and etcd: none"),
        ({"endpoint": ""}, "endpoint: none"),
        ({"version": "latest"}, "not a version of Kubernetes"),
        ({"control_planes": [{"name": "a", "address": "192.0.2.1"}] * 2}, "control_planes: named twice: a"),
        ({"service_subnet": "10.96.0.1/12"}, "has host bits set"),
        ({"validity": "1m"}, "greater than or equal to 1 hour"),
    ],
)
def test_what_cannot_be_asked_for(changes: dict[str, Any], told: str) -> None:
    """Each with the field."""
    with pytest.raises(ValueError, match=told):
        IssueRequest.model_validate(STACKED.model_dump() | changes)
