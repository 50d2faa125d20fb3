"""Checks before a kubelet's request for a serving certificate is approved: each alone is enough to leave it."""

import base64
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tasks.cert_rotation.models.serving import Identities, NodeIdentity
from tasks.cert_rotation.policy.serving_requests import what_forbids_approval
from tasks.cert_rotation.probes.serving_requests import (
    approved,
    endpoints_of,
    parse_identities,
    parse_request,
    parse_requests,
)
from tasks.core.models.names import normal
from tests.facts.rotation import GOOD, KNOWN, NODES, asked


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"names": ("IP:fd00::1",)},
        {"names": ("IP:::ffff:10.0.1.1", "DNS:W1")},
        {"usages": ("key encipherment", "server auth", "digital signature")},
        {"key": "RSA 4096"},
    ],
)
def test_a_kubelets_own_request_is_approved(changes: dict[str, Any]) -> None:
    """With any of its own addresses, and with what its signer accepts."""
    assert what_forbids_approval(GOOD.model_copy(update=changes), NODES, KNOWN) == ()


def told_of(name: str, said: dict[str, Any] | None = None, **of_node: Any) -> str:  # noqa: ANN401 - fields
    """What forbids w1 to serve as `name`, where its kubelet and its machine say that it is theirs."""
    own = {"hostname": name.partition(":")[2]} if name.startswith("DNS:") else {"addresses": (name.partition(":")[2],)}
    machines = (NODES[0].model_copy(update=own), *NODES[1:])
    first = KNOWN.nodes[0].model_copy(update={"reported": (*KNOWN.nodes[0].reported, normal(name)), **of_node})
    known = KNOWN.model_copy(update={"nodes": (first, *KNOWN.nodes[1:]), **(said or {})})
    return "; ".join(what_forbids_approval(GOOD.model_copy(update={"names": (name,)}), machines, known))


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("DNS:kubernetes", "DNS:kubernetes is the API's own name"),
        ("DNS:KUBERNETES", "DNS:kubernetes is the API's own name"),
        ("DNS:vault.corp.example", "not a name or an address of w1: DNS:vault.corp.example"),
        ("DNS:w2", "DNS:w2 is a name or an address of w2"),
        ("DNS:w3.lan", "DNS:w3.lan is a name or an address of w3"),
        ("DNS:w2.example.org", "DNS:w2.example.org is a name or an address of w2"),
        ("IP:10.0.1.2", "IP:10.0.1.2 is a name or an address of w2"),
        ("IP:10.0.0.1", "IP:10.0.0.1 is a name or an address of cp1"),
        ("IP:172.17.0.1", "IP:172.17.0.1 is a name or an address of w3"),
        ("IP:10.0.9.9", "IP:10.0.9.9 is of the Service web/shop"),
        ("IP:10.0.0.100", "IP:10.0.0.100 is a name of the API's certificate"),
        ("IP:10.96.0.1", "IP:10.96.0.1 is in the network of Services"),
        ("IP:::ffff:10.96.0.1", "IP:10.96.0.1 is in the network of Services"),
        ("IP:fd00:96::1", "IP:fd00:96::1 is in the network of Services"),
        ("IP:10.244.2.1", "IP:10.244.2.1 is in the pod network of w2"),
        ("IP:127.0.0.1", "IP:127.0.0.1 is an address that every node has"),
        ("IP:169.254.1.1", "IP:169.254.1.1 is an address that every node has"),
    ],
)
def test_what_a_compromised_node_says_of_itself_is_not_enough(name: str, whose: str) -> None:
    """Its kubelet has written it to its Node, and its machine says it over SSH."""
    assert told_of(name) == whose


def test_what_a_node_may_report() -> None:
    """Its name with a domain, an address that is nobody else's, and one of its own pod network."""
    assert told_of("DNS:w1.example.org") == ""
    assert told_of("IP:10.0.1.77") == ""
    assert told_of("IP:10.244.1.1") == ""


