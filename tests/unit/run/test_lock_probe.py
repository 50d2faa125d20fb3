"""The scripts of a node's lock, run by a shell in a folder of the test, and what they print, read."""

import subprocess
from pathlib import Path

import pytest

from tasks.run import scripts
from tasks.run.models.lock import LockRecord, Owner
from tasks.run.probes import lock

OWN = LockRecord(
    holder="it's $(run) 1", process='process 7 on "w1"', runbook="node_drain", run_name="drain", seconds=30
)
OTHER = OWN.model_copy(update={"process": "process 8 on w2"})


def run(folder: Path, script: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    """As root of a node whose state is in that folder."""
    text = script.replace("/var/lib/kube-runbooks", str(folder))
    return subprocess.run(["sh", "-c", text], input=stdin.encode(), capture_output=True, check=False)


def told(folder: Path, script: str, stdin: str = "") -> LockRecord:
    """What it says."""
    done = run(folder, script, stdin)
    assert done.returncode == 0, done.stderr
    return lock.parse_lock(done.stdout)


def take(folder: Path, record: LockRecord, found: LockRecord) -> LockRecord:
    """For that record, if the lock is still as it was found."""
    return told(folder, scripts.take_lock(), f"{lock.expected(found)}\n{lock.record_on_node(record)}")


def test_a_lock_is_taken_renewed_and_given_back(tmp_path: Path) -> None:
    """By its owner alone; a renewal changes its mark, and nothing else."""
    folder = tmp_path / "state"
    free = told(folder, lock.look_at_lock())
    assert free.is_free
    assert not folder.exists()
    taken = take(folder, OWN, free)
    assert taken.is_of(Owner(run_id=OWN.holder, process=OWN.process))
    assert taken.model_copy(update={"renewed": ""}) == OWN
    assert told(folder, lock.look_at_lock()) == taken
    renewed = told(folder, scripts.renew_lock(), lock.record_on_node(OWN))
    assert renewed.renewed != taken.renewed
    assert renewed.model_copy(update={"renewed": ""}) == OWN
    for script in (scripts.renew_lock(), scripts.return_lock()):
        assert told(folder, script, lock.record_on_node(OTHER)) == renewed
    assert told(folder, scripts.return_lock(), lock.record_on_node(OWN)).is_free
    assert told(folder, scripts.renew_lock(), lock.record_on_node(OWN)).is_free


def test_of_two_takers_one_is_told_that_the_other_was_faster(tmp_path: Path) -> None:
    """Also where the holder has come back to life since it was looked at."""
    free = told(tmp_path, lock.look_at_lock())
    taken = take(tmp_path, OWN, free)
    assert take(tmp_path, OTHER, free) == taken
    renewed = told(tmp_path, scripts.renew_lock(), lock.record_on_node(OWN))
    assert take(tmp_path, OTHER, taken) == renewed
    assert take(tmp_path, OTHER, renewed).process == OTHER.process


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", "of an empty file"),
        (b"an-older-run\n", "an-older-run"),
        (b"\xff\x00\x1b[31m; rm -rf /", "[31m; rm -rf /"),
        (b"{}", "{}"),
        (b'{"holder": 7}', '{"holder": 7}'),
        (b"x" * 500, "x" * lock.QUOTED_CHARACTERS),
    ],
)
def test_a_file_that_is_no_record_is_somebodys(tmp_path: Path, content: bytes, shown: str) -> None:
    """It is not free: it is shown, and watched as any other."""
    (tmp_path / "lock").write_bytes(content)
    found = told(tmp_path, lock.look_at_lock())
    assert not found.is_free
    assert shown in found.holder
    assert take(tmp_path, OWN, found).holder == OWN.holder


def test_what_cannot_be_read_is_no_answer(tmp_path: Path) -> None:
    """Neither is a link that leads nowhere: both are not free."""
    (tmp_path / "lock").mkdir()
    for script in (lock.look_at_lock(), scripts.take_lock(), scripts.renew_lock()):
        done = run(tmp_path, script, f"free\n{lock.record_on_node(OWN)}")
        assert done.returncode != 0
        assert b"Is a directory" in done.stderr
    (tmp_path / "lock").rmdir()
    (tmp_path / "lock").symlink_to("nowhere")
    assert run(tmp_path, lock.look_at_lock()).returncode != 0
