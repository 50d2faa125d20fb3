"""What nodes print of their certificates, recorded: files by kubeadm v1.37.2, ports by openssl s_server under the programs' names."""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tasks.certificates.models.inventory import Certificate, Kind, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.probes.bundles import bundles_in, parse_bundles
from tasks.certificates.probes.certificates import look, parse
from tasks.certificates.probes.x509 import certificates_in, describe, is_signed_by
from tasks.core.models.profile import KubeconfigCopy
from tasks.core.shell import ROOT

DATA = Path(__file__).parents[1] / "data" / "certificates"
FOLDER = PurePosixPath("/etc/kubernetes")
NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)


def recorded(name: str) -> NodeCertificates:
    """A node that was asked."""
    return parse("cp1", (DATA / f"{name}.txt").read_bytes(), FOLDER, now=NOW)


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
    told = json.loads((DATA / "check-expiration.json").read_text())
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
    text = (DATA / "look-worker.txt").read_text()
    own = base64.b64encode((DATA / "kubelet-own.crt").read_bytes()).decode()
    path = "/var/lib/kubelet/pki/kubelet.crt"
    text = re.sub(rf"(certificate {path} \S+ \S+ \S+) .*", rf"\1 {own}", text)
    node = parse("w1", text.encode(), FOLDER, now=NOW)
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
    text = (DATA / f"{name}.txt").read_bytes()
    assert b"PRIVATE" not in text
    for word in text.split():
        if len(word) > 60 and b"=" not in word[:-2]:
            decoded = base64.b64decode(word, validate=False) if len(word) % 4 == 0 else b""
            assert b"PRIVATE KEY" not in decoded
            assert b"client-key-data" not in decoded


def test_the_script_runs_in_a_shell_and_hands_out_no_key(tmp_path: Path) -> None:
    """On files of our own: keys of several kinds, in files and in a kubeconfig; none of it comes back."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "kubernetes"
    (folder / "pki" / "etcd").mkdir(parents=True)
    secrets = []
    for name, key in (
        ("pki/ca", ec.generate_private_key(ec.SECP256R1())),
        ("pki/etcd/ca", ed25519.Ed25519PrivateKey.generate()),
    ):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        secrets += pem.splitlines()[1:-1]
        (folder / f"{name}.key").write_bytes(pem)
        certificate = signed(key, None if "etcd" in name else hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(certificate)
        data = base64.b64encode(pem).decode()
        secrets.append(data.encode())
        config = f"    client-certificate-data: {base64.b64encode(certificate).decode()}\n    client-key-data: {data}\n"
        (folder / "admin.conf").write_text(f"    server: https://x:6443\n{config}")
    copies = [KubeconfigCopy(path=PurePosixPath(folder / "admin.conf"))]
    script = look(PurePosixPath(folder), copies)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    for secret in secrets:
        assert secret not in done.stdout + done.stderr
    node = parse("cp1", done.stdout, PurePosixPath(folder), now=NOW)
    mine = [one for one in node.certificates if one.path.startswith(str(folder))]
    assert {(one.path.removeprefix(f"{folder}/"), one.pair) for one in mine} == {
        ("pki/ca.crt", True),
        ("pki/etcd/ca.crt", True),
        ("admin.conf", True),
    }
    assert {one.key_type for one in mine} == {"EC secp256r1", "Ed25519"}


def test_bundles_of_the_api_are_named_by_object_and_webhook() -> None:
    """A bundle may hold several certificates; an empty one is none."""
    first, second = (signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()) for _ in range(2))
    bundle = base64.b64encode(first + second).decode()
    hooks = {
        "metadata": {"name": "policy"},
        "webhooks": [{"name": "a.example", "clientConfig": {"caBundle": bundle}}, {"name": "b", "clientConfig": {}}],
    }
    damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    service = {"metadata": {"name": "v1.metrics"}, "spec": {"caBundle": base64.b64encode(damaged).decode()}}
    odd = {"metadata": {"name": "odd"}, "spec": {"caBundle": "é"}}
    found = dict(bundles_in(hooks, "validatingwebhookconfigurations")) | dict(bundles_in(service, "apiservices"))
    found |= dict(bundles_in(odd, "apiservices"))
    parsed = parse_bundles(found, now=NOW)
    assert [(one.path, one.place, one.problem) for one in parsed] == [
        ("validatingwebhookconfigurations/policy a.example", 0, ""),
        ("validatingwebhookconfigurations/policy a.example", 1, ""),
        ("apiservices/v1.metrics", 0, "it is not a PEM certificate"),
        ("apiservices/odd", 0, "there is no certificate in it"),
    ]


def test_names_of_all_kinds_and_a_signature_of_somebody_else() -> None:
    """A certificate of the same issuer's name, signed by another key, is not signed by it."""
    mine, other = (signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()) for _ in range(2))
    [one], [two] = certificates_in(mine), certificates_in(other)
    assert is_signed_by(one, [two, one])
    assert not is_signed_by(one, [two])
    found = describe(one, path="x", kind=Kind.SERVING, now=NOW)
    assert found.names == ("DNS:a", "URI:https://b", "email:c@d", "other:RegisteredID")
    assert found.self_signed


def signed(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, algorithm: hashes.SHA256 | None) -> bytes:
    """By itself, with a name of each kind."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "it")])
    names: list[x509.GeneralName] = [x509.DNSName("a"), x509.UniformResourceIdentifier("https://b")]
    names += [x509.RFC822Name("c@d"), x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    made = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, algorithm)
    return made.public_bytes(Encoding.PEM)


def test_a_program_that_was_started_right_after_its_file_was_written_has_read_it(tmp_path: Path) -> None:
    """To the hundredth of a second: it is started anew in the second in which its file is written."""
    lib = (ROOT / "tasks/control_plane/scripts/processes.lib.sh").read_text()
    lib += (ROOT / "tasks/certificates/probes/look.lib.sh").read_text()
    program = tmp_path / f"sleep-{os.getpid()}"
    shutil.copy("/bin/sleep", program)
    written = tmp_path / "written"
    written.touch()
    with subprocess.Popen([program, "60"]) as process:
        try:
            time.sleep(1.3)
            done = subprocess.run(
                ["sh", "-c", f"{lib}\npids_of() {{ echo {process.pid}; }}\nprocess {program.name}"],
                capture_output=True,
                check=True,
                text=True,
            )
        finally:
            process.kill()
    started = float(done.stdout.split()[2])
    assert -0.02 < started - written.stat().st_mtime < 1.0
