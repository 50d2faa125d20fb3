"""A CA in memory is as kubeadm makes it, and signs as one of kubeadm's; its key is shown nowhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificates.authority import SigningAuthority, new_key_pair, public_half
from tasks.certificates.models.kubeadm import AUTHORITIES, COMMON_NAMES
from tasks.core.errors import Refused
from tests.facts.issue import STACKED
from tests.facts.signing import NOW, YEAR, fields, request_for


def certificate_of(file: Path) -> x509.Certificate:
    """The first one."""
    return x509.load_pem_x509_certificates(file.read_bytes())[0]


@pytest.mark.parametrize("authority", AUTHORITIES)
def test_each_authority_is_what_kubeadm_makes(authority: str, kubeadms_files: Path) -> None:
    """For ten years."""
    made = SigningAuthority.made(COMMON_NAMES.get(authority, authority), NOW, 10 * YEAR)
    assert fields(x509.load_pem_x509_certificate(made.certificate)) == fields(
        certificate_of(kubeadms_files / AUTHORITIES[authority])
    )


def test_the_key_pair_of_service_accounts_is_as_kubeadms(kubeadms_files: Path) -> None:
    """RSA of 2048 bits, in the same formats."""
    for ours, path in zip(new_key_pair(), ("pki/sa.key", "pki/sa.pub"), strict=True):
        theirs = (kubeadms_files / path).read_bytes()
        assert ours.splitlines()[0] == theirs.splitlines()[0]
        assert abs(len(ours) - len(theirs)) < 20
    key, public = new_key_pair()
    assert public_half(key) == public


def test_an_authority_of_kubeadms_signs_as_one_of_ours(kubeadms_files: Path) -> None:
    """Read from a node: what it signs is of it, also by the identifier of its key."""
    [leaf] = [one for one in leaves_of(STACKED, "cp1") if one.name == "apiserver"]
    text = (kubeadms_files / "pki/ca.crt").read_bytes()
    authority = SigningAuthority.read(text, (kubeadms_files / "pki/ca.key").read_bytes())
    certificate = x509.load_pem_x509_certificate(authority.sign(leaf, request_for(), datetime.now(UTC), YEAR))
    certificate.verify_directly_issued_by(certificate_of(kubeadms_files / "pki/ca.crt"))
    theirs = certificate_of(kubeadms_files / "pki/apiserver.crt")
    kind = x509.AuthorityKeyIdentifier
    ours, identifier = (one.extensions.get_extension_for_class(kind).value for one in (certificate, theirs))
    assert ours == identifier
    assert authority.certificate == text


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
    with pytest.raises(Refused, match="the CA's key is neither RSA nor ECDSA"):
        SigningAuthority.read(authority.certificate, pem)


def test_the_key_of_an_authority_is_shown_nowhere() -> None:
    """It is in what is written to a machine alone."""
    authority = SigningAuthority.made("kubernetes", NOW, YEAR)
    assert repr(authority) == "<SigningAuthority CN=kubernetes>"
    key = load_pem_private_key(authority.key, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    again = SigningAuthority.read(authority.certificate, authority.key)
    assert (again.certificate, again.key) == (authority.certificate, authority.key)