def test_a_control_plane_node_may_have_a_name_of_the_api_as_its_own() -> None:
    """By a label that it cannot give itself; the endpoint only where the profile says that this is the node's own address."""
    assert told_of("IP:10.0.0.100", control_plane=True) == ""
    endpoint = {"reserved": {"IP:10.0.1.1": "the control plane endpoint"}}
    assert told_of("IP:10.0.1.1", endpoint) == ""
    assert (
        told_of("IP:10.0.1.1", endpoint, address="", control_plane=True) == "IP:10.0.1.1 is the control plane endpoint"
    )


def test_an_address_has_to_be_reported_and_there() -> None:
    """A stolen client certificate alone can report one; a machine alone, too."""
    only_reported = KNOWN.nodes[0].model_copy(update={"reported": ("IP:10.0.1.50",)})
    known = KNOWN.model_copy(update={"nodes": (only_reported, *KNOWN.nodes[1:])})
    asks = GOOD.model_copy(update={"names": ("IP:10.0.1.50",)})
    assert what_forbids_approval(asks, NODES, known) == ("not a name or an address of w1: IP:10.0.1.50",)
    asks = GOOD.model_copy(update={"names": ("IP:fd00::1",)})
    assert what_forbids_approval(asks, NODES, known) == ("not a name or an address of w1: IP:fd00::1",)


def test_a_node_that_the_api_does_not_know_serves_as_nothing() -> None:
    """Deleted, or not joined yet; nor without having asked the API at all."""
    gone = KNOWN.model_copy(update={"nodes": (KNOWN.nodes[0].model_copy(update={"known": False}),)})
    assert what_forbids_approval(GOOD, NODES, gone) == ("the API has no Node w1",)
    assert what_forbids_approval(GOOD, NODES, Identities()) == ("the API has no Node w1",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signer": "kubernetes.io/kube-apiserver-client"}, "its signer is kubernetes.io/kube-apiserver-client"),
        ({"username": "system:node:w9"}, "it comes from system:node:w9, which is no node of the profile"),
        ({"username": "kubernetes-admin"}, "it comes from kubernetes-admin, which is no node"),
        ({"groups": ("system:authenticated",)}, "who asks is not in the group system:nodes"),
        ({"usages": ("server auth", "client auth")}, "it is for client auth, server auth"),
        ({"usages": ("digital signature",)}, "it is for digital signature"),
        ({"usages": ("server auth",)}, "it is for server auth"),
        ({"usages": ("key encipherment", "server auth")}, "it is for key encipherment, server auth"),
        ({"usages": ("data encipherment", "digital signature", "server auth")}, "it is for data encipherment"),
        ({"key": "RSA 1024"}, "its key is RSA 1024"),
        ({"key": "DSA"}, "its key is DSA"),
        ({"key": ""}, "its key is not known"),
        ({"usages": ()}, "it is for nothing"),
        ({"common_name": "system:node:w2"}, "its CN is system:node:w2, not system:node:w1"),
        ({"organizations": ("system:masters",)}, "its O is system:masters, not system:nodes"),
        ({"organizations": ("system:nodes", "system:masters")}, "its O is system:nodes, system:masters"),
        ({"organizations": ()}, "its O is empty"),
        ({"names": ()}, "it names no host"),
        ({"names": ("DNS:w1", "URI:spiffe://x")}, "it names what is no host: URI"),
        ({"names": ("email:a@b",)}, "it names what is no host: email"),
        ({"names": ("DNS:w1", "IP:10.0.1.2")}, "IP:10.0.1.2 is a name or an address of w2"),
        ({"names": ("DNS:kubernetes",)}, "DNS:kubernetes is the API's own name"),
        ({"username": "system:node:w2", "common_name": "system:node:w2"}, "what w2 is called is not known: no route"),
        ({"problem": "it is not signed by its own key"}, "it is not signed by its own key"),
    ],
)
def test_one_thing_that_is_wrong_is_enough(changes: dict[str, Any], said: str) -> None:
    """And it is named."""
    problems = what_forbids_approval(GOOD.model_copy(update=changes), NODES, KNOWN)
    assert any(problem.startswith(said) for problem in problems), problems


