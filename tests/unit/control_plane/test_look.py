"""What a control plane node printed, read: recorded on a kubeadm cluster, and made odd."""

import pytest

from tasks.control_plane.models import Phase, Place
from tasks.control_plane.probes.look import endpoints_at, parse
from tasks.core.errors import Refused
from tests.facts.control_plane import CP1, DATA, MANIFEST, encoded


def with_etcd(manifest: str) -> bytes:
    """cp1 with another etcd manifest."""
    lines = [line for line in CP1.splitlines() if not line.startswith("manifest etcd ")]
    return "\n".join([f"manifest etcd active {encoded(manifest)}", *lines]).encode()


def test_a_kubeadm_control_plane_is_understood() -> None:
    """Its member, where its data is, and what runs."""
    node = parse("cp1", CP1.encode())
    assert (node.is_control_plane, node.has_etcd, node.missing, node.not_understood) == (True, True, (), "")
    assert node.running == ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    member = node.member
    assert member
    assert (member.name, member.version, member.minor, member.unit) == ("cp1", "3.6.8", "3.6", "")
    assert (str(member.data_dir), member.is_mount, member.owner) == ("/var/lib/etcd", True, "0:0")
    assert member.peer_url == "https://198.18.101.11:2380"
    assert member.peers == ("cp1",)
    assert str(member.on_node.key) == "/etc/kubernetes/pki/etcd/healthcheck-client.key"
    assert str(member.beside("x")) == "/var/lib/etcd/x"


def test_a_worker_is_nothing_of_it() -> None:
    """And nothing is wrong with that."""
    node = parse("w1", (DATA / "w1.stdout").read_bytes())
    assert (node.is_control_plane, node.has_etcd, node.not_understood) == (False, False, "")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("--data-dir=/var/lib/etcd", "--data-directory=/var/lib/etcd", "has not the flags that kubeadm gives"),
        ("- --name=cp1", "- --name=cp1\n    - --wal-dir=/wal", "has not the flags that kubeadm gives"),
        ("path: /var/lib/etcd", "path: /srv/etcd", "mounts /srv/etcd as /var/lib/etcd"),
        ("name: etcd-data\n    ", "name: another\n    ", "mounts None as /var/lib/etcd"),
    ],
)
def test_a_manifest_that_is_not_kubeadms_is_not_understood(old: str, new: str, told: str) -> None:
    """Its data may be somewhere else."""
    assert old in MANIFEST
    node = parse("cp1", with_etcd(MANIFEST.replace(old, new)))
    assert node.member is None
    assert node.has_etcd
    assert told in node.not_understood


def test_an_image_without_a_version_is_said_to_have_none() -> None:
    """A digest does not say what it is."""
    node = parse("cp1", with_etcd(MANIFEST.replace("etcd:3.6.8-0", "etcd@sha256:00")))
    assert node.member
    assert node.member.version == ""


def test_a_unit_is_read_from_its_command_and_its_environment() -> None:
    """The command wins, as in etcd itself."""
    command = "{ path=/usr/bin/etcd ; argv[]=/usr/bin/etcd --name etcd1 --client-cert-auth --data-dir /data ; }"
    urls = 'ETCD_ADVERTISE_CLIENT_URLS="https://e1:2379"\nETCD_INITIAL_ADVERTISE_PEER_URLS=https://e1:2380\n'
    files = "ETCD_TRUSTED_CA_FILE=/pki/ca\nETCD_CERT_FILE=/pki/crt\nETCD_KEY_FILE=/pki/key\nETCD_NAME=other\n"
    lines = [f"unit {encoded(command)} {encoded(urls + files)}", "version 3.6.16", "data_free 7", "work_free 9"]
    node = parse("etcd1", "\n".join(lines).encode())
    member = node.member
    assert member
    assert (member.name, member.unit, member.version, str(member.data_dir)) == (
        "etcd1",
        "etcd.service",
        "3.6.16",
        "/data",
    )
    assert (member.client_url, str(member.on_node.key), member.free_bytes) == ("https://e1:2379", "/pki/key", 7)
    assert (node.is_control_plane, node.has_etcd) == (False, True)
    plain = parse("etcd1", f"unit {encoded('etcd')} {encoded('')}".encode())
    assert "has not the flags" in plain.not_understood


def test_members_are_found_from_manifests_and_from_what_api_servers_are_told() -> None:
    """Its own where it has one; of an external etcd all, from afar, with the API server's certificate."""
    [own] = endpoints_at("cp1", CP1.encode())
    assert (own.url, own.node) == ("https://198.18.101.11:2379", "cp1")
    manifest = (DATA.parent / "kubeadm" / "kube-apiserver-external-etcd.yaml").read_text()
    afar = endpoints_at("cp1", f"manifest kube-apiserver active {encoded(manifest)}".encode())
    assert [one.url for one in afar] == ["https://198.18.0.21:2379"]
    assert afar[0].on_node
    assert afar[0].on_node.address == afar[0].on_node.server_name != "127.0.0.1"
    assert str(afar[0].on_node.key).endswith("apiserver-etcd-client.key")
    assert endpoints_at("w1", (DATA / "w1.stdout").read_bytes()) == ()


def test_traces_of_a_restore_are_read() -> None:
    """Of one that has not ended, and of those that have."""
    record = '{"id":"22222222","backup":"b","members":["cp1"]}'
    traces = f"record {encoded(record)}\nphase 33333333 serving\nphase 22222222 swapped\nended 11111111\nended 00000000\nover 4\nmissing zstd\n"
    parked = CP1.replace("manifest etcd active", "manifest etcd parked")
    node = parse("cp1", (parked + traces).encode())
    assert node.record
    assert (node.record.id, node.record.phase, node.ended) == ("22222222", Phase.SWAPPED, ("11111111", "00000000"))
    assert node.over == ("4",)
    assert (node.manifests["etcd"], node.missing) == (Place.PARKED, ("zstd",))
    begun = parse("cp1", f"record {encoded(record)}\n".encode())
    assert begun.record
    assert begun.record.phase is None


@pytest.mark.parametrize("text", ["", "{", '{"id": "22222222"}'])
def test_a_record_of_a_restore_that_cannot_be_read_is_a_sentence(text: str) -> None:
    """Cut off with the power, or of another version: with the command that helps."""
    with pytest.raises(Refused, match="cp1: /var/lib/kube-runbooks/restore/record.json cannot be read") as told:
        parse("cp1", f"record {encoded(text)}\n".encode())
    assert "`sudo mv /var/lib/kube-runbooks/restore/record.json" in told.value.hint
