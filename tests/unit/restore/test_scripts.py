"""The scripts that swap data directories, run for real on folders: cut off at any command, they come to the same end."""

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path, PurePosixPath

import pytest

from tasks.backup.models.backups import Digest
from tasks.control_plane.models import ControlPlaneNode, Phase
from tasks.control_plane.probes import look as control_plane
from tasks.restore import scripts as restore
from tasks.restore.models import RestorePlan, RestoreTarget, aside_folder, kept_folder, restored_folder
from tasks.restore.policy.acts import etcdutl_words
from tests.facts.restore import backup, facts, member, node, plan
from tests.facts.shapes import shape_of


class Machine:
    """A folder with an etcd data directory, a new one beside it, and the programs that a script calls."""

    def __init__(self, folder: Path, *, is_mount: bool, old: bool) -> None:
        self.folder, self.stops = folder, 0
        self.data, self.work = folder / "etcd", folder / "work"
        self.work.mkdir()
        self.proc = folder / "proc"
        (self.proc / "1").mkdir(parents=True)
        (self.proc / "1" / "mountinfo").touch()
        if is_mount or old:
            self.data.mkdir()
        if old:
            (self.data / "member").mkdir()
            (self.data / "member" / "db").write_text("old")
        self.node = node("cp1", member=member("cp1", data_dir=PurePosixPath(self.data), is_mount=is_mount))
        self.attempt(plan(facts(self.node)))
        self.kept = Path(kept_folder(self.target.member, self.plan.id))

    def attempt(self, made: RestorePlan) -> None:
        """The plan of an attempt, for which all is prepared."""
        self.plan, self.target = made, RestoreTarget.model_validate(made.targets[0])
        self.prepared(made)

    def prepared(self, made: RestorePlan) -> None:
        """As the job leaves it."""
        new = Path(restored_folder(self.target.member, made.id))
        (new / "member").mkdir(parents=True, exist_ok=True)
        (new / "member" / "db").write_text(f"new {made.id}")
        (new / "ready").write_text(f"{made.id} {made.backup} {made.initial_cluster}\n")

    def attempt_again(self, run: str) -> None:
        """Another one, because the members are others now."""
        before = self.plan.record.model_copy(update={"members": ("cp1", "cp2"), "phase": Phase.SWAPPED})
        self.attempt(plan(facts(self.node.model_copy(update={"record": before})), restore_id=run))

    def run(self, script: str, *, commands: int | None = None, stdin: str = "") -> int:
        """Its status; with `commands` it dies right before its n-th command that changes anything."""
        count = self.folder / "count"
        count.write_text("0")
        guard = (
            f'systemctl() {{ echo "$*" >> {self.folder}/systemctl; case "$*" in *MainPID*) echo 0 ;; *LoadState*) echo not-found ;; '
            f"stop*) return {self.stops} ;; esac; }}\n"
            f"n() {{ c=$(($(cat {count}) + 1)); echo $c > {count}; [ $c -lt {commands or 1000} ] || kill -9 $$; }}\n"
            'for p in mv mkdir rm rmdir touch sync; do eval "$p() { n; command $p \\"\\$@\\"; }"; done\n'
        )
        script = script.replace("/var/lib/kube-runbooks/jobs", str(self.folder / "jobs"))
        script = script.replace("/proc/", f"{self.proc}/")  # another cluster may run on this machine
        text = guard + script.replace("/var/lib/kube-runbooks/restore", str(self.work))
        done = subprocess.run(["sh", "-c", text], input=stdin, capture_output=True, text=True, check=False)
        self.told, self.complained, self.commands = done.stdout, done.stderr, int(count.read_text())
        return done.returncode

    @property
    def asked_of_systemd(self) -> list[str]:
        """Each command."""
        told = (self.folder / "systemctl").read_text().splitlines()
        return [line for line in told if not line.startswith("show ")]

    @property
    def found(self) -> ControlPlaneNode:
        """What a later run observes."""
        self.run(control_plane.look(shape_of().kubelet.manifests, shape_of().parked))
        return control_plane.parse("cp1", self.told.encode()).node

    @property
    def now(self) -> str:
        """What etcd would start on."""
        return (self.data / "member" / "db").read_text()


KINDS = pytest.mark.parametrize(
    ("is_mount", "old"), [(True, True), (True, False), (False, True), (False, False)], ids=str
)


SWAP, BACK = range(1, 11), range(1, 14)
"""The commands before which a swap and a rollback are cut off: each that they have."""


