"""What nodes print of their certificates, recorded: files by kubeadm v1.37.2, ports by openssl s_server under the programs' names."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.probes.certificates import parse
from tests.facts.certificates import PLACES, RECORDED, recorded

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)


def of(node: NodeCertificates, name: str) -> Certificate:
    """One that has to be there."""
    found = node.named(name)
    assert found, name
    return found


def test_everything_that_kubeadm_made_is_there_and_matches() -> None:
    """All leaves with their keys, signed by the authority on the same disk."""
    node = recorded("look")
    for name in LEAVES:
        one = of(node, name)
        assert (one.pair, one.signed, one.problem) == (True, True, ""), name
        assert one.days_left == 9
    server = of(node, "etcd-server")
    assert server.subject == "CN=cp1"
    assert server.issuer == "CN=etcd-ca"
    assert server.key_type == "RSA 2048"
    assert server.names == ("DNS:cp1", "DNS:localhost", "IP:10.4.100.11", "IP:127.0.0.1", "IP:::1")
    assert server.authority == "/etc/kubernetes/pki/etcd/ca.crt"
    assert of(node, "kubelet-client").subject == "CN=system:node:cp1,O=system:nodes"
    assert (node.hostname, node.addresses) == ("cp1", ("10.4.100.11",))
    assert node.kubelet.asks_for_serving
    assert node.external == ()
    assert node.is_control_plane
    assert node.advertises == "10.4.100.11"


def test_it_says_what_kubeadm_says() -> None:
    """`kubeadm certs check-expiration` of the same folder: the same names, the same ends. Renewed in between were two."""
    told = json.loads((RECORDED / "check-expiration.json").read_text())
    node = recorded("look-renewed-not-restarted")
    for one in (*told["certificates"], *told["certificateAuthorities"]):
        found = of(node, one["name"])
        assert found.not_after == datetime.fromisoformat(one["expirationDate"]), one["name"]


def test_what_is_served_and_since_when_it_runs() -> None:
    """Each port with the file it was told to serve; what makes its own in memory has none."""
    node = recorded("look")
    by_port = {served.port: served for served in node.served}
    assert sorted(by_port) == [2379, 2380, 6443, 10250, 10257, 10259]
    for port, name in ((6443, "apiserver"), (2379, "etcd-server"), (2380, "etcd-peer")):
        served = by_port[port].certificate
        assert served
        assert served.fingerprint == of(node, name).fingerprint
        assert by_port[port].path == of(node, name).path
    assert by_port[10250].path == "/var/lib/kubelet/pki/kubelet.crt"
    for port in (10257, 10259):
        served = by_port[port].certificate
        assert served
        assert served.self_signed
        assert by_port[port].path == ""
    process = by_port[6443].process
    assert process
    assert node.observed_at
    assert timedelta() < node.observed_at - process.started_at < timedelta(minutes=1)
    assert process.container.startswith("9a1c2d3e")


def test_renewed_and_not_restarted_is_seen_on_the_wire() -> None:
    """kubeadm renewed the API server's certificate while it ran."""
    node = recorded("look-renewed-not-restarted")
    served = next(one for one in node.served if one.port == 6443)
    one = of(node, "apiserver")
    assert served.certificate
    assert served.certificate.fingerprint != one.fingerprint
    assert served.process
    assert one.written_at
    assert one.written_at > served.process.started_at


def test_kubeconfigs_copies_and_who_signs_tokens() -> None:
    """A copy with its owner and mode; one that is not there; the kubelet's, whose certificate is in another file."""
    node = recorded("look")
    by_path = {one.path: one for one in node.kubeconfigs}
    copy = by_path["/etc/kubernetes/copies/config"]
    assert (copy.copy_of, copy.mode, copy.owner, copy.missing) == ("admin.conf", "600", "1000:1000", False)
    assert by_path["/etc/kubernetes/copies/none"].missing
    kubelet = by_path["/etc/kubernetes/kubelet.conf"]
    assert kubelet.names_file == "/var/lib/kubelet/pki/kubelet-client-current.pem"
    assert kubelet.server == "https://10.4.100.11:6443"
    assert len({key.public_key for key in node.public_keys}) == 1
    assert [key.private for key in node.public_keys] == [False, True]
    trusted = [one for one in node.certificates if one.kind is Kind.TRUST]
    assert {one.fingerprint for one in trusted} == {of(node, "ca").fingerprint}


def test_a_worker_has_its_kubelets_and_the_clusters_authority() -> None:
    """And signs nothing, so a key that is not there is none that is missing."""
    node = recorded("look-worker")
    assert not node.is_control_plane
    assert node.external == ()
    assert [served.port for served in node.served] == [10250]
    assert of(node, "kubelet-client").signed


def test_a_kubelet_that_makes_its_own_authority_has_signed_for_itself() -> None:
    """As kubelet v1.36.3 wrote it: the authority is behind its certificate, in the same file; nobody has the key of it."""
    text = (RECORDED / "look-worker.txt").read_text()
    own = base64.b64encode((RECORDED / "kubelet-own.crt").read_bytes()).decode()
    path = "/var/lib/kubelet/pki/kubelet.crt"
    text = re.sub(rf"(certificate {path} \S+ \S+ \S+ \S+) .*", rf"\1 {own}", text)
    node = parse("w1", text.encode(), PLACES, now=NOW)
    leaf, authority = [one for one in node.certificates if one.path == path]
    assert leaf.subject.startswith("CN=w1@")
    assert (leaf.self_signed, leaf.signed, authority.self_signed) == (True, None, True)


def test_external_authorities_wrong_keys_damaged_and_expired_files_are_told() -> None:
    """Without the keys of two authorities, and with files that do not belong together."""
    node = recorded("look-external-broken")
    assert node.external == ("/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki/etcd/ca.crt")
    assert of(node, "apiserver-kubelet-client").pair is False
    assert of(node, "front-proxy-client").problem == "there is no certificate in it"
    assert of(node, "etcd-healthcheck-client").signed is False
    assert (of(node, "etcd-peer").days_left or 0) < 0
    assert of(node, "ca").pair is None


@pytest.mark.parametrize("name", ["look", "look-renewed-not-restarted", "look-worker", "look-external-broken"])
def test_no_key_is_in_what_nodes_print(name: str) -> None:
    """Not as text, and not within what is encoded."""
    text = (RECORDED / f"{name}.txt").read_bytes()
    assert b"PRIVATE" not in text
    for word in text.split():
        if len(word) > 60 and b"=" not in word[:-2]:
            decoded = base64.b64decode(word, validate=False) if len(word) % 4 == 0 else b""
            assert b"PRIVATE KEY" not in decoded
            assert not re.search(rb"client-key-data: [^x]", decoded)
