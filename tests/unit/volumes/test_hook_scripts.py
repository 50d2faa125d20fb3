"""The scripts that freeze and thaw: run by a shell, with a container runtime and a systemd that are programs of the test."""

from datetime import timedelta
from pathlib import Path

import pytest

from tasks.volumes.probes.hooks import Ended, parse_end
from tasks.volumes.scripts.hooks import (
    FOLDER,
    check_container,
    find_container,
    freeze_container,
    key_of,
    lines_of,
    thaw_container,
    words_of,
)
from tests.facts.node_folder import NodeFolder
from tests.facts.volumes import FREEZE, RUN

ID = FREEZE.container_id
KEY = key_of(FREEZE, RUN)
ENDPOINT = "unix:///run/c.sock"
CRICTL = f"""
case "$*" in
  *" ps "*) [ -e $ROOT/gone ] || echo {ID} ;;
  *" exec "*) echo secret; echo secret >&2; ;;
esac"""
CTR = f"""
case "$*" in
  *"tasks list"*) echo "TASK PID STATUS"; [ -e $ROOT/gone ] || echo "{ID} 12 RUNNING" ;;
esac"""
WORDS = words_of(FREEZE.freeze, FREEZE.thaw)


class Node(NodeFolder):
    """A node with a container runtime; `runs` is the program that asks it."""

    def __init__(self, folder: Path, runs: str = "crictl") -> None:
        super().__init__(folder)
        self.program(runs, {"crictl": CRICTL, "ctr": CTR}[runs])
        self.program("timeout", 'shift 2; exec "$@"')
        for name in ("systemd-run", "systemctl", "flock"):
            self.program(name)

    @property
    def frozen(self) -> Path:
        """Is there while the container may be frozen."""
        return self.root / "frozen" / KEY

    def do(self, script: str, stdin: bytes = b"", *, fail: int = 0) -> tuple[int, Ended | str]:
        """The status of a script, and what it says in the end."""
        done = self.run(script.replace(str(FOLDER), f"{self.root}/frozen"), stdin=stdin, fail=fail)
        assert "secret" not in done.stdout + done.stderr
        return done.returncode, parse_end(done.stdout)

    def freeze(self, *, fail: int = 0) -> tuple[int, Ended | str]:
        """By the command of the hook."""
        script = freeze_container(FREEZE, RUN, ENDPOINT, limit=FREEZE.limit, within=timedelta(seconds=9.5))
        return self.do(script, WORDS, fail=fail)

    def thaw(self, *, fail: int = 0) -> tuple[int, Ended | str]:
        """By the command of the hook."""
        return self.do(thaw_container(FREEZE, RUN, ENDPOINT), fail=fail)

    def has(self, name: str) -> None:
        """A file that changes what its programs say."""
        self.file(name)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """With crictl."""
    return Node(tmp_path)


def test_a_timer_thaws_before_anything_is_frozen(node: Node) -> None:
    """It runs the script that thaws, which the node keeps with the words of the command; nothing that a command prints is told."""
    assert node.freeze() == (0, Ended.FROZEN)
    timer, frozen = node.calls
    assert timer.startswith(f"systemd-run --quiet --collect --unit=kube-runbooks-thaw-{KEY} --on-active=30s ")
    assert timer.endswith(f"/bin/sh {node.frozen}/thaw")
    assert (
        frozen
        == f"crictl --runtime-endpoint={ENDPOINT} --timeout 9s exec --sync --timeout 9 {ID} mysql -e FLUSH TABLES; LOCK"
    )
    thaws = (node.frozen / "thaw").read_text()
    assert node.do(thaws) == (0, Ended.THAWED)
    assert any(call.endswith(f" {ID} sh -c it's a 'word'") for call in node.calls)
    assert f"systemctl stop kube-runbooks-thaw-{KEY}.timer" in node.calls
    assert not node.frozen.exists()
    assert node.thaw() == (0, Ended.THAWED_BEFORE)


def test_without_a_timer_nothing_is_frozen(node: Node) -> None:
    """No trace of the attempt is left, so the next one may try again."""
    status, _ = node.freeze(fail=1)
    assert (status, [call.partition(" ")[0] for call in node.calls]) == (1, ["systemd-run"])
    assert not node.frozen.exists()


def test_a_container_is_frozen_once(node: Node) -> None:
    """The second freeze of a run would have a timer of its own."""
    node.freeze()
    status, _ = node.freeze()
    assert (status, node.calls) == (1, [])


def test_another_run_does_not_freeze_the_same_container(node: Node) -> None:
    """The first one to thaw would thaw it for both. Another hook of the same run may."""
    node.freeze()
    script = freeze_container(FREEZE, RUN[::-1], ENDPOINT, limit=FREEZE.limit, within=FREEZE.limit)
    assert node.do(script, WORDS) == (0, Ended.BUSY)
    assert [one.name for one in node.frozen.parent.iterdir()] == [KEY]
    other = FREEZE.model_copy(update={"hook": "other"})
    script = freeze_container(other, RUN, ENDPOINT, limit=FREEZE.limit, within=FREEZE.limit)
    assert node.do(script, WORDS) == (0, Ended.FROZEN)


