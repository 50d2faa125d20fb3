"""What a store does not let go, what it hides, and what it has by a wrong clock: none of it ends or misleads a backup."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import import_module
from typing import Any, Self

import pytest
from botocore.retries.standard import ExponentialBackoff

from flows.etcd_backup_to_s3 import etcd_backup_to_s3
from flows.etcd_restore_drill import etcd_restore_drill
from tasks.backup import backups
from tasks.backup.backups import find_backup, recent_backup
from tasks.backup.models.backups import Backup
from tasks.core.errors import Refused
from tasks.core.models.report import Outcome, Report
from tasks.core.models.retention import Retention
from tasks.restore.observe import find_restorable
from tests.servers.etcd import EtcdCluster
from tests.servers.proxies import S3Proxy
from tests.servers.site import Site

NewSite = Callable[..., Site]

etcd_backup_module = import_module("flows.etcd_backup_to_s3")


@pytest.fixture(autouse=True)
def _quick(prefect: object, quick_retries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries as ever, without the waits between them."""
    del prefect, quick_retries
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.01)


@contextmanager
def a_strict_store(site: Site) -> Iterator[S3Proxy]:
    """The site's store behind a proxy, as long as the block runs."""
    with S3Proxy(site.s3.endpoint) as proxy:
        site.write(store={"endpoint": proxy.endpoint})
        yield proxy
    site.write(store={"endpoint": site.s3.endpoint})


def interrupted(site: Site, name: str = "20200101T000000Z-5-0a1b2c3d", *, locked: timedelta = timedelta(0)) -> str:
    """The key of data that a run left which was killed before its manifest, under Object Lock if told so."""
    key = f"{site.name}/etcd/{name}/snapshot.db.zst"
    until = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + locked} if locked else {}
    site.s3.client().put_object(Bucket=site.bucket, Key=key, Body=b"left", **until)  # type: ignore[arg-type]
    return key


@pytest.fixture
def a_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leftovers of others are stale."""

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(hours=25)

    monkeypatch.setattr(backups, "datetime", Tomorrow)


@pytest.mark.usefixtures("a_day_later")
def test_data_that_object_lock_keeps_is_left_and_reported_and_the_backup_is_made(
    new_site: NewSite, etcd1: EtcdCluster
) -> None:
    """An interrupted run left it; no later run ends because of it, and it stays in sight."""
    site = new_site(etcd1, object_lock=True)
    key = interrupted(site, locked=timedelta(days=30))
    for number in (1, 2):
        report = etcd_backup_to_s3(site.name)
        assert report.outcome is Outcome.COMPLETED
        assert len(site.manifests()) == number
        swept = evidence_of(report, "sweep leftovers")
        assert swept["objects"] == []
        assert [(skip["subject"], skip["reason"][:19]) for skip in swept["left"]] == [(key, "it is locked until ")]
        assert any(
            line.startswith(f"left in the store: 1 object; the first: {key}: it is locked") for line in report.summary
        )
    assert site.keys(key) == [key]


@pytest.mark.usefixtures("a_day_later")
@pytest.mark.parametrize("what", ["data", "upload", "listing"])
def test_what_the_store_does_not_let_sweep_is_left_and_the_backup_is_made(site: Site, what: str) -> None:
    """A bucket policy that forbids it, say; the sentence is the store's."""
    key = interrupted(site)
    site.s3.client().create_multipart_upload(Bucket=site.bucket, Key=key)
    with a_strict_store(site) as proxy:
        if what == "listing":
            proxy.on(method="GET", query="^uploads").answer(501, "NotImplemented")
        else:
            proxy.on(method="DELETE", query="uploadId" if what == "upload" else "^$").answer(403, "AccessDenied")
        report = etcd_backup_to_s3(site.name)
    swept = evidence_of(report, "sweep leftovers")
    left = {skip["subject"]: skip["reason"] for skip in swept["left"]}
    assert list(left) == ["unfinished uploads" if what == "listing" else key]
    assert ("501 NotImplemented" if what == "listing" else "403 AccessDenied") in str(left)
    assert (swept["uploads"], swept["objects"]) == (
        [key] if what == "data" else [],
        [] if what == "data" else [key],
    )
    assert report.outcome is Outcome.COMPLETED
    assert len(site.manifests()) == 1


