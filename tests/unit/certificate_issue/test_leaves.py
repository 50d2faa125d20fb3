"""What is made from nothing is what the real kubeadm makes, field by field, and openssl agrees on what it is good for."""

import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import ValidationError

from tasks.cert_rotation.policy.san_changes import name_change, names_by_kubeadm, with_names
from tasks.certificate_issue.models import IssueFacts, IssueRequest, completed
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificates.models.kubeadm import AUTHORITIES, Leaf
from tasks.certificates.probes.x509 import names_of
from tasks.core.models.shape import ClusterShape
from tests.facts.certificates import NOW
from tests.facts.issue import EXTERNAL, STACKED
from tests.facts.signing import fields, signed
from tests.servers.kubeadm_pki import KubeadmPki


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


def test_nothing_that_kubeadm_makes_is_left_out(stacked: KubeadmPki, external: KubeadmPki) -> None:
    """Every certificate and kubeconfig of a node is of an authority or of the table."""
    for made, request in ((stacked, STACKED), (external, EXTERNAL)):
        files = {
            str(file.relative_to(made.folder)) for kind in ("crt", "conf") for file in made.folder.rglob(f"*.{kind}")
        }
        ours = {leaf.path for leaf in leaves_of(request, "cp1")} | set(AUTHORITIES.values())
        etcd = {one for one in ours if one.startswith("pki/etcd/") or "etcd-client" in one} if request.etcd else set()
        assert files == ours - etcd


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


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"control_planes": []}, "control_planes and etcd are empty"),
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


@pytest.mark.parametrize(
    ("endpoint", "url", "name"),
    [
        ("[fd00:1::1]:6443", "https://[fd00:1::1]:6443", "IP:fd00:1::1"),
        ("[FD00:1::1]", "https://[fd00:1::1]:6443", "IP:fd00:1::1"),
        ("fd00:1::1", "https://[fd00:1::1]:6443", "IP:fd00:1::1"),
        ("API.example.org:8443", "https://api.example.org:8443", "DNS:api.example.org"),
        ("192.0.2.10", "https://192.0.2.10:6443", "IP:192.0.2.10"),
    ],
)
def test_an_endpoint_is_a_name_or_an_address_of_either_family(endpoint: str, url: str, name: str) -> None:
    """As `controlPlaneEndpoint` has it; kubeconfigs lead there."""
    request = IssueRequest.model_validate(STACKED.model_dump() | {"endpoint": endpoint})
    leaves = {leaf.name: leaf for leaf in leaves_of(request, "cp1")}
    assert leaves["admin.conf"].asks == url
    assert name in leaves["apiserver"].names


@pytest.mark.parametrize(
    "endpoint", ["a b", "api.example.org:0x", "[fd00::1", "user@api:1", "api/x", "api:70000", "a_b"]
)
def test_what_is_no_endpoint_is_refused_in_the_form(endpoint: str) -> None:
    """With its own words."""
    with pytest.raises(ValidationError, match="endpoint"):
        IssueRequest.model_validate(STACKED.model_dump() | {"endpoint": endpoint})


def facts_of(shape: ClusterShape | None, **changes: Any) -> IssueFacts:  # noqa: ANN401 - fields of it
    """Of machines with nothing."""
    return IssueFacts(observed_at=NOW, folder=PurePosixPath("/etc/kubernetes"), machines=(), shape=shape, **changes)


OF_CLUSTER = ClusterShape(dns_domain="k8s.example", service_subnets=("fd00:10::/112", "10.97.0.0/16"))


def test_names_are_the_clusters_own_where_there_is_one() -> None:
    """What the request says goes before; without an API the defaults are kubeadm's, and the profile has the port."""
    own = completed(STACKED, facts_of(OF_CLUSTER, port=8443))
    assert (own.service_subnet, own.dns_domain, own.port) == ("fd00:10::/112,10.97.0.0/16", "k8s.example", 8443)
    [server] = [leaf for leaf in leaves_of(own, "cp1") if leaf.name == "apiserver"]
    assert {"IP:fd00:10::1", "DNS:kubernetes.default.svc.k8s.example"} <= set(server.names)
    assert "IP:10.97.0.1" not in server.names  # the Service has an address of the first family
    asked = STACKED.model_copy(update={"service_subnet": "10.1.0.0/16", "dns_domain": "a.b", "port": 1234})
    assert completed(asked, facts_of(OF_CLUSTER)) == asked
    alone = completed(STACKED, facts_of(None))
    assert (alone.service_subnet, alone.dns_domain, alone.port) == ("10.96.0.0/12", "cluster.local", 6443)
