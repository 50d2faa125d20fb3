"""The nine checks of a certificate request, and what a signed certificate has to be."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tasks.certificates.authority import SigningAuthority
from tasks.certificates.models.kubeadm import Leaf
from tasks.core.errors import NotYet
from tasks.user_access.models.requests import SIGNER, Certificate, Expected, SignRequest
from tasks.user_access.policy.requests import (
    CHECKS,
    is_strong,
    what_differs,
    what_forbids,
    what_is_wrong_with,
)
from tasks.user_access.probes.kubeconfig import new_request
from tasks.user_access.probes.requests import (
    APPROVED,
    DENIED,
    certificate_in,
    decided,
    is_decided,
    parse_certificate,
    parse_pem,
    parse_request,
    request_body,
)
from tests.facts.user_access import asked

LABELS = {"kube-runbooks.io/run": "r1"}
EXPECTED = Expected(user="ada", groups=("dev",), seconds=3600, public_key="k1", labels=LABELS)


def request(**fields: Any) -> SignRequest:  # noqa: ANN401 - fields of SignRequest
    """One that may be approved."""
    made = {"name": "csr-1", "labels": LABELS, "signer": SIGNER, "usages": ("client auth",), "seconds": 3600}
    return SignRequest.model_validate(made | {"asked": asked()} | fields)


def test_a_request_that_is_as_sent_may_be_approved() -> None:
    """Also with all usages that the signer knows. There are nine checks."""
    assert len(CHECKS) == 9
    assert what_forbids(request(), EXPECTED) == ()
    usages = ("key encipherment", "client auth", "digital signature")
    assert what_forbids(request(usages=usages, seconds=600), EXPECTED) == ()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"labels": {}}, "this run made it: no, another run or program made it: label kube-runbooks.io/run is"),
        ({"labels": {"kube-runbooks.io/run": "r2"}}, "this run made it: no"),
        (
            {"signer": "kubernetes.io/kubelet-serving"},
            "its signer is kubernetes.io/kubelet-serving, not kubernetes.io/",
        ),
        ({"signer": ""}, "its signer is missing"),
        ({"usages": ("client auth", "server auth")}, "it is for client auth, server auth, not for client auth alone"),
        ({"usages": ("digital signature",)}, "it is for digital signature, not"),
        ({"usages": ()}, "it is for nothing, not"),
        ({"asked": asked(common_names=("bob",))}, "CN is the user: no, its CN is bob, not ada"),
        ({"asked": asked(common_names=("ada", "bob"))}, "its CN is ada, bob, not ada"),
        ({"asked": asked(common_names=())}, "its CN is missing, not ada"),
        ({"asked": asked(organizations=("dev", "ops"))}, "its O is dev, ops, not dev"),
        ({"asked": asked(organizations=("dev", "dev"))}, "its O is dev, dev, not dev"),
        ({"asked": asked(organizations=())}, "its O is empty, not dev"),
        ({"asked": asked(organizations=("system:masters",))}, "system:masters: such names belong to Kubernetes"),
        ({"asked": asked(organizations=("kubeadm:cluster-admins",))}, "kubeadm:cluster-admins: such names belong"),
        ({"asked": asked(extensions=("2.5.29.17",))}, "it has more than CN and O: 2.5.29.17"),
        ({"asked": asked(other=("OU",))}, "it has more than CN and O: OU"),
        ({"asked": asked(problem="it is no certificate request in PEM")}, "it is no certificate request in PEM"),
        ({"asked": asked(is_signed=False)}, "it is not signed with its own key"),
        ({"asked": asked(public_key="k2")}, "its key is not the one that this run sent"),
        ({"asked": asked(key="RSA 1024")}, "its key is RSA 1024"),
        ({"asked": asked(key="")}, "its key is not known"),
        ({"seconds": None}, "it has no expirationSeconds"),
        ({"seconds": 3601}, "it asks for 3601 s, not for 600 to 3600 s"),
        ({"seconds": 599}, "it asks for 599 s"),
    ],
)
def test_a_request_that_is_different_is_not_approved(fields: dict[str, Any], told: str) -> None:
    """Each check says what it found."""
    assert any(told in problem for problem in what_forbids(request(**fields), EXPECTED))


def test_a_policy_without_groups_wants_none() -> None:
    """An empty O."""
    expected = EXPECTED.model_copy(update={"groups": ()})
    assert what_forbids(request(asked=asked(organizations=())), expected) == ()
    assert "its O is dev, not empty" in what_forbids(request(), expected)[0]


@pytest.mark.parametrize(
    ("key", "strong"), [("Ed25519", True), ("RSA 2048", True), ("RSA 2047", False), ("DSA", False), ("EC x", False)]
)
def test_weak_keys_are_known(key: str, strong: bool) -> None:  # noqa: FBT001 - of a table
    """By type and size."""
    assert is_strong(key) is strong


def test_a_request_of_the_user_is_checked_before_anything_is_sent() -> None:
    """Its key may be any strong one."""
    expected = Expected(user="ada", groups=("dev",), seconds=3600)
    assert what_is_wrong_with(asked(public_key="mine"), expected) == ()
    assert what_is_wrong_with(asked(common_names=("bob",)), expected) == ("CN is the user: no, its CN is bob, not ada",)


def test_what_is_sent_is_what_is_read_back() -> None:
    """With real keys: the body of the request, and how it is parsed."""
    _, pem = new_request("ada", ("dev",))
    expected = EXPECTED.model_copy(update={"public_key": parse_pem(pem).public_key})
    body = request_body(pem, expected, "ada")
    item = body | {"metadata": body["metadata"] | {"name": "kube-runbooks-ada-x1"}}
    found = parse_request(item)
    assert (found.name, what_forbids(found, expected)) == ("kube-runbooks-ada-x1", ())
    for wrong in ("abc", base64.b64encode(b"nothing").decode()):
        broken = parse_request(item | {"spec": body["spec"] | {"request": wrong}})
        assert broken.asked.problem == "it is no certificate request in PEM"


def test_everything_that_a_request_asks_for_is_seen() -> None:
    """Other attributes, names of hosts, and the type of the key."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - a weak one is meant
    names = [(NameOID.COMMON_NAME, "ada"), (NameOID.ORGANIZATIONAL_UNIT_NAME, "it")]
    builder = x509.CertificateSigningRequestBuilder(x509.Name([x509.NameAttribute(*one) for one in names]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("api")]), critical=False)
    found = parse_pem(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    assert (found.other, found.extensions, found.key) == (("OU",), ("2.5.29.17",), "RSA 1024")


def test_a_decision_is_added_to_the_request() -> None:
    """And seen."""
    item = {"metadata": {"name": "csr-1"}, "spec": {}}
    assert not is_decided(item)
    for kind in (APPROVED, DENIED):
        made = decided(item, kind, reason="R", message="m", now="2026-12-01T12:00:00Z")
        assert is_decided(made)
        assert made["status"]["conditions"][0]["type"] == kind
    again = decided(made, APPROVED, reason="R", message="m", now="2026-12-01T12:00:00Z")
    assert len(again["status"]["conditions"]) == 2


def test_a_certificate_is_waited_for_unless_it_never_comes() -> None:
    """A signer that failed, and somebody who denied it, say why."""
    item: dict[str, Any] = {"metadata": {"name": "csr-1"}}
    with pytest.raises(NotYet, match="csr-1 has no certificate") as error:
        certificate_in(item)
    assert "--cluster-signing-cert-file" in error.value.hint
    condition = {"type": "Failed", "reason": "SignerValidationFailure", "message": "usages"}
    with pytest.raises(NotYet, match="csr-1 is Failed: SignerValidationFailure usages"):
        certificate_in(item | {"status": {"conditions": [condition]}})
    pem = base64.b64encode(b"PEM").decode()
    approved = {"conditions": [{"type": "Approved"}], "certificate": pem}
    assert certificate_in(item | {"status": approved}) == b"PEM"


NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_a_signed_certificate_is_compared_with_the_request() -> None:
    """By a real CA, and by another one."""
    key, pem = new_request("ada", ("dev",))
    assert b"PRIVATE KEY" in key
    authority, other = (SigningAuthority.made(name, NOW, timedelta(days=9)) for name in ("ca", "other"))
    leaf = Leaf(name="x", authority="ca", common_name="ada", organizations=("dev",), path="x", client=True)
    signed = authority.sign(leaf, pem, NOW, timedelta(hours=1))
    made, until = parse_certificate(signed, authority.certificate.decode(), NOW)
    expected = EXPECTED.model_copy(update={"public_key": parse_pem(pem).public_key})
    assert what_differs(made, expected) == ()
    assert until == NOW + timedelta(hours=1)
    made, _ = parse_certificate(signed, other.certificate.decode(), NOW)
    assert what_differs(made, expected) == ("no CA of the API server's clients signed it",)
    with pytest.raises(NotYet, match="could not be parsed"):
        parse_certificate(b"nothing", "", NOW)


def test_every_difference_of_a_certificate_is_told() -> None:
    """Nothing of it is as asked for."""
    wrong = Certificate(common_names=("bob",), organizations=("ops",), seconds=7200, usages=("serverAuth",))
    assert what_differs(wrong, EXPECTED) == (
        "its key is another one",
        "its CN is bob",
        "its O is ops",
        "it is for serverAuth",
        "no CA of the API server's clients signed it",
        "it is valid for 7200 s, longer than asked",
    )
    empty = what_differs(Certificate(seconds=60), EXPECTED)
    assert {"its CN is missing", "its O is empty", "it is for anything"} <= set(empty)


def test_the_curve_of_a_new_key_is_strong() -> None:
    """P-256."""
    assert parse_pem(new_request("ada", ())[1]).key == f"EC {ec.SECP256R1.name}"
