"""`etcd_backup_to_s3(pki=True)` on real servers: the control plane's keys in the bucket, and nobody but a recipient reads them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from botocore.retries.standard import ExponentialBackoff
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flows.etcd_backup_to_s3 import etcd_backup_to_s3
from flows.etcd_restore_drill import etcd_restore_drill
from tasks.core.errors import Refused
from tasks.core.models.report import Outcome
from tasks.core.models.retention import Retention
from tests.servers.etcd import EtcdCluster
from tests.servers.kubeadm import FOLDER, ControlPlane
from tests.servers.proxies import S3Proxy
from tests.servers.site import Site

pytestmark = pytest.mark.usefixtures("prefect", "quick_retries")

NewSite = Callable[..., Site]

IDENTITY = pyrage.x25519.Identity.generate()
"""The secret half: neither the worker nor the store ever has it."""


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """Three nodes that agree."""
    with ControlPlane(tmp_path / "control-plane") as nodes:
        yield nodes


@pytest.fixture
def site(site: Site, control_plane: ControlPlane) -> Site:
    """A site of three members on these nodes, and one who may read."""
    control_plane.join(site)
    site.write(backup={"recipients": [str(IDENTITY.to_public())]})
    return site


def keys(site: Site) -> list[str]:
    """Where key material is in the bucket, with a manifest or without."""
    return [key for key in site.keys(f"{site.name}/etcd/") if key.endswith("/pki.tar.age")]


def unsealed(site: Site, identity: Any = IDENTITY) -> dict[str, bytes]:  # noqa: ANN401 - of several kinds
    """What a recipient finds in the newest backup's archive."""
    plain = pyrage.decrypt(site.read(site.manifests()[-1]["pki"]["key"]), [identity])
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert {entry.mode for entry in tar} == {0o600}
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr] # all are files


def logins(control_plane: ControlPlane) -> int:
    """On all nodes."""
    return sum(sshd.log.count("Accepted publickey") for sshd in control_plane.sshds.values())


def paths_on_nodes(archive: dict[str, bytes]) -> dict[str, bytes]:
    """Without the index. Manifests are where links lead: below the root of the first node."""
    return {as_shown(f"/{name}"): content for name, content in archive.items() if name != "index.json"}


def as_shown(path: str) -> str:
    """Below the folder that the profile names."""
    _, found, rest = path.partition("/cp1/etc/kubernetes")
    return f"{FOLDER}{rest}" if found else path


def test_each_recipient_can_read_every_file_of_the_node_byte_for_byte(site: Site, control_plane: ControlPlane) -> None:
    """Also one with an SSH key; and the index says how a rebuilt node has to have each file."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    site.write(backup={"recipients": [str(IDENTITY.to_public()), f"{public} ops@example.org"]})
    assert etcd_backup_to_s3(site.name, pki=True).outcome is Outcome.COMPLETED
    there = control_plane.files("cp1")
    for identity in (IDENTITY, pyrage.ssh.Identity.from_buffer(key.private_bytes(*formats))):
        archive = unsealed(site, identity)
        assert paths_on_nodes(archive) == there
    index = json.loads(archive["index.json"])
    assert (index["cluster"], index["node"]) == (site.name, "cp1")
    assert {as_shown(file["path"]): file["sha256"] for file in index["files"]} == {
        path: hashlib.sha256(content).hexdigest() for path, content in there.items()
    }
    assert {file["mode"] for file in index["files"] if file["path"].endswith("ca.key")} == {"600"}


def test_manifest_and_report_say_what_was_kept_for_whom_and_what_was_not(site: Site) -> None:
    """No API server runs here, so kubeadm's configuration is missing, which is told and does not fail the run."""
    report = etcd_backup_to_s3(site.name, pki=True)
    [manifest] = site.manifests()
    kept = manifest["pki"]
    stored = site.read(kept["key"])
    assert kept["key"] == manifest["snapshot"]["key"].replace("snapshot.db.zst", "pki.tar.age")
    assert kept["stored"] == {"size": len(stored), "sha256": hashlib.sha256(stored).hexdigest()}
    assert kept["recipients"] == [str(IDENTITY.to_public())]
    assert (kept["node"], kept["absent"]) == ("cp1", [])
    assert f"{FOLDER}/pki/ca.key" in kept["paths"]
    assert f"{FOLDER}/encryption/config.yaml" in kept["paths"]
    [caution] = kept["cautions"]
    assert caution["subject"] == "cp1"
    assert caution["problem"].startswith("kubeadm's configuration is not in the backup: cp1: kubectl ended with status")
    assert "key material of cp1: 13 files, encrypted for 1 recipient" in report.summary
    assert any(line.startswith("check cp1: kubeadm's configuration is not") for line in report.summary)
    assert [step.step for step in report.done if "pki" in step.step] == ["check pki", "keep pki"]


