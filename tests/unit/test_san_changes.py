"""Names that kubeadm would give a certificate now, compared with what kubeadm v1.37.2 did give it."""

from typing import Any

import pytest

from tasks.policy.san_changes import name_change, names_by_kubeadm
from tests.unit.test_certificate_probes import recorded

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
    assert moved.in_words == "+DNS:api -IP:10.4.100.1"


def test_names_that_somebody_gave_it_by_hand_are_no_reason_to_make_it_anew() -> None:
    """A renewal keeps them; who uses them would be locked out."""
    one = recorded("look").named("apiserver")
    assert one
    change = name_change("apiserver", (*one.names, "DNS:by.hand"), CONFIGURATION, "cp1", "10.4.100.11")
    assert change.gone == ("DNS:by.hand",)
    assert change.in_words == ""


@pytest.mark.parametrize(
    ("configuration", "name"),
    [
        ({"controlPlaneEndpoint": "[fd00::1]:6443"}, "IP:fd00::1"),
        ({"controlPlaneEndpoint": "fd00::1"}, "IP:fd00::1"),
        ({"controlPlaneEndpoint": "api"}, "DNS:api"),
        ({"networking": {"dnsDomain": "site.local"}}, "DNS:kubernetes.default.svc.site.local"),
        ({"networking": {"serviceSubnet": "10.7.0.0/16,fd01::/108"}}, "IP:fd01::1"),
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
