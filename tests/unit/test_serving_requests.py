"""Nine checks before a kubelet's request for a serving certificate is approved: each alone is enough to leave it."""

import base64
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tasks.models.certificates import NodeCertificates
from tasks.models.rotation import ServingRequest
from tasks.policy.serving_requests import what_forbids_approval
from tasks.probes.serving_requests import approved, parse_request, parse_requests

NODES = (
    NodeCertificates(name="w1", hostname="w1", addresses=("10.0.1.1", "fd00::1")),
    NodeCertificates(name="w2", unreached="no route"),
)
GOOD = ServingRequest(
    name="csr-abc",
    signer="kubernetes.io/kubelet-serving",
    username="system:node:w1",
    groups=("system:nodes", "system:authenticated"),
    usages=("digital signature", "server auth"),
    common_name="system:node:w1",
    organizations=("system:nodes",),
    names=("DNS:w1", "IP:10.0.1.1"),
)


def test_a_kubelets_own_request_is_approved() -> None:
    """With any of its own addresses."""
    assert what_forbids_approval(GOOD, NODES) == ()
    assert what_forbids_approval(GOOD.model_copy(update={"names": ("IP:fd00::1",)}), NODES) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signer": "kubernetes.io/kube-apiserver-client"}, "its signer is kubernetes.io/kube-apiserver-client"),
        ({"username": "system:node:w9"}, "it comes from system:node:w9, which is no node of the profile"),
        ({"username": "kubernetes-admin"}, "it comes from kubernetes-admin, which is no node"),
        ({"groups": ("system:authenticated",)}, "who asks is not in the group system:nodes"),
        ({"usages": ("server auth", "client auth")}, "it is for client auth, server auth"),
        ({"usages": ("digital signature",)}, "it is for digital signature"),
        ({"usages": ()}, "it is for nothing"),
        ({"common_name": "system:node:w2"}, "its CN is system:node:w2, not system:node:w1"),
        ({"organizations": ("system:masters",)}, "its O is system:masters, not system:nodes"),
        ({"organizations": ("system:nodes", "system:masters")}, "its O is system:nodes, system:masters"),
        ({"organizations": ()}, "its O is empty"),
        ({"names": ()}, "it names no host"),
        ({"names": ("DNS:w1", "URI:spiffe://x")}, "it names what is no host: URI"),
        ({"names": ("email:a@b",)}, "it names what is no host: email"),
        ({"names": ("DNS:w1", "IP:10.0.1.2")}, "not a name or an address of w1: IP:10.0.1.2"),
        ({"names": ("DNS:kubernetes",)}, "not a name or an address of w1: DNS:kubernetes"),
        ({"username": "system:node:w2", "common_name": "system:node:w2"}, "what w2 is called is not known: no route"),
        ({"problem": "it is not signed by its own key"}, "it is not signed by its own key"),
    ],
)
def test_one_thing_that_is_wrong_is_enough(changes: dict[str, Any], said: str) -> None:
    """And it is named."""
    problems = what_forbids_approval(GOOD.model_copy(update=changes), NODES)
    assert any(problem.startswith(said) for problem in problems), problems


def test_the_api_is_read_as_it_is() -> None:
    """Only what nobody has decided about, only for kubelets' serving; what is asked for is in the request itself."""
    item = asked("system:node:w1", ["system:nodes"], [x509.DNSName("w1"), x509.IPAddress(ip_address("10.0.1.1"))])
    done = item | {"status": {"conditions": [{"type": "Approved"}]}}
    client = item | {"spec": item["spec"] | {"signerName": "kubernetes.io/kube-apiserver-client"}}
    [found] = parse_requests([item, done, client])
    assert found == GOOD
    assert approved(item, now="2026-11-25T12:00:00Z", reason="it is its own")["status"]["conditions"] == [
        {
            "type": "Approved",
            "status": "True",
            "reason": "KubeRunbooksApproved",
            "message": "it is its own",
            "lastUpdateTime": "2026-11-25T12:00:00Z",
        }
    ]


def test_two_common_names_are_none() -> None:
    """The API server's signer looks at one of them, a reader at the other."""
    subject = [(x509.NameOID.COMMON_NAME, "system:node:w1"), (x509.NameOID.COMMON_NAME, "system:node:w2")]
    found = parse_request(asked("", [], [x509.DNSName("w1")], subject=subject))
    assert found.common_name == ""
    assert found.organizations == ()


def test_what_is_no_request_or_not_signed_by_its_key_is_told() -> None:
    """Damaged, or made of two."""
    item = asked("system:node:w1", ["system:nodes"], [x509.DNSName("w1")])
    nonsense = item | {"spec": item["spec"] | {"request": base64.b64encode(b"nonsense").decode()}}
    assert parse_request(nonsense).problem == "what it asks for is no request in PEM"
    without = item | {"spec": {name: part for name, part in item["spec"].items() if name != "request"}}
    assert parse_request(without).problem == "what it asks for is no request in PEM"
    pem = base64.b64decode(item["spec"]["request"])
    der = bytearray(x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER))
    der[-1] ^= 1
    text = (
        b"-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.encodebytes(bytes(der))
        + b"-----END CERTIFICATE REQUEST-----\n"
    )
    forged = item | {"spec": item["spec"] | {"request": base64.b64encode(text).decode()}}
    assert parse_request(forged).problem == "it is not signed by its own key"


def asked(
    common: str,
    organizations: list[str],
    names: list[x509.GeneralName],
    *,
    subject: list[tuple[Any, str]] | None = None,
) -> dict[str, Any]:
    """A CertificateSigningRequest as the API has it."""
    parts = subject or [
        *((x509.NameOID.ORGANIZATION_NAME, one) for one in organizations),
        (x509.NameOID.COMMON_NAME, common),
    ]
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
    builder = x509.CertificateSigningRequestBuilder(name).add_extension(
        x509.SubjectAlternativeName(names), critical=False
    )
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return {
        "metadata": {"name": "csr-abc", "creationTimestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"},
        "spec": {
            "signerName": "kubernetes.io/kubelet-serving",
            "username": "system:node:w1",
            "groups": ["system:nodes", "system:authenticated"],
            "usages": ["digital signature", "server auth"],
            "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
        },
    }
