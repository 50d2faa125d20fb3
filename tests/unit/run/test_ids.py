"""A run is known by its whole id: Prefect's scheduler makes ids that share their first digits."""

import ast
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import cast

import pytest
from prefect._internal.uuid7 import uuid7

from tasks.backup.models.backups import BackupId
from tasks.backup.store import BackupStore
from tasks.ca_rotation.models import ended_folder
from tasks.cert_rotation import scripts as rotation
from tasks.cert_rotation.models.rotation import RotationRecord
from tasks.certificate_issue import scripts as issue
from tasks.clients.objectstore import ObjectStore
from tasks.core.models.kubeadm import Authority
from tasks.core.models.report import Outcome, Report
from tasks.os_patch import records
from tasks.os_patch.models.outcome import NodePatched
from tasks.run import reports
from tasks.run.models.lock import LockRecord
from tasks.run.probes import lock
from tests.facts.buckets import Bucket

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
FIRST, SECOND = (str(uuid7()) for _ in range(2))
"""As `prefect.server.models.deployments` makes them for a batch."""


STORE = cast("ObjectStore", Bucket())


def report(run_id: str) -> Report:
    """The journal of a run that has begun."""
    return Report(
        runbook="etcd_backup_to_s3",
        cluster="prod",
        run_id=run_id,
        run_name="n",
        attempt=1,
        outcome=Outcome.RUNNING,
        started_at=NOON,
    )


def record(run_id: str) -> RotationRecord:
    """What a rotation writes on a node."""
    return RotationRecord(run_id=run_id, begun_at=NOON, leaves=("apiserver",))


def patched(run_id: str) -> NodePatched:
    """The record of a patched node."""
    return NodePatched(node="w1", run_id=run_id, at=NOON, took=timedelta(seconds=1))


NAMED: dict[str, Callable[[str], str]] = {
    "backup": lambda run: BackupStore(STORE, "prod").data_key(BackupId(taken_at=NOON, revision=5, run=run)),
    "report": lambda run: reports.report_key(STORE, report(run)),
    "record of a patched node": lambda run: records.keep_record(STORE, "prod", patched(run)),
    "copy of the certificates": lambda run: record(run).copy_file,
    "copy that was put back": lambda run: rotation.put_back_copy(record(run)),
    "job that renews": lambda run: rotation.job_of(record(run)),
    "record of a finished rotation": rotation.end,
    "keys of a finished CA rotation": lambda run: ended_folder(Authority.CLUSTER, run),
    "files before an issue": lambda run: issue.kept_folder(PurePosixPath("/etc/kubernetes"), run),
    "lock of a node": lambda run: lock.record_on_node(LockRecord(holder=run)),
}


def test_the_scheduler_makes_ids_that_begin_alike() -> None:
    """This is what the other tests here are about."""
    assert FIRST != SECOND
    assert FIRST[:8] == SECOND[:8]


@pytest.mark.parametrize("name", NAMED)
def test_two_runs_of_one_batch_share_no_name(name: str) -> None:
    """Everything that a run leaves is its own, also within one second."""
    assert NAMED[name](FIRST) != NAMED[name](SECOND)


def test_the_report_of_another_run_of_the_batch_is_not_found() -> None:
    """A hook after a crash would otherwise finish the report of another run."""
    reports.keep_journal(STORE, report(FIRST))
    assert reports.find_report(STORE, "prod", "etcd_backup_to_s3", SECOND) is None
    found = reports.find_report(STORE, "prod", "etcd_backup_to_s3", FIRST)
    assert found
    assert found.run_id == FIRST


def test_an_id_of_a_backup_has_the_whole_id_of_its_run() -> None:
    """Backups with the eight digits of former versions stay readable, and belong to no run."""
    text = f"20261123T120000Z-4711-{FIRST}"
    found = BackupId.parse(text)
    assert found == BackupId(taken_at=NOON, revision=4711, run=FIRST)
    assert str(found) == text
    old = BackupId.parse(f"20261123T120000Z-4711-{FIRST[:8]}")
    assert old
    assert old.run not in {FIRST, SECOND}
    for wrong in (FIRST[:12], FIRST.replace("-", ""), FIRST.upper(), f"{FIRST}0"):
        assert BackupId.parse(f"20261123T120000Z-4711-{wrong}") is None


def test_no_code_shortens_the_id_of_a_run() -> None:
    """Neither `run_id[:8]` nor `run.id[:12]`."""
    shortened = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in ("flows", "tasks")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and _is_a_run(node.value)
    ]
    assert shortened == []


def _is_a_run(value: ast.expr) -> bool:
    return ast.unparse(value).rpartition(".")[2].lstrip("_") in {"run_id", "restore_id", "flow_run"} or (
        ast.unparse(value) in {"flow_run.id", "run.id", "str(flow_run.id)"}
    )
