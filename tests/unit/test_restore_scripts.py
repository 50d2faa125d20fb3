"""The scripts that swap data directories, run for real on folders: cut off at any command, they come to the same end."""

import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tasks.models.restore import RestorePlan, RestoreTarget
from tasks.probes import restore
from tests.unit.test_restore import facts, member, node, plan


class Machine:
    """A folder with an etcd data directory, a new one beside it, and the programs that a script calls."""

    def __init__(self, folder: Path, *, is_mount: bool, old: bool) -> None:
        self.folder = folder
        self.data, self.work = folder / "etcd", folder / "work"
        self.work.mkdir()
        if is_mount or old:
            self.data.mkdir()
        if old:
            (self.data / "member").mkdir()
            (self.data / "member" / "db").write_text("old")
        made: RestorePlan = plan(
            facts(node("cp1", member=member("cp1", data_dir=PurePosixPath(self.data), is_mount=is_mount)))
        )
        self.plan, self.target = made, RestoreTarget.model_validate(made.targets[0])
        new = Path(restore.new_folder(self.target.member, made.id))
        (new / "member").mkdir(parents=True)
        (new / "member" / "db").write_text("new")
        (new / "ready").write_text(f"{made.id} {made.backup} {made.initial_cluster}\n")
        self.kept = Path(restore.kept_folder(self.target.member, made.id))

    def run(self, script: str, *, commands: int | None = None) -> int:
        """Its status; with `commands` it dies right before its n-th command that changes anything."""
        count = self.folder / "count"
        count.write_text("0")
        guard = (
            f"n() {{ c=$(($(cat {count}) + 1)); echo $c > {count}; [ $c -lt {commands or 1000} ] || kill -9 $$; }}\n"
            'for p in mv mkdir rm sync; do eval "$p() { n; command $p \\"\\$@\\"; }"; done\nsystemctl() { false; }\n'
        )
        text = guard + script.replace("/var/lib/kube-runbooks/restore", str(self.work)).replace(
            "/proc/1/", "/proc/self/"
        )
        return subprocess.run(["bash", "-c", text], capture_output=True, check=False).returncode

    @property
    def now(self) -> str:
        """What etcd would start on."""
        return (self.data / "member" / "db").read_text()


KINDS = pytest.mark.parametrize(
    ("is_mount", "old"), [(True, True), (True, False), (False, True), (False, False)], ids=str
)


@KINDS
@pytest.mark.parametrize("commands", range(1, 9))
def test_a_swap_that_was_cut_off_is_finished_by_the_next_one(
    tmp_path: Path, commands: int, *, is_mount: bool, old: bool
) -> None:
    """The new data is in place, the old one is kept, nothing else is left."""
    machine = Machine(tmp_path, is_mount=is_mount, old=old)
    script = restore.swap(machine.plan, machine.target)
    machine.run(script, commands=commands)
    assert machine.run(script) == 0
    assert machine.run(script) == 0
    assert machine.now == "new"
    assert not Path(restore.new_folder(machine.target.member, machine.plan.id)).exists()
    if old:
        assert (machine.kept / "member" / "db").read_text() == "old"


@pytest.mark.parametrize("is_mount", [True, False])
@pytest.mark.parametrize("commands", range(1, 7))
def test_a_swap_is_taken_back_also_when_either_was_cut_off(tmp_path: Path, commands: int, *, is_mount: bool) -> None:
    """The old data is in its place as if nothing had been."""
    machine = Machine(tmp_path, is_mount=is_mount, old=True)
    machine.run(restore.swap(machine.plan, machine.target), commands=commands)
    back = restore.swap_back(machine.plan.id, machine.target.member)
    machine.run(back, commands=commands)
    assert machine.run(back) == 0
    assert machine.now == "old"
    assert not machine.kept.exists()


def test_data_that_is_not_ready_is_not_put_in_place(tmp_path: Path) -> None:
    """Neither none, nor that of another restore."""
    machine = Machine(tmp_path, is_mount=True, old=True)
    new = Path(restore.new_folder(machine.target.member, machine.plan.id))
    (new / "ready").write_text("another\n")
    assert machine.run(restore.swap(machine.plan, machine.target)) == 1
    assert machine.now == "old"
