"""Addresses in URLs and flags."""

import pytest

from tasks.core.models.shape import Address
from tasks.core.probes.addresses import address_of_text, address_of_url, is_loopback, nearest, reached_at


@pytest.mark.parametrize(
    ("url", "host", "port", "text"),
    [
        ("https://10.0.0.5:2379", "10.0.0.5", 2379, "10.0.0.5:2379"),
        ("https://[::1]:2379", "::1", 2379, "[::1]:2379"),
        ("https://[fd00:1::5]:12379/", "fd00:1::5", 12379, "[fd00:1::5]:12379"),
        ("https://etcd-1.example.org:2379", "etcd-1.example.org", 2379, "etcd-1.example.org:2379"),
    ],
)
def test_a_url_has_a_host_and_a_port(url: str, host: str, port: int, text: str) -> None:
    """Brackets are the URL's, not the host's."""
    found = address_of_url(url)
    assert (found.host, found.port, found.text) == (host, port, text)


@pytest.mark.parametrize("url", ["", "10.0.0.5:2379", "https://10.0.0.5", "https://[::1:2379", "https://a:99999999"])
def test_what_is_no_url_is_named(url: str) -> None:
    """With the text as it was given."""
    with pytest.raises(ValueError, match="is no URL") as told:
        address_of_url(url)
    assert repr(url) in str(told.value)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("api.example.org:8443", "api.example.org", 8443),
        ("api.example.org", "api.example.org", 6443),
        ("[fd00:1::1]:6443", "fd00:1::1", 6443),
        ("fd00:1::1", "fd00:1::1", 6443),
        ("10.0.0.1", "10.0.0.1", 6443),
        ("https://api.example.org", "api.example.org", 6443),
    ],
)
def test_an_endpoint_may_have_no_scheme_and_no_port(text: str, host: str, port: int) -> None:
    """As kubeadm takes controlPlaneEndpoint."""
    assert address_of_text(text, 6443) == Address(host=host, port=port)


@pytest.mark.parametrize(
    ("bind", "reached"),
    [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.5", "10.0.0.5"), ("node-1", "node-1")],  # noqa: S104 - read, not bound to
)
def test_what_binds_to_all_addresses_is_reached_on_loopback(bind: str, reached: str) -> None:
    """Of the same family."""
    assert reached_at(bind) == reached


def test_loopback_wins_over_the_first_that_it_listens_at() -> None:
    """And one that means all addresses is reached on loopback."""
    assert nearest(["https://10.0.0.5:2379", "https://127.0.0.1:12379"]).text == "127.0.0.1:12379"
    assert nearest(["https://[fd00::5]:2379", "https://[::1]:2379"]).text == "[::1]:2379"
    assert nearest(["https://10.0.0.5:2379", "https://10.0.1.5:2379"]).text == "10.0.0.5:2379"
    assert nearest(["https://0.0.0.0:2379"]).text == "127.0.0.1:2379"
    assert is_loopback("localhost")
    with pytest.raises(ValueError, match="listens at no address"):
        nearest([])