def test_a_command_that_fails_says_its_status_and_is_undone(node: Node) -> None:
    """If the other command fails too, nobody knows whether anything is frozen; it is not tried for ever."""
    assert node.freeze(fail=2) == (0, "status 9")
    assert node.thaw(fail=3) == (0, Ended.UNSURE)
    assert not node.frozen.exists()
    node.freeze(fail=2)
    assert node.thaw() == (0, Ended.THAWED)


def test_a_thaw_that_fails_is_tried_again(node: Node) -> None:
    """The folder stays, and with it the timer's service."""
    node.freeze()
    assert node.thaw(fail=3)[0] == 75
    assert node.frozen.exists()
    assert node.thaw(fail=2)[0] == 75
    assert node.thaw() == (0, Ended.THAWED)


def test_a_container_that_ended_is_not_frozen(node: Node) -> None:
    """Its folder goes without a command."""
    node.freeze()
    node.has("gone")
    assert node.thaw() == (0, Ended.GONE)
    assert not any(" exec " in call for call in node.calls)
    assert not node.frozen.exists()


def test_two_that_thaw_at_once_run_the_command_once(node: Node) -> None:
    """The second one waits for the first, and finds nothing to do."""
    node.freeze()
    node.program("flock", f"rm -r {node.frozen}")
    assert node.thaw() == (0, Ended.THAWED_BEFORE)


@pytest.mark.parametrize("runs", ["crictl", "ctr"])
def test_a_container_is_found_by_crictl_or_by_ctr(tmp_path: Path, runs: str) -> None:
    """ctr comes with containerd. A runtime that does not answer is no answer."""
    node = Node(tmp_path, runs)
    find = find_container(ID, ENDPOINT)
    assert node.do(find) == (0, Ended.RUNNING)
    assert node.do(find, fail=1)[0] == 75
    node.has("gone")
    assert node.do(find) == (0, Ended.GONE)


@pytest.mark.parametrize("runs", ["crictl", "ctr"])
def test_a_check_says_whether_its_command_succeeded(tmp_path: Path, runs: str) -> None:
    """Each word is one word for the command. A container that ended, and a runtime that is silent, prove nothing."""
    node = Node(tmp_path, runs)
    check, command = check_container(ID, ENDPOINT, within=timedelta(seconds=9)), ("sh", "-c", "it's a 'word'")
    assert node.do(check, lines_of(command)) == (0, Ended.PASSED)
    assert any(call.endswith(f" {ID} sh -c it's a 'word'") for call in node.calls)
    asked = sum(call.startswith((runs, "timeout")) for call in node.calls)
    assert node.do(check, lines_of(command), fail=asked) == (0, "status 9")
    assert node.do(check, lines_of(command), fail=1)[0] == 75
    node.has("gone")
    assert node.do(check, lines_of(command)) == (0, Ended.GONE)


def test_a_node_without_either_says_so(tmp_path: Path) -> None:
    """A container runtime that is another one cannot be asked."""
    node = Node(tmp_path)
    (tmp_path / "bin" / "crictl").unlink()
    assert node.do(find_container(ID, ""))[0] == 1


def test_ctr_freezes_and_thaws(tmp_path: Path) -> None:
    """With a limit by timeout, and by the socket of the kubelet's runtime."""
    node = Node(tmp_path, "ctr")
    assert node.freeze() == (0, Ended.FROZEN)
    execs = [call for call in node.calls if call.startswith("ctr ")]
    assert execs[-1].startswith("ctr --address=/run/c.sock --namespace k8s.io tasks exec --exec-id kube-runbooks-")
    assert execs[-1].endswith(f" {ID} mysql -e FLUSH TABLES; LOCK")
    assert node.thaw() == (0, Ended.THAWED)


@pytest.mark.parametrize(("status", "kills"), [(124, 1), (137, 1), (1, 0)], ids=["TERM", "KILL", "its own end"])
def test_what_ctr_leaves_in_the_container_after_the_limit_is_killed(tmp_path: Path, status: int, kills: int) -> None:
    """A command that ignores TERM could freeze the application after the thaw."""
    node = Node(tmp_path, "ctr")
    node.program("timeout", f'shift 2; "$@"; exit {status}')
    assert node.freeze() == (0, f"status {status}")
    (begun,) = [call.split() for call in node.calls if " tasks exec " in call and call.startswith("ctr ")]
    killed = [call for call in node.calls if " tasks kill " in call]
    name = begun[begun.index("--exec-id") + 1]
    address = "ctr --address=/run/c.sock --namespace k8s.io"
    assert killed == [f"{address} tasks kill --exec-id {name} --signal SIGKILL {ID}"] * kills