def test_without_pki_nothing_of_it_is_read_or_kept(site: Site, control_plane: ControlPlane) -> None:
    """The nodes are not even logged in to, as etcd shows whose it is."""
    site.etcd.put("/registry/minions/cp1", "node")
    etcd_backup_to_s3(site.name)
    assert site.manifests()[0]["pki"] is None
    assert keys(site) == []
    assert logins(control_plane) == 0


def test_a_control_plane_that_does_not_agree_on_its_keys_is_told_with_the_node(
    site: Site, control_plane: ControlPlane
) -> None:
    """An authority of its own on one node, other encryption keys on another; the backup is of the first, and good."""
    control_plane.file("cp2", "pki/ca.key").write_text("another")
    control_plane.file("cp3", "encryption/config.yaml").write_text("another")
    report = etcd_backup_to_s3(site.name, pki=True)
    told = {caution["subject"]: caution["problem"] for caution in site.manifests()[0]["pki"]["cautions"]}
    assert told["cp2"].startswith(f"has another {FOLDER}/pki/ca.key than cp1: ")
    assert told["cp3"].startswith(f"has another encryption provider configuration ({FOLDER}/encryption/config.yaml) ")
    assert any(line.startswith("check cp2: has another") for line in report.summary)
    assert paths_on_nodes(unsealed(site)) == control_plane.files("cp1")


def test_a_node_that_does_not_answer_or_lacks_a_key_is_passed_over(site: Site, control_plane: ControlPlane) -> None:
    """With the reason; the next one is taken."""
    control_plane.sshds["cp1"].stop()
    control_plane.file("cp2", "pki/sa.key").unlink()
    etcd_backup_to_s3(site.name, pki=True)
    kept = site.manifests()[0]["pki"]
    told = {caution["subject"]: caution["problem"] for caution in kept["cautions"]}
    assert kept["node"] == "cp3"
    assert "with that of cp3: cp1: no connection to" in told["cp1"]
    assert told["cp2"].endswith(f"there is no {FOLDER}/pki/sa.key")


def test_external_authorities_and_an_external_etcd_are_facts_and_no_failures(
    site: Site, control_plane: ControlPlane
) -> None:
    """Their keys are not on any node; the client certificate for etcd, which kubeadm cannot issue, is taken."""
    for node in control_plane.names:
        for name in ("pki/ca.key", "pki/etcd/ca.key", "pki/etcd/ca.crt", "manifests/etcd.yaml"):
            control_plane.file(node, name).unlink()
        for name in ("pki/etcd/ca.crt", "pki/apiserver-etcd-client.crt", "pki/apiserver-etcd-client.key"):
            control_plane.file(node, name).write_text(f"{name} of somebody else")
    etcd_backup_to_s3(site.name, pki=True)
    absent = {skip["subject"]: skip["reason"] for skip in site.manifests()[0]["pki"]["absent"]}
    assert absent == {
        f"{FOLDER}/pki/ca.key": "the CA is external: its key is elsewhere, back it up there",
        "pki/etcd/ca.crt": "etcd is external, and so is its CA",
        "pki/etcd/ca.key": "etcd is external, and so is its CA",
    }
    assert paths_on_nodes(unsealed(site)) == control_plane.files("cp1")