@pytest.mark.parametrize("kept_file", ["manifest.json", "snapshot.db.zst"])
def test_a_backup_that_the_store_does_not_delete_is_kept_whole(site: Site, kept_file: str) -> None:
    """Whichever of its objects the store forbids: the manifest is there as long as the data, and the run is not ended."""
    first = backup_of(etcd_backup_to_s3(site.name, retention=Retention(last=1)))
    with a_strict_store(site) as proxy:
        proxy.on(method="DELETE", path=f"{first}/{kept_file}").answer(403, "AccessDenied")
        report = etcd_backup_to_s3(site.name, retention=Retention(last=1))
    kept = {one["id"]: one["reasons"] for one in evidence_of(report, "apply retention")["kept"]}
    assert "the store refuses to delete it" in kept[first][0]
    assert site.manifests()[0]["id"] == first
    assert etcd_restore_drill(site.name, first).outcome is Outcome.COMPLETED
    report = etcd_backup_to_s3(site.name, retention=Retention(last=1))
    assert [manifest["id"] for manifest in site.manifests()] == [backup_of(report)]
    assert len(site.data()) == 1


def test_data_that_stays_of_a_removed_backup_is_named(site: Site) -> None:
    """Where a part of it is gone already, it is no backup any more; the rest is reported, and swept when it can be."""
    first = backup_of(etcd_backup_to_s3(site.name))
    folder = f"{site.name}/etcd/{first}"
    site.s3.client().put_object(Bucket=site.bucket, Key=f"{folder}/pki.tar.age", Body=b"sealed")
    with a_strict_store(site) as proxy:
        proxy.on(method="DELETE", path=f"{first}/snapshot.db.zst").answer(403, "AccessDenied")
        report = etcd_backup_to_s3(site.name, retention=Retention(last=1))
    decision = evidence_of(report, "apply retention")
    assert [one["id"] for one in decision["removed"]] == [first]
    assert [skip["subject"] for skip in decision["left"]] == [f"{folder}/snapshot.db.zst"]
    assert "403 AccessDenied" in decision["left"][0]["reason"]
    assert any(
        line.startswith(f"left in the store: 1 object; the first: {folder}/snapshot.db.zst: ")
        for line in report.summary
    )
    assert site.keys(folder) == [f"{folder}/snapshot.db.zst"]


def test_a_store_that_does_not_tell_locks_or_fails_to_delete_ends_no_run(site: Site) -> None:
    """The old backup stays, with the reason; the new one is made."""
    first = backup_of(etcd_backup_to_s3(site.name))
    for method, status, told in (
        ("HEAD", 403, "does not tell whether it is locked"),
        ("DELETE", 500, "did not delete it now"),  # of the manifest, which goes first
    ):
        with a_strict_store(site) as proxy:
            proxy.on(method=method, path=f"/etcd/{first}/").answer(status, "InternalError" if status == 500 else "")
            report = etcd_backup_to_s3(site.name, retention=Retention(last=1))
        assert report.outcome is Outcome.COMPLETED
        kept = {one["id"]: one["reasons"] for one in evidence_of(report, "apply retention")["kept"]}
        assert told in kept[first][0]
        assert first in [manifest["id"] for manifest in site.manifests()]


def test_what_retention_and_sweep_delete_in_a_versioned_bucket_can_be_had_back(
    new_site: NewSite, etcd1: EtcdCluster, request: pytest.FixtureRequest
) -> None:
    """They leave delete markers; what ends the versions for good is the bucket's own lifecycle rule."""
    site = new_site(etcd1, object_lock=True)  # which turns versions on; nothing is locked by the profile
    first = backup_of(etcd_backup_to_s3(site.name, retention=Retention(last=1)))
    etcd_backup_to_s3(site.name, retention=Retention(last=1))
    key = interrupted(site)
    request.getfixturevalue("a_day_later")
    etcd_backup_to_s3(site.name, retention=Retention(last=3))
    assert not [found for found in site.keys(f"{site.name}/etcd/") if first in found or found == key]
    versions = site.s3.client().list_object_versions(Bucket=site.bucket)
    there = {found["Key"] for found in versions.get("Versions", [])}
    folder = f"{site.name}/etcd/{first}"
    assert {f"{folder}/manifest.json", f"{folder}/snapshot.db.zst", key} <= there
    for marker in versions["DeleteMarkers"]:
        site.s3.client().delete_object(Bucket=site.bucket, Key=marker["Key"], VersionId=marker["VersionId"])
    assert etcd_restore_drill(site.name, first).outcome is Outcome.COMPLETED


