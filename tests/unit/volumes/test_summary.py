"""What people read first."""

import pytest
from pydantic import ValidationError

from tasks.core.models.plan import Skip
from tasks.core.models.retention import Kept, Removed
from tasks.volumes.models.backups import Cut, Expired, VolumeBackup
from tasks.volumes.models.selection import VolumeOptions
from tasks.volumes.policy.plan import plan_volumes
from tasks.volumes.summary import summarize_volume_backup, summarize_volume_plan
from tests.facts.volumes import CLAIM, SHOP, archive, backup, disk_facts, facts, record


def test_a_backup_says_how_far_apart_its_snapshots_are_and_what_is_not_in_it() -> None:
    """And what retention could not remove."""
    expired = Expired(
        kept=(Kept(id="a", reasons=("x",)),),
        removed=(Removed(id="b", reason="y"),),
        swept=("VolumeSnapshot shop/old",),
        left=(Skip(subject="disk.example snap-0", reason="no object"),),
    )
    left_out = (Skip(subject="shop/tmp", reason="it is not bound"),)
    text = summarize_volume_backup(backup(left_out=left_out), "s3://b/x/", Cut(present=("shop/a",)), expired)
    assert text[0] == "2 snapshots of all claims in shop, cut within 1.5 s; 1 of them an earlier attempt had taken"
    assert (
        "shop/data-db-0: snap-1 of disk.example, cut at 2026-11-23T12:00:00Z, restores into 10737418240 bytes" in text
    )
    assert "shop/data-db-1: snap-2 of disk.example, cut at 2026-11-23T12:00:01Z" in text
    assert "NOT backed up: shop/tmp: it is not bound" in text
    assert "retention: 1 kept, 1 removed; 1 snapshot of interrupted runs removed" in text
    assert text[-1] == "NOT removed: disk.example snap-0: no object"


def test_an_archive_says_from_where_it_is_what_is_not_in_it_and_whether_it_is_fuzzy() -> None:
    """Without a snapshot, nothing is said of snapshots."""
    socket = Skip(subject="db.sock", reason="a socket, which no archive contains")
    fuzzy = archive(fuzzy="used by shop/db-0", left_out=(socket,))
    expired = Expired(swept_archives=("a", "b"))
    text = summarize_volume_backup(backup(records=(), archives=(fuzzy,)), "s3://b/x/", None, expired)
    assert text[0] == "1 archive of all claims in shop"
    assert text[2:] == (
        "shop/logs: /mnt/disks/a on w1, 5 files, 10240 bytes, stored as 1200, copied at 2026-11-23T12:00:00Z",
        "NOT consistent: shop/logs is fuzzy (used by shop/db-0): its files may not fit together",
        "NOT in the archive of shop/logs: db.sock: a socket, which no archive contains",
        "retention: 0 kept, 0 removed; 2 objects of archives of interrupted runs removed",
    )
    both = summarize_volume_backup(backup(archives=(archive(),)), "s3://b/x/", None, Expired())
    assert both[0] == "2 snapshots and 1 archive of all claims in shop, cut within 1.5 s"
    plan = plan_volumes(disk_facts(), SHOP, VolumeOptions())
    assert summarize_volume_plan(plan, SHOP)[0] == "nothing was done: the plan has 1 archive of all claims in shop"
    with pytest.raises(ValidationError, match="has neither a snapshot nor an archive"):
        VolumeBackup.model_validate(backup().model_dump() | {"records": ()})


def test_one_snapshot_has_no_spread() -> None:
    """A plan alone says how to do it."""
    text = summarize_volume_backup(backup(records=(record(),)), "s3://b/x/", None, Expired())
    assert text[0] == "1 snapshot of all claims in shop"
    plan = plan_volumes(facts(CLAIM), SHOP, VolumeOptions())
    assert summarize_volume_plan(plan, SHOP)[0] == "nothing was done: the plan has 1 snapshot of all claims in shop"
