"""Names that kubeadm would give a certificate now, compared with what kubeadm v1.37.2 did give it."""

from typing import Any

import pytest

from tasks.cert_rotation.policy.san_changes import NameChange, name_change, names_by_kubeadm, with_names
from tests.facts.certificates import recorded

CONFIGURATION: dict[str, Any] = {"controlPlaneEndpoint": "10.4.100.1:6443", "etcd": {"local": {}}}


@pytest.mark.parametrize("leaf", ["apiserver", "etcd-server", "etcd-peer"])
def test_nothing_changes_where_the_configuration_is_that_of_now(leaf: str) -> None:
    """kubeadm made these by this very configuration."""
    one = recorded("look").named(leaf)
    assert one
    assert name_change(leaf, one.names, CONFIGURATION, "cp1", "10.4.100.11").in_words == ""


def test_a_new_load_balancer_and_an_extra_name_are_shown_as_a_difference() -> None:
    """What comes, and what goes."""
    one = recorded("look").named("apiserver")
    assert one
    new = {"controlPlaneEndpoint": "api.example:6443", "apiServer": {"certSANs": ["10.9.9.9", "10.4.100.1"]}}
    assert name_change("apiserver", one.names, new, "cp1", "10.4.100.11").in_words == "+DNS:api.example +IP:10.9.9.9"
    moved = name_change("apiserver", one.names, {"controlPlaneEndpoint": "api:6443"}, "cp1", "10.4.100.11")
    assert moved.in_words == "+DNS:api, keeps IP:10.4.100.1"


def test_names_that_somebody_gave_it_by_hand_are_no_reason_to_make_it_anew() -> None:
    """A renewal keeps them; who uses them would be locked out."""
    one = recorded("look").named("apiserver")
    assert one
    change = name_change("apiserver", (*one.names, "DNS:by.hand"), CONFIGURATION, "cp1", "10.4.100.11")
    assert change.kept == ("DNS:by.hand",)
    assert change.in_words == ""


def test_a_certificate_of_two_families_of_addresses_is_as_kubeadm_makes_it() -> None:
    """kubeadm gives it the first address of the first subnet of services, and no address of the second."""
    subnets = "10.7.0.0/16, fd01::/108"
    configuration = {"networking": {"serviceSubnet": subnets}}
    names = names_by_kubeadm("apiserver", configuration, "cp1", "10.0.0.1")
    assert sorted(name for name in names if name.startswith("IP:")) == ["IP:10.0.0.1", "IP:10.7.0.1"]
    assert name_change("apiserver", tuple(names), configuration, "cp1", "10.0.0.1") == NameChange()


@pytest.mark.parametrize(
    ("written", "has"),
    [
        ("API.example.org", "DNS:api.example.org"),
        ("api.example.org", "DNS:API.example.org"),
        ("010.001.002.003", "IP:10.1.2.3"),
        ("::ffff:9.8.7.6", "IP:9.8.7.6"),
        ("9.8.7.6", "IP:::ffff:9.8.7.6"),
        ("::ffff:010.8.7.6", "IP:10.8.7.6"),
        ("FD00:0::1", "IP:fd00::1"),
        ("*.example.org", "DNS:*.example.org"),
        ("api.example.org.", "DNS:api.example.org"),
    ],
)
@pytest.mark.parametrize("leaf", ["apiserver", "etcd-server", "etcd-peer"])
def test_the_same_name_in_other_words_is_the_same(leaf: str, written: str, has: str) -> None:
    """As kubeadm reads it and Go writes it: else the certificate would be made anew in each run, for ever."""
    etcd = {"serverCertSANs": [written], "peerCertSANs": [written]}
    configuration = {"apiServer": {"certSANs": [written]}, "etcd": {"local": etcd}}
    own = names_by_kubeadm(leaf, {"networking": {}, "x": 1}, "cp1", "10.0.0.1")
    assert name_change(leaf, (*own, has), configuration, "cp1", "10.0.0.1") == NameChange()