@KINDS
def test_the_cuts_are_before_every_command(tmp_path: Path, *, is_mount: bool, old: bool) -> None:
    """A script that has got more of them needs more cuts."""
    machine = Machine(tmp_path, is_mount=is_mount, old=old)
    assert machine.run(restore.swap(machine.plan, machine.target)) == 0
    assert 1 < machine.commands <= len(SWAP)
    assert machine.run(restore.swap_back(machine.plan.record.attempts, machine.target.member)) == 0
    assert 1 < machine.commands <= len(BACK)


@KINDS
@pytest.mark.parametrize("commands", SWAP)
def test_a_swap_that_was_cut_off_is_finished_by_the_next_one(
    tmp_path: Path, commands: int, *, is_mount: bool, old: bool
) -> None:
    """The new data is in place, the old one is kept, nothing else is left."""
    machine = Machine(tmp_path, is_mount=is_mount, old=old)
    script = restore.swap(machine.plan, machine.target)
    machine.run(script, commands=commands)
    assert machine.run(script) == 0, machine.complained
    assert machine.run(script) == 0
    assert machine.now == "new 11111111"
    assert not Path(restored_folder(machine.target.member, machine.plan.id)).exists()
    if old:
        assert (machine.kept / "member" / "db").read_text() == "old"


@pytest.mark.parametrize("is_mount", [True, False])
@pytest.mark.parametrize("commands", SWAP)
def test_a_swap_is_taken_back_also_when_either_was_cut_off(tmp_path: Path, commands: int, *, is_mount: bool) -> None:
    """The old data is in its place as if nothing had been."""
    machine = Machine(tmp_path, is_mount=is_mount, old=True)
    machine.run(restore.swap(machine.plan, machine.target), commands=commands)
    back = restore.swap_back(machine.plan.record.attempts, machine.target.member)
    machine.run(back, commands=commands)
    assert machine.run(back) == 0
    assert machine.now == "old"
    assert not machine.kept.exists()


def test_data_that_is_not_ready_is_not_put_in_place(tmp_path: Path) -> None:
    """Neither none, nor that of another restore."""
    machine = Machine(tmp_path, is_mount=True, old=True)
    new = Path(restored_folder(machine.target.member, machine.plan.id))
    (new / "ready").write_text("another\n")
    assert machine.run(restore.swap(machine.plan, machine.target)) == 1
    assert machine.now == "old"


@pytest.mark.parametrize("is_mount", [True, False])
@pytest.mark.parametrize("first", range(1, 9))
@pytest.mark.parametrize("second", [1, 4, 6, 20])
def test_the_original_data_is_put_back_after_any_number_of_attempts(
    tmp_path: Path, first: int, second: int, *, is_mount: bool
) -> None:
    """Each attempt and the rollback cut off at any command; what an attempt had restored is kept, and named."""
    machine = Machine(tmp_path, is_mount=is_mount, old=True)
    machine.run(restore.swap(machine.plan, machine.target), commands=first)
    machine.attempt_again("33333333")
    machine.run(restore.swap(machine.plan, machine.target), commands=second)
    machine.attempt_again("44444444")
    assert machine.run(restore.swap(machine.plan, machine.target)) == 0
    assert machine.now == "new 44444444"
    back = restore.swap_back(machine.plan.record.attempts, machine.target.member)
    machine.run(back, commands=(first * 5 + second) % 20 + 1)
    assert machine.run(back) == 0
    assert machine.now == "old"
    left = {path.name.rpartition(".")[2] for path in tmp_path.rglob("*-????????") if path.is_dir()}
    assert left <= {"attempt-33333333", "attempt-44444444"}
    assert machine.run(back) == 0
    assert machine.now == "old"
    assert all(folder in machine.told for folder in left)


@pytest.mark.parametrize("is_mount", [True, False])
@pytest.mark.parametrize("commands", BACK)
def test_a_rollback_that_was_cut_off_may_be_followed_by_the_restore_or_by_itself(
    tmp_path: Path, commands: int, *, is_mount: bool
) -> None:
    """What the restore finds then is prepared from the start, and the original is still the original."""
    machine = Machine(tmp_path, is_mount=is_mount, old=True)
    swap = restore.swap(machine.plan, machine.target)
    back = restore.swap_back(machine.plan.record.attempts, machine.target.member)
    machine.run(swap)
    machine.run(back, commands=commands)
    if not (machine.work / f"{machine.plan.id}.phase").exists():
        machine.prepared(machine.plan)
    assert machine.run(swap) == 0
    assert machine.now == "new 11111111"
    assert machine.run(back) == 0
    assert machine.now == "old"