def test_key_material_is_taken_from_where_the_manifests_say(site: Site, control_plane: ControlPlane) -> None:
    """kubeadm's `certificatesDir` is another folder there, and a link leads to it."""
    for node in control_plane.names:
        control_plane.file(node, "pki").rename(control_plane.file(node, "ssl"))
        control_plane.file(node, "keys").symlink_to("ssl")
        for manifest in control_plane.file(node, "manifests").iterdir():
            manifest.write_text(manifest.read_text().replace(f"{FOLDER}/pki", f"{FOLDER}/keys"))
    etcd_backup_to_s3(site.name, pki=True)
    [kept] = site.manifests()
    assert f"{FOLDER}/keys/ca.key" in kept["pki"]["paths"]
    assert (kept["pki"]["absent"], len(kept["pki"]["paths"])) == ([], 13)


def test_an_etcd_on_machines_of_its_own_leads_to_the_other_nodes_of_the_profile(
    new_site: NewSite, etcd1: EtcdCluster, control_plane: ControlPlane
) -> None:
    """Who has no API server is no control plane node, and nothing is said of it."""
    site = new_site(etcd1)
    control_plane.join(site)
    site.write(backup={"recipients": [str(IDENTITY.to_public())]})
    control_plane.file("cp1", "manifests/kube-apiserver.yaml").unlink()
    etcd_backup_to_s3(site.name, pki=True)
    kept = site.manifests()[0]["pki"]
    assert kept["node"] == "cp2"
    assert [caution["subject"] for caution in kept["cautions"]] == ["cp2"]


def refused(site: Site, told: str) -> None:
    """The run is refused before a byte of etcd's is stored, with the next step."""
    with pytest.raises(Refused, match=told) as refusal:
        etcd_backup_to_s3(site.name, pki=True)
    assert refusal.value.hint
    assert site.keys(f"{site.name}/etcd/") == site.uploads() == []


def test_a_profile_without_recipients_or_ssh_is_refused_before_anything_is_connected_to(
    site: Site, control_plane: ControlPlane
) -> None:
    """With the fields that are missing."""
    site.write(backup={"recipients": []})
    refused(site, "--pki needs backup.recipients .for whom it is encrypted. -> add it to the profile")
    assert logins(control_plane) == 0
    for endpoint in site.profile["etcd"]["endpoints"]:
        endpoint["node"] = None
    site.profile |= {"ssh": None, "nodes": []}
    site.write()
    refused(site, "--pki needs backup.recipients .* and ssh .how to log in. and nodes .where to read it.")


def test_an_encryption_provider_configuration_that_is_named_and_not_there_is_refused(
    site: Site, control_plane: ControlPlane
) -> None:
    """Without it nobody could read the Secrets in the snapshot."""
    for node in control_plane.names:
        control_plane.file(node, "encryption/config.yaml").unlink()
    refused(
        site, rf"cp1: there is no {FOLDER}/encryption/config.yaml \(--encryption-provider-config\); cp2: there is no"
    )


@pytest.mark.full
def test_retention_removes_the_key_material_with_its_backup(site: Site) -> None:
    """And a backup without any beside it."""
    etcd_backup_to_s3(site.name)
    etcd_backup_to_s3(site.name, pki=True)
    etcd_backup_to_s3(site.name, pki=True, retention=Retention(last=1))
    assert keys(site) == [site.manifests()[-1]["pki"]["key"]]
    assert len(site.keys(f"{site.name}/etcd/")) == 3