def test_the_api_is_read_as_it_is() -> None:
    """Only what nobody has decided about, only for kubelets' serving; what is asked for is in the request itself."""
    item = asked("system:node:w1", ["system:nodes"], [x509.DNSName("w1"), x509.IPAddress(ip_address("10.0.1.1"))])
    done = item | {"status": {"conditions": [{"type": "Approved"}]}}
    signed = item | {"status": {"certificate": "PEM"}}
    client = item | {"spec": item["spec"] | {"signerName": "kubernetes.io/kube-apiserver-client"}}
    [found] = parse_requests([item, done, signed, client])
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


def test_a_subject_with_more_than_a_kubelets_is_told() -> None:
    """Nobody knows what a reader makes of it."""
    subject = [(x509.NameOID.COMMON_NAME, "system:node:w1"), (x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "x")]
    found = parse_request(asked("", [], [x509.DNSName("w1")], subject=subject))
    assert found.problem == "its subject has more than CN and O: OU"


def test_who_is_who_comes_from_the_api_and_the_profile() -> None:
    """Services with all that leads to them, networks, the endpoint; an address that several machines share is none's."""
    machines = {"cp1": "10.0.0.1", "w1": "gateway", "w2": "gateway"}
    node = {
        "metadata": {"name": "cp1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"podCIDRs": ["10.244.0.0/24"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "010.0.0.001"}, {"type": "Hostname", "address": "CP1"}]
        },
    }
    stranger = {"metadata": {"name": "x"}, "status": {"addresses": [{"address": "10.0.0.9"}]}}
    service = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "fd00:96::7"], "externalIPs": ["192.0.2.7"]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.8"}, {"hostname": "lb.example.org"}]}},
    }
    headless = {
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"clusterIP": "None", "externalName": "db.example"},
    }
    configuration = {
        "controlPlaneEndpoint": "api.example.org:6443",
        "networking": {"serviceSubnet": "10.96.0.0/12, fd00:96::/112", "dnsDomain": "site"},
        "apiServer": {"certSANs": ["203.0.113.1"]},
    }
    hosts = endpoints_of(configuration, "https://lb.internal:6443")
    assert hosts == ("api.example.org", "lb.internal")
    assert endpoints_of({}, "") == ()
    six = endpoints_of({"controlPlaneEndpoint": "[fd00:1::1]:6443"}, "https://[fd00:1::2]:6443/path")
    assert six == ("fd00:1::1", "fd00:1::2")
    endpoints = {"api.example.org": ["10.0.0.100"], "lb.internal": []}
    found = parse_identities(machines, [node, stranger], [service, headless], configuration, endpoints)
    assert found.node("cp1") == NodeIdentity(
        name="cp1", address="10.0.0.1", known=True, control_plane=True, reported=("IP:10.0.0.1", "DNS:cp1")
    )
    assert found.node("w1") == NodeIdentity(name="w1")
    assert found.node("x") == NodeIdentity(name="x", known=True, reported=("IP:10.0.0.9",))
    assert set(found.reserved) == {
        *("DNS:kubernetes", "DNS:kubernetes.default", "DNS:localhost", "DNS:api.example.org"),
        *("DNS:web.shop", "DNS:web.shop.svc", "DNS:web.shop.svc.site", "IP:10.96.7.7", "IP:fd00:96::7"),
        *("IP:192.0.2.7", "IP:192.0.2.8", "DNS:lb.example.org"),
        *("DNS:db.shop", "DNS:db.shop.svc", "DNS:db.shop.svc.site", "DNS:db.example"),
    }
    assert set(found.api_names) == {"IP:203.0.113.1", "DNS:api.example.org", "IP:10.0.0.100", "DNS:lb.internal"}
    assert (found.services, found.pods) == (("10.96.0.0/12", "fd00:96::/112"), {"10.244.0.0/24": "cp1"})
    assert parse_identities({"w1": "w1"}, [], [], {}, {}).services == ()


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
