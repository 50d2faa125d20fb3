"""Jobs on a node: their scripts run by a shell here; a systemd of a few lines starts what it is told, and knows what is at work."""

import os
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from tasks.clients.ssh import Job, JobResult, SshNode, run_job, stop_job
from tasks.clients.ssh.jobs import SECRETS
from tasks.core.errors import CommandFailed, NotYet
from tasks.core.models.folders import JOBS

FAILURES = Path(__file__).parents[1] / "data" / "failures"
"""What kubeadm 1.37.2, apt 2.6.1 and dpkg 1.21 printed when they failed."""

SYSTEMD_RUN = """#!/bin/sh
for word; do
  case "$word" in
    --unit=*) unit=${word#*=} ;;
    --property=StandardOutput=append:*) output=${word#*append:} ;;
    --property=ExecStopPost=*) at_end=${word#*=*=} ;;
  esac
done
touch "ROOT/$unit"
for begin; do :; done
/bin/sh -c "$begin" >> "$output" 2>&1
status=$?
result=success
[ $status -eq 0 ] || result=exit-code
code=exited
[ ! -e ROOT/end ] || . ROOT/end
SERVICE_RESULT=$result EXIT_CODE=$code EXIT_STATUS=$status $at_end
rm "ROOT/$unit"
"""

SYSTEMCTL = """#!/bin/sh
[ ! -e ROOT/silent ] || { echo "Failed to connect to bus: Connection timed out" >&2; exit 1; }
case "$1" in
  show) for unit; do :; done; [ -e "ROOT/$unit" ] && echo active || echo inactive ;;
  stop) echo "$2" >> "ROOT/stopped"; exit "$(cat ROOT/status)" ;;
esac
"""


@dataclass(frozen=True)
class Ran:
    """As `SshNode.run` gives it."""

    stdout: bytes
    status: int
    complaint: str


