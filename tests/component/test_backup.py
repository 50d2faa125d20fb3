"""`etcd_backup_to_s3` and `etcd_restore_drill` on real servers: what a good run does and proves."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from flows.etcd_backup_to_s3 import etcd_backup_to_s3
from flows.etcd_restore_drill import etcd_restore_drill
from tasks.certificates.probes.x509 import certificates_in, fingerprint_of
from tasks.core.errors import Refused
from tasks.core.models.report import Outcome, Report
from tasks.core.models.retention import Retention
from tests.servers.binaries import ROOT
from tests.servers.etcd import EtcdCluster
from tests.servers.prefect_server import PrefectServer
from tests.servers.proxies import S3Proxy
from tests.servers.site import Site
from tests.servers.sshd import Sshd

pytestmark = pytest.mark.usefixtures("prefect")

NewSite = Callable[..., Site]


def leader_of(etcd: EtcdCluster) -> str:
    """The name of the leader, from etcdctl."""
    told = json.loads(etcd.etcdctl("endpoint", "status", "--write-out=json"))
    leader = told[0]["Status"]["leader"]
    members = json.loads(etcd.etcdctl("member", "list", "--write-out=json"))["members"]
    return str(next(member["name"] for member in members if member["ID"] == leader))


def test_a_backup_is_a_followers_snapshot_that_etcdutl_restores(site: Site, tmp_path: Path) -> None:
    """What lies in the bucket is, decompressed, a snapshot that etcd's own tool accepts with all keys in it."""
    report = etcd_backup_to_s3(site.name)
    [manifest] = site.manifests()
    taken = manifest["snapshot"]
    assert report.outcome is Outcome.COMPLETED
    assert taken["member"] != leader_of(site.etcd)
    stored = site.read(taken["key"])
    assert (len(stored), hashlib.sha256(stored).hexdigest()) == (taken["stored"]["size"], taken["stored"]["sha256"])
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
    assert (len(plain), hashlib.sha256(plain).hexdigest()) == (taken["plain"]["size"], taken["plain"]["sha256"])
    file = tmp_path / "snapshot.db"
    file.write_bytes(plain)
    site.etcd.etcdutl("snapshot", "restore", str(file), f"--data-dir={tmp_path / 'restored'}")
    keys = int(
        json.loads(site.etcd.etcdctl("get", "", "--prefix", "--count-only", "--write-out=fields").split('"Count" :')[1])
    )
    assert taken["key_count"] == keys
    assert site.uploads() == []


def test_a_backup_says_of_which_cluster_it_is(site: Site) -> None:
    """By what is in the snapshot: members, nodes, and the CA that pods are given; a restore compares it."""
    site.etcd.put("/registry/minions/cp1", "node")
    site.etcd.put("/registry/minions/w1", "node")
    site.etcd.put("/registry/minionsx/w2", "no node")
    site.etcd.put(
        "/registry/configmaps/kube-system/kube-root-ca.crt", f"k8s ConfigMap {site.etcd.authority.ca.read_text()}"
    )
    etcd_backup_to_s3(site.name)
    [manifest] = site.manifests()
    [authority] = certificates_in(site.etcd.authority.ca.read_bytes())
    assert manifest["snapshot"]["origin"] == {
        "members": sorted(member.name for member in site.etcd.members),
        "nodes": ["cp1", "w1"],
        "authorities": [fingerprint_of(authority)],
    }


def test_the_terminal_says_what_the_report_says_first(site: Site, prefect_server: PrefectServer) -> None:
    """Who has no browser at hand reads there what was proven and what to do next."""
    command = [sys.executable, "-m", "tests.servers.runner", "etcd_backup_to_s3", json.dumps({"cluster": site.name})]
    environment = os.environ | prefect_server.env | site.environment
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    [stored] = site.reports()
    assert stored["summary"]
    for line in stored["summary"]:
        assert f" - {site.name}: {line}\n" in done.stdout + done.stderr


