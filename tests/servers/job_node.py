"""A node on loopback for remote jobs, without systemd and without root: a real sshd, whose commands see folders of the test.

What a runbook sends is run by this machine's shell. The folders of runs, and the boot id, are files of the test. A systemd of a few
lines starts jobs as processes of their own, which outlive their connection, and stops them.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tasks.clients.ssh.jobs import SECRETS
from tasks.core.models.folders import BACKUPS, JOBS
from tasks.volumes.models import places
from tests.servers.sshd import Sshd

STATE = str(Path(JOBS).parent)
BOOT_ID = "/proc/sys/kernel/random/boot_id"

AS_NODE = """#!/bin/sh
# Runs what sshd was asked for. The last word is a script in base64: paths of a node become paths of the test.
eval "set -- $SSH_ORIGINAL_COMMAND"
left=$#
for word; do
  shift
  left=$((left - 1))
  case "$word" in PATH=*) word="PATH=ROOT/bin:${word#PATH=}" ;; esac
  [ "$left" -ne 0 ] || word=$(echo "$word" | base64 -d | sed "s#%s#ROOT/state#g; s#%s#ROOT/secrets#g; s#%s#ROOT/boot_id#g" | base64 -w0)
  set -- "$@" "$word"
done
exec "$@"
""" % (STATE, SECRETS, BOOT_ID)  # noqa: UP031 - braces are the shell's

SYSTEMD_RUN = """#!/bin/sh
for word; do
  case "$word" in
    --unit=*) unit=${word#*=} ;;
    --property=StandardOutput=append:*) output=${word#*append:} ;;
    --property=ExecStopPost=*) at_end=${word#*=*=} ;;
  esac
done
for begin; do :; done
setsid ROOT/bin/unit "$unit" "$output" "$at_end" "$begin" < /dev/null > /dev/null 2>&1 9>&- &
while [ ! -e "ROOT/units/$unit" ] && [ ! -e "${at_end#* }.done" ]; do sleep 0.02; done
"""

UNIT = """#!/bin/sh
# UNIT OUTPUT AT_END BEGIN
setsid /bin/sh -c "$4" >> "$2" 2>&1 &
child=$!
echo "$child" > "ROOT/units/.new.$1"
mv "ROOT/units/.new.$1" "ROOT/units/$1"
wait "$child"
status=$?
result=success code=exited
[ "$status" -eq 0 ] || result=exit-code
[ "$status" -le 128 ] || { result=signal code=killed; }
SERVICE_RESULT=$result EXIT_CODE=$code EXIT_STATUS=$status $3
touch "${3#* }.done"
rm "ROOT/units/$1"
"""

SYSTEMCTL = """#!/bin/sh
case "$1" in
  show)
    for unit; do :; done
    case "$*" in
      *MainPID*) cat "ROOT/pids/$unit" 2> /dev/null || echo 0 ;;
      *Environment*) ;;
      *) [ -e "ROOT/units/$unit" ] && echo active || echo inactive ;;
    esac
    ;;
  stop)
    for file in ROOT/units/$2; do
      pid=$(cat "$file") || continue
      kill -TERM -- "-$pid"
      tries=0
      while [ -e "$file" ] && [ "$tries" -lt 500 ]; do
        sleep 0.02
        tries=$((tries + 1))
      done
      [ ! -e "$file" ] || kill -KILL -- "-$pid"
    done
    exit 0
    ;;
esac
"""

CURL = """#!/bin/sh
# Keeps what anybody on the node could read: its arguments.
echo "$@" >> ROOT/arguments
exec REAL "$@"
"""


class JobNode(Sshd):
    """A context manager, as `Sshd`. Its jobs are stopped with it."""

    def __init__(self, folder: Path, boot_id: str) -> None:
        self.root = folder
        self.state = folder / "state"
        for made in (folder / "bin", folder / "units", folder / "pids", self.state, folder / "secrets"):
            made.mkdir(parents=True)
        (folder / "boot_id").write_text(f"{boot_id}\n")
        programs = {"systemd-run": SYSTEMD_RUN, "systemctl": SYSTEMCTL, "unit": UNIT, "curl": CURL}
        for name, text in {**{f"bin/{name}": text for name, text in programs.items()}, "as_node": AS_NODE}.items():
            (folder / name).write_text(text.replace("ROOT", str(folder)).replace("REAL", str(shutil.which("curl"))))
            (folder / name).chmod(0o755)
        super().__init__(folder / "sshd", f"ForceCommand /bin/sh {folder}/as_node")

    @property
    def backups(self) -> Path:
        """Where jobs keep what is not sent yet."""
        return self.state / Path(BACKUPS).name

    def stop(self) -> None:
        """With all jobs."""
        self.stop_jobs()
        super().stop()

    def stop_jobs(self) -> None:
        """All that run."""
        subprocess.run([self.root / "bin/systemctl", "stop", "*"], check=True, env={"PATH": os.environ["PATH"]})

    def units(self) -> list[str]:
        """That run now."""
        return sorted(one.name for one in (self.root / "units").glob("kube-runbooks-*"))

    def texts(self) -> str:
        """All that is on the disk of the node about its jobs, and the arguments of what used the network."""
        files = [one for one in self.state.rglob("*") if one.is_file()]
        arguments = self.root / "arguments"
        return "".join(
            one.read_text(errors="replace") for one in [*files, *([arguments] if arguments.exists() else [])]
        )


def may_be_full(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """This machine's own file systems, which may be full, count as none of the node's: only that of a folder that is not there."""
    monkeypatch.setattr(places, "OF_KUBELET", (str(folder / "kubelet"),))
    monkeypatch.setattr(places, "OF_IMAGES", ())