class Node:
    """This machine, with folders of its own for jobs."""

    name = "w1"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unit = root / "kube-runbooks-it.service"
        self.dies = self.falls_silent = False
        for name, text in (("systemd-run", SYSTEMD_RUN), ("systemctl", SYSTEMCTL)):
            (root / "bin").mkdir(exist_ok=True)
            (root / "bin" / name).write_text(text.replace("ROOT", str(root)))
            (root / "bin" / name).chmod(0o755)
        self.stops_with(0)

    def stops_with(self, status: int) -> None:
        """The status of `systemctl stop`."""
        (self.root / "status").write_text(str(status))

    def run(self, script: str, *, stdin: bytes = b"", check: bool = True, **_: object) -> Ran:
        """By its shell."""
        here = script.replace(JOBS, str(self.root / "jobs")).replace(SECRETS, str(self.root / "secrets"))
        env = {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C"}
        done = subprocess.run(["/bin/sh", "-c", here], input=stdin, capture_output=True, check=check, env=env)
        if self.dies:
            self.unit.unlink(missing_ok=True)
        if self.falls_silent:
            (self.root / "silent").touch()
        return Ran(done.stdout, done.returncode, done.stderr.decode())

    def job(self, command: str, stdin: bytes = b"") -> JobResult:
        """Runs one."""
        return run_job(cast("SshNode", self), Job("it", command, timedelta(minutes=1)), stdin=stdin)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """One without jobs."""
    return Node(tmp_path)


def test_a_job_says_what_its_command_printed_and_what_it_read_is_nowhere(node: Node) -> None:
    """Whatever is in the command; the same name is the same job afterwards."""
    command = "read -r word\nprintf '%s\\n' \"it's $(echo $word | wc -c) `echo 1` \\n\"\necho END >&2\nKUBE_RUNBOOKS=1"
    result = node.job(command, b"secret\n")
    assert result.output == "it's 7 1 \\n\nEND\n"
    assert (result.attached, result.output_bytes) == (False, len(result.output))
    assert list((node.root / "secrets").iterdir()) == []
    assert (node.root / "jobs/it/boot").read_text() == Path("/proc/sys/kernel/random/boot_id").read_text()
    assert node.job(command, b"secret\n").attached


def test_a_job_that_failed_is_begun_anew_and_its_folder_is_kept(node: Node) -> None:
    """The error has its last words; 75 is a job's own word for trying again."""
    where = "all of its output on w1: sudo less /var/lib/kube-runbooks/jobs/it/output"
    with pytest.raises(CommandFailed, match=rf"^w1: no \(job it, exit status 3\) -> {where}$"):
        node.job("echo no\nexit 3")
    with pytest.raises(NotYet, match=rf"^w1: later \(job it, exit status 75\) -> it is tried again; {where}$"):
        node.job("echo later\nexit 75")
    assert node.job("echo yes").output == "yes\n"
    assert [each.name.split(".")[1] for each in (node.root / "jobs").glob("it.*")] == ["failed", "failed"]


def test_a_job_that_failed_is_told_by_its_reason_with_its_last_lines_below(node: Node) -> None:
    """As kubeadm and dpkg print it; one that was stopped or killed is told as that."""
    preflight = FAILURES / "kubeadm-preflight.txt"
    with pytest.raises(CommandFailed) as failed:
        node.job(f"cat {preflight}; exit 1")
    first, title, *below = failed.value.problem.splitlines()
    assert first == (
        "w1: [ERROR ImagePull]: failed to pull image 127.0.0.1:5055/kube-apiserver:v1.37.2: … "
        "127.0.0.1:5055/kube-apiserver:v1.37.2: not found (and 6 more) (job it, exit status 1)"
    )
    assert (title, below) == ("the last lines of its output:", preflight.read_text().splitlines()[-10:])
    with pytest.raises(CommandFailed, match=r"^w1: job it failed with exit status 3 and printed nothing -> "):
        node.job("exit 3")
    (node.root / "end").write_text("result=signal code=killed status=KILL")
    with pytest.raises(CommandFailed, match=r"^w1: job it was killed .*\nthe last lines of its output:\nhalf -> "):
        node.job("echo half; exit 1")
    (node.root / "end").write_text("result=timeout code=killed status=TERM")
    with pytest.raises(CommandFailed, match=r"^w1: job it was stopped after its time limit of 1 min and printed noth"):
        node.job("exit 1")


def test_a_job_without_a_result_and_a_process_is_lost(node: Node) -> None:
    """The node died in the middle: told where it is found, and put aside where it is begun anew."""
    lost = node.root / "jobs" / "it"
    node.job("true")
    (lost / "result").unlink()
    node.unit.touch()
    node.dies = True  # while it is waited for
    with pytest.raises(NotYet, match="job it has neither a result nor a process"):
        node.job("true")
    node.dies = False
    assert not node.job("true").attached
    assert len(list((node.root / "jobs").glob("it.lost.*"))) == 1


@pytest.mark.parametrize("result", ["", "success exited 0 1764500000\n"])
def test_a_job_of_which_systemd_says_nothing_is_not_lost(node: Node, result: str) -> None:
    """It may run, so that it is neither begun a second time nor put aside; the next question attaches to it."""
    node.job("true")
    (node.root / "jobs/it/result").write_text(result) if result else (node.root / "jobs/it/result").unlink()
    (node.root / "silent").touch()
    with pytest.raises(NotYet, match="w1: systemd does not say whether job it runs: Failed to connect to bus: Conn"):
        node.job("true")
    assert [one.name for one in (node.root / "jobs").glob("it*")] == ["it"]
    (node.root / "silent").unlink()
    node.unit.touch()
    (node.root / "jobs/it/result").write_text("success exited 0 1764500000\n")
    assert node.job("true").attached


def test_a_job_whose_systemd_falls_silent_while_it_is_waited_for_goes_on(node: Node) -> None:
    """That is no loss, and nothing is judged by it."""
    node.job("true")
    (node.root / "jobs/it/result").unlink()
    node.unit.touch()
    node.falls_silent = True
    with pytest.raises(NotYet, match="w1: systemd does not say whether job it runs"):
        node.job("true")


STAT = """#!/bin/sh
size=$(/usr/bin/stat "$@")
[ ! -e ROOT/looked ] || [ -e ROOT/jobs/it/result ] || echo "success exited 0 1764500000" > ROOT/jobs/it/result
touch ROOT/looked
echo "$size"
"""


def test_a_job_that_ends_while_it_is_looked_at_ends_with_the_next_look(node: Node) -> None:
    """Its result comes after the look has found it at work, and before it has said so."""
    node.job("echo out")
    (node.root / "jobs/it/result").unlink()
    node.unit.touch()
    (node.root / "bin/stat").write_text(STAT.replace("ROOT", str(node.root)))
    (node.root / "bin/stat").chmod(0o755)
    result = node.job("echo out")
    assert (result.output, result.attached) == ("out\n", True)


def test_of_much_output_the_end_is_fetched(node: Node) -> None:
    """64 KiB of it; the file on the node has it all."""
    result = node.job("head -c 100000 /dev/zero | tr '\\0' x; echo END")
    assert (len(result.output), result.output_bytes) == (2**16, 100_004)
    assert result.output.endswith("xEND\n")


def test_jobs_are_stopped_by_a_pattern(node: Node) -> None:
    """Which no shell expands."""
    stop_job(cast("SshNode", node), "backup-it's-*")
    assert (node.root / "stopped").read_text() == "kube-runbooks-backup-it's-*.service\n"


def test_a_job_that_is_not_there_is_stopped_and_one_that_does_not_stop_is_no_success(node: Node) -> None:
    """By systemctl's status."""
    node.stops_with(5)
    stop_job(cast("SshNode", node), "it")
    node.stops_with(1)
    with pytest.raises(CommandFailed, match="w1: job it cannot be stopped: status 1"):
        stop_job(cast("SshNode", node), "it")


@pytest.mark.parametrize("result", ["", "success exited 0", "\0\0\0"])
def test_a_result_that_a_power_cut_left_is_no_result(node: Node, result: str) -> None:
    """What the node says is read whole or not at all; the next try begins the job anew where it did not succeed."""
    node.job("true")
    (node.root / "jobs/it/result").write_text(result)
    node.unit.touch()  # so that it is attached to
    with pytest.raises(NotYet, match="w1: what the node says of job it could not be parsed: b'ended "):
        node.job("true")