@pytest.mark.parametrize("is_mount", [True, False])
def test_where_there_was_no_data_the_restored_data_stays_and_is_not_taken_for_the_original(
    tmp_path: Path, *, is_mount: bool
) -> None:
    """A machine with a new disk; and nothing is left of the note that there was none."""
    machine = Machine(tmp_path, is_mount=is_mount, old=False)
    machine.run(restore.swap(machine.plan, machine.target))
    machine.attempt_again("33333333")
    machine.run(restore.swap(machine.plan, machine.target))
    assert machine.run(restore.swap_back(machine.plan.record.attempts, machine.target.member)) == 0
    assert machine.now == "new 33333333"
    assert "nothing" in machine.told
    assert not list(tmp_path.rglob("*before-*"))


@KINDS
def test_the_end_names_what_is_kept(tmp_path: Path, *, is_mount: bool, old: bool) -> None:
    """The original of the first attempt, what the first one had restored, and no empty folder."""
    machine = Machine(tmp_path, is_mount=is_mount, old=old)
    machine.run(restore.swap(machine.plan, machine.target))
    machine.attempt_again("33333333")
    machine.run(restore.swap(machine.plan, machine.target))
    assert machine.run(restore.end(machine.plan.record, machine.target.member)) == 0
    originals, of_attempts, _ = restore.parse_kept(machine.told.encode())
    assert originals == ((str(machine.kept),) if old else ())
    assert of_attempts == (str(aside_folder(machine.target.member, "33333333")),)
    assert {path.name for path in machine.work.iterdir()} == {"11111111.ended", "11111111.over"}
    assert machine.kept.exists() == old
    assert machine.run(restore.end(machine.plan.record)) == 0


def test_an_attempt_ends_the_job_of_the_one_before_and_clears_what_it_had_prepared(tmp_path: Path) -> None:
    """They would write into one folder; a job of its own goes on."""
    machine = Machine(tmp_path, is_mount=False, old=True)
    prepared = Path(restored_folder(machine.target.member, machine.plan.id))
    machine.attempt_again("33333333")
    script = restore.prepare(machine.plan, machine.target, backup(), ["true"])
    assert machine.run(script) == 0, machine.complained
    assert machine.asked_of_systemd == ["stop kube-runbooks-restore-11111111-*.service"]
    assert not prepared.exists()
    assert (machine.work / "33333333.phase").read_text().strip() == "prepared"


@pytest.mark.parametrize(("stops", "status"), [(5, 0), (1, 1)])
def test_nothing_is_cleared_under_a_job_that_does_not_stop(tmp_path: Path, stops: int, status: int) -> None:
    """It would go on writing into the folder. That there is none (5) is fine."""
    machine = Machine(tmp_path, is_mount=False, old=True)
    prepared = Path(restored_folder(machine.target.member, machine.plan.id))
    machine.attempt_again("33333333")
    machine.stops = stops
    assert machine.run(restore.prepare(machine.plan, machine.target, backup(), ["true"])) == status
    assert prepared.exists() is (status == 1)


def test_a_phase_that_cannot_be_read_is_not_one_that_was_never_reached(tmp_path: Path) -> None:
    """What is in its place already would be moved away as the data from before."""
    machine = Machine(tmp_path, is_mount=False, old=True)
    (machine.work / f"{machine.plan.id}.phase").mkdir()
    assert machine.run(restore.swap(machine.plan, machine.target)) != 0
    assert machine.now == "old"
    assert machine.run(restore.prepare(machine.plan, machine.target, backup(), ["true"])) != 0


def test_a_rollback_forgets_its_attempts_and_keeps_one_on_which_api_servers_have_run(tmp_path: Path) -> None:
    """That one is under way as it was before."""
    machine = Machine(tmp_path, is_mount=False, old=True)
    served = machine.plan.record.model_copy(update={"members": ("cp1", "cp2"), "phase": Phase.SERVING})
    machine.run(restore.mark(Phase.SERVING, served))
    machine.attempt(plan(facts(machine.node.model_copy(update={"record": served})), restore_id="33333333"))
    machine.run(restore.mark(Phase.SWAPPED, machine.plan.record))
    assert machine.found.record == machine.plan.record.model_copy(update={"phase": Phase.SWAPPED})
    assert machine.run(restore.forget(machine.plan.record)) == 0
    assert machine.run(restore.close(machine.plan.record)) == 0
    assert (machine.found.record, machine.found.over) == (served, ("33333333",))
    machine.run(restore.forget(served))
    assert machine.found.record is None


