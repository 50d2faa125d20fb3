"""Requests of kubelets for serving certificates: which are approved, and who is who."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509

from tasks.cert_rotation.models.rotation import Approved, ServingRequest
from tasks.cert_rotation.requests import NODES, REQUESTS, addresses_of, approve, pending, who_is_who
from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tests.facts.certificates import worker
from tests.facts.kube_api import Api
from tests.facts.rotation import asked

KUBECONFIG = """\
clusters: [{name: c, cluster: {server: "https://lb.invalid:6443", certificate-authority-data: "YQ=="}}]
users: [{name: u, user: {client-certificate-data: "YQ==", client-key-data: "YQ=="}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


@pytest.fixture
def api() -> Api:
    """Of a cluster that is called prod."""
    return Api()


def approved_of(api: Api, wanted: tuple[ServingRequest, ...]) -> Approved:
    """By who is who in it."""
    known = who_is_who(handle_of(api), lambda _: ())
    return approve(cast("KubeClient", api), wanted, (worker(),), known, lambda: None)


def handle_of(api: Api, kubeconfig: str | None = None) -> Cluster:
    """With one worker."""
    profile = SimpleNamespace(
        name="prod",
        nodes=[SimpleNamespace(name="w1", address="192.0.2.1")],
        kubernetes=SimpleNamespace(kubeconfig=kubeconfig),
    )
    return cast("Cluster", SimpleNamespace(kube=api, profile=profile))


def test_only_requests_that_are_wanted_are_approved_and_each_is_looked_at_again(api: Api) -> None:
    """One that is not in the plan stays; one that does not pass is told."""
    good = asked("system:node:w1", ["system:nodes"], [x509.DNSName("w1")])
    bad = asked("system:node:w1", ["system:nodes"], [x509.DNSName("kubernetes")])
    bad["metadata"]["name"] = "csr-bad"
    api.objects[REQUESTS] = [good, bad]
    api.objects[NODES] = [{"metadata": {"name": "w1"}}]
    found = pending(cast("KubeClient", api))
    assert approved_of(api, ()) == Approved()
    assert api.put == {}
    done = approved_of(api, tuple(one for one in found if one.name == "csr-abc"))
    assert done == Approved(approved=("csr-abc",))
    [(path, body)] = api.put.items()
    assert path == f"{REQUESTS}/csr-abc/approval"
    assert body["status"]["conditions"][0]["type"] == "Approved"
    every = approved_of(api, found)
    assert every.approved == ("csr-abc",)
    assert every.left["csr-bad"] == "DNS:kubernetes is the API's own name"


@pytest.mark.parametrize("changes", [{"status": {"conditions": [{"type": "Denied"}]}}, None])
def test_a_request_that_somebody_decided_about_meanwhile_is_left(api: Api, changes: dict[str, Any] | None) -> None:
    """Denied, or deleted, between the list and its turn: the API would refuse a second word, and the run would fail."""
    good = asked("system:node:w1", ["system:nodes"], [x509.DNSName("w1")])
    api.objects[REQUESTS] = [good]
    found = pending(cast("KubeClient", api))
    api.objects[REQUESTS] = [good | changes] if changes else []
    done = approved_of(api, found)
    assert done == Approved(left={"csr-abc": "somebody else has decided about it, or deleted it"})
    assert api.put == {}


def test_the_workers_own_way_to_the_api_is_nobodys_name(api: Api, tmp_path: Path) -> None:
    """The host of its kubeconfig, with the addresses that it has; a name that nobody resolves is just a name."""
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    file.chmod(0o600)
    handle = handle_of(api, f"file:{file}")
    assert set(who_is_who(handle, lambda _: ()).api_names) == {"DNS:lb.invalid"}
    found = {"lb.invalid": ("127.0.0.9",)}
    assert set(who_is_who(handle, found.__getitem__).api_names) == {"DNS:lb.invalid", "IP:127.0.0.9"}


def test_addresses_are_those_that_the_worker_finds() -> None:
    """Each once; none for a name that is none."""
    assert addresses_of("127.0.0.1") == ("127.0.0.1",)
    assert addresses_of("no host") == ()