def test_the_report_says_what_was_proven_and_lies_in_the_bucket_in_both_forms(site: Site) -> None:
    """With a line for each step and its evidence, and every member that was not chosen with the reason."""
    report = etcd_backup_to_s3(site.name, drill=True)
    [stored] = site.reports()
    assert stored["outcome"] == "completed"
    assert Report.model_validate(stored) == report
    markdown = next(site.read(key).decode() for key in site.keys(f"{site.name}/reports/") if key.endswith(".md"))
    assert f"# etcd-backup of {site.name}: completed" in markdown
    assert "proven: restored with etcd 3.6" in markdown
    assert "it is the leader, and a follower is eligible" in markdown
    assert [step["step"] for step in stored["done"]] == [
        "check store",
        "observe etcd",
        "check drill tools",
        "sweep leftovers",
        "backup of this run",
        "take snapshot",
        "read back",
        "restore drill",
        "write manifest",
        "prove backup",
        "apply retention",
    ]


def test_the_prefect_ui_gets_members_plan_progress_and_report(site: Site, prefect: PrefectServer) -> None:
    """As artifacts of the run."""
    report = etcd_backup_to_s3(site.name)
    found = prefect.api("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [report.run_id]}}})
    kinds = {artifact["key"].removeprefix(f"{site.name}-"): artifact for artifact in found}
    assert set(kinds) == {"etcd-members", "etcd-backup-to-s3-plan", "etcd-snapshot", "etcd-backup-to-s3-report"}
    assert [row["state"] for row in json.loads(kinds["etcd-members"]["data"])] == ["healthy"] * 3
    assert kinds["etcd-snapshot"]["data"] == 100.0


@pytest.mark.full
def test_a_drill_passes_while_the_cluster_writes_and_compacts_at_full_speed(site: Site) -> None:
    """The hash of the live member is asked for before a compaction can pass it."""
    with site.etcd.churn() as churn:
        churn.wait_for(2000)
        before = churn.written
        report = etcd_backup_to_s3(site.name, drill=True)
        assert churn.written.keys > before.keys
    [manifest] = site.manifests()
    drill = manifest["drill"]
    assert report.outcome is Outcome.COMPLETED
    assert drill["restored_hash"] == drill["live_hash"]
    assert drill["restored_hash"]["compact_revision"] > 0
    assert drill["restored_revision"] >= manifest["snapshot"]["revision"] >= before.revision


def test_a_restore_drill_needs_the_bucket_only(new_site: NewSite, tmp_path: Path) -> None:
    """The cluster may be gone for good: its member is, here."""
    with EtcdCluster(tmp_path / "etcd", ("gone",)) as etcd:
        etcd.seed(500)
        site = new_site(etcd)
        etcd_backup_to_s3(site.name)
        etcd.kill()
        report = etcd_restore_drill(site.name)
    assert report.outcome is Outcome.COMPLETED
    assert any("its 500 keys" in line for line in report.summary)
    assert list(site.scratch.iterdir()) == []


def test_a_restore_drill_takes_a_named_backup(site: Site) -> None:
    """Not only the newest."""
    etcd_backup_to_s3(site.name)
    etcd_backup_to_s3(site.name)
    first, second = site.manifests()
    assert first["id"] in etcd_restore_drill(site.name, first["id"]).summary[0]
    assert second["id"] in etcd_restore_drill(site.name).summary[0]


def test_a_restore_drill_fails_when_the_newest_backup_is_older_than_the_objective(site: Site) -> None:
    """Although it could be restored."""
    etcd_backup_to_s3(site.name)
    site.write(backup={"rpo": "1s"})
    with pytest.raises(Refused, match=r"the newest good backup is .* old .*; the profile's backup.rpo is 1 s"):
        etcd_restore_drill(site.name)
    assert site.reports()[-1]["outcome"] == "refused"


def test_retention_removes_manifest_and_data_and_says_why(site: Site) -> None:
    """The rules of a run win over the profile's; the newest always stays."""
    for _ in range(3):
        report = etcd_backup_to_s3(site.name, retention=Retention(last=2))
    evidence = site.reports()[-1]["done"][-1]["evidence"]
    assert len(site.manifests()) == len(site.data()) == 2
    [removed] = evidence["removed"]
    assert removed["reason"].startswith("no rule keeps it: newer backups fill last 2")
    assert report.summary[0].startswith(f"backup {site.manifests()[-1]['id']} in s3://")


def test_a_locked_backup_stays_and_is_reported(new_site: NewSite, etcd1: EtcdCluster) -> None:
    """Object Lock of the profile on manifest and data; retention does not hide them behind delete markers."""
    site = new_site(etcd1, object_lock=True)
    site.write(store={"object_lock": {"mode": "COMPLIANCE", "days": 1}})
    etcd_backup_to_s3(site.name, retention=Retention(last=1))
    etcd_backup_to_s3(site.name, retention=Retention(last=1))
    assert len(site.manifests()) == 2
    kept = {kept["id"]: kept["reasons"] for kept in site.reports()[-1]["done"][-1]["evidence"]["kept"]}
    assert any("locked until" in reason for reason in kept[site.manifests()[0]["id"]])
    for key in (site.data()[0], site.data()[0].replace("snapshot.db.zst", "manifest.json")):
        until = site.s3.client().head_object(Bucket=site.bucket, Key=key)["ObjectLockRetainUntilDate"]
        assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(days=1)


def test_encryption_and_storage_class_of_the_profile_are_asked_for(site: Site) -> None:
    """Also of what is written to see whether a backup can be: nothing was asked of etcd then."""
    with S3Proxy(site.s3.endpoint) as proxy:
        proxy.on(path="/trials/").answer(400, "KMS.NotFoundException")
        site.write(store={"endpoint": proxy.endpoint, "kms_key": "key-1", "storage_class": "STANDARD_IA"})
        with pytest.raises(Refused, match="KMS.NotFoundException.*correct store.kms_key"):
            etcd_backup_to_s3(site.name)
        request = next(request for request in proxy.seen(path="/trials/") if request.method != "GET")
    assert request.headers["x-amz-server-side-encryption"] == "aws:kms"
    assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"
    assert request.headers["x-amz-storage-class"] == "STANDARD_IA"
    assert site.manifests() == []


def test_the_tunnel_reaches_etcd_with_the_nodes_own_certificate(
    new_site: NewSite, etcd1: EtcdCluster, tmp_path: Path
) -> None:
    """No client certificate and no port of etcd on the worker; the key never touches its disk."""
    site = new_site(etcd1)
    with Sshd(tmp_path / "sshd") as sshd:
        site.through(sshd)
        site.profile["etcd"]["client"] = None
        site.profile["etcd"]["endpoints"][0]["url"] = "https://127.0.0.1:1"
        site.write()
        report = etcd_backup_to_s3(site.name, drill=True)
    assert report.outcome is Outcome.COMPLETED
    assert site.manifests()[0]["snapshot"]["route"] == "tunnel"


def test_auto_takes_the_tunnel_where_the_direct_way_is_closed(
    new_site: NewSite, etcd1: EtcdCluster, tmp_path: Path
) -> None:
    """And the report says why."""
    site = new_site(etcd1)
    with Sshd(tmp_path / "sshd") as sshd:
        site.through(sshd)
        site.profile["etcd"]["endpoints"][0]["url"] = "https://127.0.0.1:1"
        site.write()
        report = etcd_backup_to_s3(site.name)
    assert site.manifests()[0]["snapshot"]["route"] == "tunnel"
    assert report.plan
    assert "by route tunnel: direct did not work: cp1: etcd Status: UNAVAILABLE" in report.plan.steps[0].reason