@pytest.mark.full
def test_locked_key_material_keeps_its_backup(
    new_site: NewSite, etcd1: EtcdCluster, control_plane: ControlPlane
) -> None:
    """A legal hold on that object alone is enough; and the profile's Object Lock is put on it, too."""
    site = new_site(etcd1, object_lock=True)
    control_plane.join(site)
    site.write(backup={"recipients": [str(IDENTITY.to_public())]})
    etcd_backup_to_s3(site.name, pki=True)
    [first] = keys(site)
    site.s3.client().put_object_legal_hold(Bucket=site.bucket, Key=first, LegalHold={"Status": "ON"})
    site.write(store={"object_lock": {"mode": "COMPLIANCE", "days": 1}})
    etcd_backup_to_s3(site.name, pki=True, retention=Retention(last=1))
    [kept, _] = keys(site)
    reasons = {one["id"]: one["reasons"] for one in site.reports()[-1]["done"][-1]["evidence"]["kept"]}
    assert kept == first
    assert any("locked until" in reason for reason in reasons[site.manifests()[0]["id"]])
    assert site.s3.client().head_object(Bucket=site.bucket, Key=keys(site)[1])["ObjectLockMode"] == "COMPLIANCE"


@pytest.fixture
def proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """Between the worker and the bucket; boto3 tries as often as ever, without its waits."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)
    with S3Proxy(site.s3.endpoint) as made:
        site.write(store={"endpoint": made.endpoint})
        yield made


def test_the_storage_class_of_the_profile_is_asked_for(site: Site, proxy: S3Proxy) -> None:
    """As for the other objects of a backup; encryption by KMS goes the same way, but SeaweedFS has no KMS."""
    site.write(store={"storage_class": "STANDARD_IA"})
    etcd_backup_to_s3(site.name, pki=True)
    [request] = proxy.seen(method="PUT", path="/pki.tar.age$")
    assert request.headers["x-amz-storage-class"] == "STANDARD_IA"


@pytest.mark.parametrize("fault", ["answer", "lose_response"])
def test_a_store_that_stumbles_leaves_one_object_that_is_the_manifests(site: Site, proxy: S3Proxy, fault: str) -> None:
    """It answers 500, or stores and does not say so: the next try writes over it."""
    rule = proxy.on(method="PUT", path="/pki.tar.age$", times=6)
    _ = rule.answer(500) if fault == "answer" else rule.lose_response()
    assert etcd_backup_to_s3(site.name, pki=True).outcome is Outcome.COMPLETED
    [manifest] = site.manifests()
    assert keys(site) == [manifest["pki"]["key"]]
    assert hashlib.sha256(site.read(keys(site)[0])).hexdigest() == manifest["pki"]["stored"]["sha256"]


def test_a_bit_that_changes_in_the_store_is_found_by_the_read_back(site: Site, proxy: S3Proxy) -> None:
    """Refused with both digests, and there is no manifest, so no backup."""
    proxy.on(method="GET", path="/pki.tar.age$").flip_bit_in_response(100)
    with pytest.raises(
        Refused, match=r"pki.tar.age is corrupt: stored were \d+ bytes with sha256 .*this is not a backup"
    ):
        etcd_backup_to_s3(site.name, pki=True)
    assert site.manifests() == []


def test_a_restore_drill_finds_key_material_that_changed_since(site: Site) -> None:
    """From the bucket alone, as everything that a drill does."""
    etcd_backup_to_s3(site.name, pki=True)
    assert "key material of cp1" in " ".join(etcd_restore_drill(site.name).summary)
    [key] = keys(site)
    site.s3.client().put_object(Bucket=site.bucket, Key=key, Body=b"something else")
    with pytest.raises(Refused, match="pki.tar.age is corrupt"):
        etcd_restore_drill(site.name)


def test_a_manifest_from_before_there_was_key_material_is_still_read(site: Site) -> None:
    """By a drill, and by retention."""
    etcd_backup_to_s3(site.name)
    [manifest] = site.manifests()
    key = f"{site.name}/etcd/{manifest['id']}/manifest.json"
    old = {field: value for field, value in manifest.items() if field != "pki"}
    site.s3.client().put_object(Bucket=site.bucket, Key=key, Body=json.dumps(old).encode())
    assert etcd_restore_drill(site.name).outcome is Outcome.COMPLETED
    etcd_backup_to_s3(site.name, retention=Retention(last=1))
    assert key not in site.keys()  # noqa: SIM118 - a site is no dictionary