@pytest.mark.parametrize("name", ["api_1.example", "-x", "a" * 254, "fe80::1%eth0"])
def test_what_kubeadm_leaves_out_is_no_reason_for_another_certificate(name: str) -> None:
    """kubeadm warns of it and goes on without it."""
    own = names_by_kubeadm("apiserver", CONFIGURATION, "cp1", "10.0.0.1")
    change = name_change(
        "apiserver", tuple(own), CONFIGURATION | {"apiServer": {"certSANs": [name]}}, "cp1", "10.0.0.1"
    )
    assert (change.added, change.is_due) == ((), False)
    assert change.impossible == (f"DNS:{name}",)


def test_a_certificate_that_has_what_kubeadm_cannot_make_stays() -> None:
    """A new one would be without it."""
    one = recorded("look").named("apiserver")
    assert one
    new = CONFIGURATION | {"apiServer": {"certSANs": ["api.example"]}}
    change = name_change("apiserver", (*one.names, "URI:spiffe://site/api"), new, "cp1", "10.4.100.11")
    assert (change.added, change.lost, change.in_words) == (("DNS:api.example",), ("URI:spiffe://site/api",), "")


def test_names_that_are_kept_are_put_into_the_configuration() -> None:
    """Each for its own leaf; with an external etcd there is none of its leaves."""
    configuration = {"apiServer": {"certSANs": ["API.example"]}, "etcd": {"local": {"peerCertSANs": ["p"]}}}
    kept = {"apiserver": ("DNS:by.hand", "IP:9.9.9.9"), "etcd-server": ("DNS:s",), "etcd-peer": ("DNS:x_y",)}
    assert with_names(configuration, kept) == {
        "apiServer": {"certSANs": ["api.example", "by.hand", "9.9.9.9"]},
        "etcd": {"local": {"serverCertSANs": ["s"], "peerCertSANs": ["p"]}},
    }
    external: dict[str, Any] = {"etcd": {"external": {"endpoints": []}}}
    assert with_names(external, {"etcd-server": ("DNS:s",)}) == external
    assert with_names({}, {}) == {}


@pytest.mark.parametrize(
    ("configuration", "name"),
    [
        ({"controlPlaneEndpoint": "[fd00::1]:6443"}, "IP:fd00::1"),
        ({"controlPlaneEndpoint": "fd00::1"}, "IP:fd00::1"),
        ({"controlPlaneEndpoint": "api"}, "DNS:api"),
        ({"networking": {"dnsDomain": "site.local"}}, "DNS:kubernetes.default.svc.site.local"),
        ({"networking": {"serviceSubnet": "fd01::/108,10.7.0.0/16"}}, "IP:fd01::1"),
        ({"networking": {"serviceSubnet": "10.7.0.0/16,fd01::/108"}}, "IP:10.7.0.1"),
    ],
)
def test_names_of_the_api_server(configuration: dict[str, Any], name: str) -> None:
    """As kubeadm has them from its configuration."""
    assert name in names_by_kubeadm("apiserver", configuration, "cp1", "10.0.0.1")


def test_etcds_own_names_and_what_has_none() -> None:
    """Of its servers and of its peers; clients have no names, and without a configuration nothing is known."""
    configuration = {"etcd": {"local": {"serverCertSANs": ["etcd.example"], "peerCertSANs": ["peer.example"]}}}
    assert "DNS:etcd.example" in names_by_kubeadm("etcd-server", configuration, "cp1", "10.0.0.1")
    assert "DNS:peer.example" in names_by_kubeadm("etcd-peer", configuration, "cp1", "10.0.0.1")
    assert name_change("front-proxy-client", (), configuration, "cp1", "10.0.0.1").in_words == ""
    assert name_change("apiserver", (), {}, "cp1", "10.0.0.1").in_words == ""
    assert name_change("apiserver", (), configuration, "cp1", "").in_words == ""