def test_a_backup_of_another_run_is_never_reported_as_this_ones(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was found: its manifest names the run that made it, and its snapshot is older than this run."""
    old = backup_of(etcd_backup_to_s3(site.name))
    [manifest] = site.manifests()

    def finds_the_old_one(cluster: str, run_id: str) -> Backup:
        del run_id
        found: Backup = find_backup(cluster, old)
        return found

    monkeypatch.setattr(etcd_backup_module, "backup_of_this_run", finds_the_old_one)
    with pytest.raises(Refused, match=f"{old} was made by flow run {manifest['flow_run']}, and this is flow run"):
        etcd_backup_to_s3(site.name)
    report = site.reports()[-1]
    assert (report["outcome"], report["doing"]) == ("refused", "prove backup")
    assert f"no backup was made: run `kube-runbooks run etcd-backup {site.name}`" in report["next_step"]


def test_the_report_proves_that_the_backup_is_of_this_run(site: Site) -> None:
    """With the whole id of the run, when its snapshot was taken, and when the run began."""
    report = etcd_backup_to_s3(site.name)
    proof = evidence_of(report, "prove backup")
    assert proof["flow_run"] == report.run_id
    assert proof["taken_at"] >= proof["run_began_at"]
    assert any(line.startswith(f"proven: made by this flow run, {report.run_id}; ") for line in report.summary)


def test_the_age_of_the_newest_backup_is_checked_without_a_restore(site: Site) -> None:
    """What the hourly schedule does: runs that report an old backup as theirs leave the newest one older than the objective."""
    etcd_backup_to_s3(site.name)
    [manifest] = site.manifests()
    report = etcd_restore_drill(site.name, restore=False)
    assert [done.step for done in report.done] == ["check store", "check freshness"]
    age = r"(\d+ min )?\d+(\.\d)? s"
    told = f"the newest backup, {manifest['id']}, is {age} old; the recovery point objective is 26 h"
    assert re.fullmatch(told, report.summary[0])
    site.write(backup={"rpo": "1s"})
    with pytest.raises(Refused, match="the newest good backup is .* old .*find out why its schedule did not"):
        etcd_restore_drill(site.name, restore=False)
    site.write(backup={"rpo": "1h"})
    site.s3.client().put_object(Bucket=site.bucket, Key=manifest["snapshot"]["key"], Body=b"short")
    with pytest.raises(Refused, match=r"is not whole: .*snapshot.db.zst has 5 bytes, the manifest says \d+"):
        etcd_restore_drill(site.name, restore=False)
    site.s3.client().delete_object(Bucket=site.bucket, Key=manifest["snapshot"]["key"])
    with pytest.raises(Refused, match="is not whole: .*snapshot.db.zst does not exist"):
        etcd_restore_drill(site.name, restore=False)
    assert site.reports()[-1]["outcome"] == "refused"


def test_a_backup_from_the_future_is_neither_latest_nor_counted_for_the_objective(site: Site) -> None:
    """A clock was wrong when it was taken; who reads the report of the drill is told."""
    real = backup_of(etcd_backup_to_s3(site.name))
    future = copied(site, real, "20990101T000000Z")
    report = etcd_restore_drill(site.name)
    assert real in report.summary[0]
    assert any(
        line.startswith(f"not counted: backup {future}: its time 2099-01-01T00:00:00Z is") for line in report.summary
    )
    site.write(backup={"rpo": "1s"})
    with pytest.raises(Refused, match=f"good backup is .* old .*; not counted: backup {future}: its time"):
        etcd_restore_drill(site.name)
    assert (recent := recent_backup(site.name, timedelta(days=1)))
    assert recent.id == real
    assert find_restorable(site.name, "latest", "").id == real
    assert find_restorable(site.name, future, "").id == future
    for key in site.keys(f"{site.name}/etcd/{real}/"):
        site.s3.client().delete_object(Bucket=site.bucket, Key=key)
    assert recent_backup(site.name, timedelta(days=1)) is None
    with pytest.raises(Refused, match="every backup of this cluster is from the future: backup 20990101T000000Z"):
        etcd_restore_drill(site.name)


def copied(site: Site, backup: str, time: str) -> str:
    """The same backup under another time; returns its id."""
    other = f"{time}-{backup.partition('-')[2]}"
    for key in site.keys(f"{site.name}/etcd/{backup}/"):
        body = site.read(key)
        if key.endswith("manifest.json"):
            body = body.replace(backup.encode(), other.encode())
        site.s3.client().put_object(Bucket=site.bucket, Key=key.replace(backup, other), Body=body)
    return other


def backup_of(report: Report) -> str:
    """The id of the backup that a run reports."""
    return str(evidence_of(report, "write manifest")["id"])


def evidence_of(report: Report, step: str) -> dict[str, Any]:
    """What a step found or changed."""
    return next(done.evidence for done in report.done if done.step == step)
