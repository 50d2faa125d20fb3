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
SERVICE_RESULT=$result EXIT_CODE=exited EXIT_STATUS=$status $at_end
rm "ROOT/$unit"
"""

SYSTEMCTL = """#!/bin/sh
case "$1" in
  is-active) [ -e "ROOT/$3" ] ;;
  show) echo inactive ;;
  stop) echo "$2" >> "ROOT/stopped" ;;
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
        self.dies = False
        for name, text in (("systemd-run", SYSTEMD_RUN), ("systemctl", SYSTEMCTL)):
            (root / "bin").mkdir(exist_ok=True)
            (root / "bin" / name).write_text(text.replace("ROOT", str(root)))
            (root / "bin" / name).chmod(0o755)

    def run(self, script: str, *, stdin: bytes = b"", check: bool = True, **_: object) -> Ran:
        """By its shell."""
        here = script.replace(JOBS, str(self.root / "jobs")).replace(SECRETS, str(self.root / "secrets"))
        env = {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C"}
        done = subprocess.run(["/bin/sh", "-c", here], input=stdin, capture_output=True, check=check, env=env)
        if self.dies:
            self.unit.unlink(missing_ok=True)
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
    with pytest.raises(CommandFailed, match=r"w1: job it failed \(exit-code,exited,3,\d+\): no -> all of its output"):
        node.job("echo no\nexit 3")
    with pytest.raises(NotYet, match="w1: job it: later"):
        node.job("echo later\nexit 75")
    assert node.job("echo yes").output == "yes\n"
    assert [each.name.split(".")[1] for each in (node.root / "jobs").glob("it.*")] == ["failed", "failed"]


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


def test_of_much_output_the_end_is_fetched(node: Node) -> None:
    """64 KiB of it; the file on the node has it all."""
    result = node.job("head -c 100000 /dev/zero | tr '\\0' x; echo END")
    assert (len(result.output), result.output_bytes) == (2**16, 100_004)
    assert result.output.endswith("xEND\n")


def test_jobs_are_stopped_by_a_pattern(node: Node) -> None:
    """Which no shell expands."""
    stop_job(cast("SshNode", node), "backup-it's-*")
    assert (node.root / "stopped").read_text() == "kube-runbooks-backup-it's-*.service\n"