ETCDUTL = """#!/bin/sh
printf '%s\\n' "$0" "$@" > "${0%/*}/told"
while [ "$1" != --data-dir ]; do shift; done
mkdir -p "$2/member"
cp snapshot.db "$2/member/db"
echo restored
"""


class Download:
    """A snapshot in a store, and a machine that has nothing of it yet, with an etcdutl that says what it was told."""

    def __init__(self, folder: Path, *, is_mount: bool, snapshot: bytes = b"new 11111111") -> None:
        self.machine = Machine(folder, is_mount=is_mount, old=True)
        (folder / "tools").mkdir()
        (folder / "tools" / "etcdutl").write_text(ETCDUTL)
        (folder / "tools" / "etcdutl").chmod(0o755)
        peer = "https://[fd00::1]:2380"
        owner = f"{os.getuid()}:{os.getgid()}"
        own = self.machine.node.model_copy(
            update={
                "tools": str(folder / "tools"),
                "member": member(
                    "cp1", data_dir=PurePosixPath(self.machine.data), is_mount=is_mount, owner=owner, peer_url=peer
                ),
            }
        )
        self.machine.attempt(plan(facts(own)))
        self.restored = Path(restored_folder(self.machine.target.member, self.machine.plan.id))
        shutil.rmtree(self.restored)
        self.object = folder / "object"
        self.object.write_bytes(subprocess.run(["zstd", "-qc"], input=snapshot, capture_output=True, check=True).stdout)
        sums = {"stored": self.object.read_bytes(), "plain": snapshot}
        digests = {name: Digest(size=len(text), sha256=sha256(text).hexdigest()) for name, text in sums.items()}
        found = backup()
        self.backup = found.model_copy(update={"snapshot": found.snapshot.model_copy(update=digests)})
        self.words = etcdutl_words(self.machine.plan, self.machine.target)

    def prepare(self, commands: int | None = None) -> int:
        """As the job does it."""
        script = restore.prepare(self.machine.plan, self.machine.target, self.backup, self.words)
        return self.machine.run(script, commands=commands, stdin=f"-\nfile://{self.object}\n")


@pytest.mark.parametrize("is_mount", [True, False])
@pytest.mark.parametrize("commands", range(1, 16))
def test_a_snapshot_is_fetched_checked_and_restored_beside_the_data(
    tmp_path: Path, commands: int, *, is_mount: bool
) -> None:
    """Also by a job after one that was cut off; a second one has nothing to do."""
    download = Download(tmp_path, is_mount=is_mount)
    download.prepare(commands)
    assert download.prepare() == 0, download.machine.complained
    assert not (download.machine.work / "download").exists()  # it holds the cluster's secrets in plain
    assert (tmp_path / "tools" / "told").read_text().splitlines() == list(download.words)
    assert (download.restored / "member" / "db").read_text() == "new 11111111"
    assert download.machine.now == "old"
    download.object.unlink()
    assert download.prepare() == 0
    assert download.machine.found.record == download.machine.plan.record.model_copy(update={"phase": Phase.PREPARED})
    assert download.machine.run(restore.swap(download.machine.plan, download.machine.target)) == 0
    assert download.machine.now == "new 11111111"
    assert (download.prepare(), download.machine.told) == (0, "prepared before\n")


def test_nothing_of_a_download_stays_and_the_cuts_are_before_every_command(tmp_path: Path) -> None:
    """A script that has got more of them needs more cuts."""
    download = Download(tmp_path, is_mount=False)
    assert download.prepare() == 0
    assert not (download.machine.work / "download").exists()
    assert 1 < download.machine.commands < 16


@pytest.mark.parametrize(
    ("what", "status", "told"),
    [
        ("stored", 1, "the stored object has sha256 "),
        ("plain", 1, "the snapshot.db object has sha256 "),
        ("", 75, ""),
    ],
)
def test_a_snapshot_that_is_not_the_backups_or_not_there_is_not_restored(
    tmp_path: Path, what: str, status: int, told: str
) -> None:
    """A store that does not answer may be asked again: status 75."""
    download = Download(tmp_path, is_mount=False)
    if what:
        snapshot = download.backup.snapshot
        wrong = snapshot.model_copy(update={what: Digest(size=1, sha256="0" * 64)})
        download.backup = download.backup.model_copy(update={"snapshot": wrong})
    else:
        download.object.unlink()
    assert download.prepare() == status
    assert download.machine.told.startswith(told)
    assert not download.restored.exists()
    assert not (download.machine.work / "download").exists()
    assert not (download.machine.work / "11111111.phase").exists()
