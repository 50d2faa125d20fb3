"""Runs long commands on a node as transient systemd units: they outlive the connection, the worker and a reboot.

A job has a folder of its own, `/var/lib/kube-runbooks/jobs/NAME/{command,output,result,boot}`. It is created
under a lock, so that a job is never started twice. The output goes into one file. systemd writes the result
into another when the unit stops. A run that finds the folder attaches to the job. If a folder has no result and
no unit, the node or the start failed in the middle: the outcome is unknown.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from tasks.clients.ssh.node import SshNode
from tasks.core.errors import CommandFailed, NotYet
from tasks.core.models.base import Model, UtcTime
from tasks.core.models.folders import JOBS
from tasks.core.probes.failures import COLOURS, reason_of
from tasks.core.shell import script
from tasks.core.waits import Wait
from tasks.core.words import duration_in_words

log = logging.getLogger("kube_runbooks.ssh")

SECRETS = "/run/kube-runbooks"
"""This folder is in memory (tmpfs).

It holds what a job reads from its standard input, and the file is removed as soon as it is open.
"""

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,100}")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

NODE_LIMIT = timedelta(seconds=30)
"""Limits each answer of the node; it is longer than the node waits for news of a job."""

LOOK_SECONDS = 10
"""Limits how long the node waits for news before it answers that there are none."""

PIECE_BYTES = 2**16
"""Limits how many bytes of output are fetched at once.

If there is more, only the end is fetched: the file on the node has everything.
"""

LAST_LINES, TAIL_BYTES, LINE_BYTES = 10, 4096, 200
"""These constants limit how much of a failed job's output its error quotes."""

LOOK = re.compile(rb"(running|lost|none|unknown) (-) (\d+)|(ended) ((?:[\w+-]*,){3}\d+) (\d+)")
"""Matches the first line that look_at_job.sh prints."""

KEEP_DAYS = 30
STOP_SECONDS = 10
"""This is the time between TERM and KILL, in seconds, for the whole group of a job that has exceeded its time."""


NO_SUCH_UNIT = 5
"""This is systemctl's status for a unit that does not exist: LSB's "not installed"."""

TEMPORARY_FAILURE = 75
"""This is EX_TEMPFAIL of sysexits.h."""


class JobEnd(StrEnum):
    """This is how a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    KILLED = "killed"


class JobResult(Model):
    """This is the result of a job that succeeded."""

    name: str
    output: str
    """It holds the last 64 KiB of the output."""
    output_bytes: int
    ended_at: UtcTime
    attached: bool
    """True if an earlier attempt had started the job."""


@dataclass(frozen=True)
class Job:
    """This is a line or a script of shell that runs as root.

    Its name says what it is about: the same name is the same job.
    """

    name: str
    command: str
    limit: timedelta
    """It limits the job: after this time, its whole group of processes is stopped."""
    nice: int = 0
    """It is 10 for work that must not slow down the node."""

    def __post_init__(self) -> None:
        """Raises ValueError if the name is not valid for a unit."""
        if not NAME.fullmatch(self.name):
            message = f"{self.name!r} is no name of a job: use a-z, 0-9 and -"
            raise ValueError(message)

    @property
    def unit(self) -> str:
        """Returns the name of its systemd unit."""
        return f"kube-runbooks-{self.name}.service"

    @property
    def folder(self) -> str:
        """Returns its folder on the node."""
        return f"{JOBS}/{self.name}"


@dataclass(frozen=True)
class _Look:
    """This is what the node reports of a job: its state, its end, and a piece of its output.

    The state is `running`, `ended`, `lost`, `none` or `unknown`. If it is `unknown`, the piece says why. `end` is `-`
    unless the state is `ended`.
    """

    state: str
    end: str
    size: int
    piece: bytes


def run_job(
    node: SshNode, job: Job, *, stdin: bytes = b"", on_output: Callable[[str], object] = lambda _: None
) -> JobResult:
    """Starts a job, or attaches to it if it runs or has already succeeded, and waits for its end.

    A job that failed, or that a failed node left without a result, is set aside (its folder is kept) and started
    again. So its work must be safe to repeat. `stdin` may hold secrets: it is never on a disk, in an argument or in
    a log.

    Raises:
        CommandFailed: the job failed now: its status, or its time was up, or somebody stopped it; with the last output.
        NotYet: its status was 75, by which a job says that trying again may help. Or the node cannot be reached: the job
            continues, and the next call attaches to it.
    """
    attached = not _start(node, job, stdin)
    if attached:
        log.info("%s: job %s is there already: attached", node.name, job.name)
    offset, tail = 0, b""
    with Wait(f"job {job.name} to end", job.limit, about=node.name) as wait:
        while True:
            look = _look(node, job, offset)
            if look.state == "unknown":
                raise _unknown(node, job, look.piece)
            offset = look.size
            tail = (tail + look.piece)[-PIECE_BYTES:]
            if look.piece:
                on_output(look.piece.decode(errors="replace"))
            if look.state == "ended":
                break
            if look.state != "running":
                raise NotYet(
                    f"{node.name}: job {job.name} has neither a result nor a process: the node went down while it ran",
                    hint="the step checks what is left and does the rest",
                )
            wait.says(f"it runs; {job.folder}/output has what it prints")
    return _judge(node, job, look, tail.decode(errors="replace"), attached=attached)


def stop_job(node: SshNode, name: str) -> None:
    """Stops a job by its name, or by a pattern such as `backup-*`, with all its processes.

    It does nothing if none runs.
    """
    stop = script(__file__, "stop_job", units=f"kube-runbooks-{name}.service")
    output = node.run(stop, timeout=NODE_LIMIT, sudo=True, check=False)
    if output.status not in {0, NO_SUCH_UNIT}:
        raise CommandFailed(f"{node.name}: job {name} cannot be stopped: status {output.status}: {output.complaint}")


def _start(node: SshNode, job: Job, stdin: bytes) -> bool:
    """Starts the job, and returns whether this call started it."""
    output = node.run(_start_script(job, reads=bool(stdin)), stdin=stdin, timeout=NODE_LIMIT, sudo=True)
    answer = output.stdout.decode().strip()
    if answer.startswith("unknown"):
        raise _unknown(node, job, output.stdout.partition(b"\n")[2])
    if answer not in {"started", "there"}:
        raise CommandFailed(f"{node.name}: job {job.name} did not start: {answer or output.complaint}")
    return answer == "started"


def _unknown(node: SshNode, job: Job, said: bytes) -> NotYet:
    words = " ".join(said.decode(errors="replace").split()) or "it says nothing"
    return NotYet(
        f"{node.name}: systemd does not say whether job {job.name} runs: {words}",
        hint="the job is left alone, and the step asks again; `systemctl is-system-running` has to answer there",
    )


def _start_script(job: Job, *, reads: bool) -> str:
    at_end = script(__file__, "end_job", result=f"{job.folder}/result", secret=f"{SECRETS}/{job.name}")
    return script(
        __file__,
        "start_job",
        jobs=JOBS,
        secrets=SECRETS,
        name=job.name,
        unit=job.unit,
        command=job.command,
        at_end=at_end,
        reads=reads,
        limit=f"{job.limit.total_seconds():g}",
        stop_seconds=STOP_SECONDS,
        nice=job.nice,
        keep_days=KEEP_DAYS,
        search_path=PATH,
    )


def _look(node: SshNode, job: Job, offset: int) -> _Look:
    question = script(
        __file__,
        "look_at_job",
        folder=job.folder,
        unit=job.unit,
        offset=offset,
        patience=LOOK_SECONDS,
        piece_bytes=PIECE_BYTES,
    )
    answer = node.run(question, timeout=NODE_LIMIT, sudo=True).stdout
    head, _, piece = answer.partition(b"\n")
    if not (found := LOOK.fullmatch(head)):
        problem = f"{node.name}: what the node says of job {job.name} could not be parsed: {head[:LINE_BYTES]!r}"
        raise NotYet(problem, hint=f"check {job.folder} on {node.name}")
    state, end, size = (word.decode() for word in found.groups() if word is not None)
    return _Look(state, end, int(size), piece)


def _judge(node: SshNode, job: Job, look: _Look, output: str, *, attached: bool) -> JobResult:
    end, ended_at = parse_end(look.end)
    if end is JobEnd.SUCCEEDED:
        return JobResult(name=job.name, output=output, output_bytes=look.size, ended_at=ended_at, attached=attached)
    where = f"all of its output on {node.name}: sudo less {job.folder}/output"
    if look.end.startswith(f"exit-code,exited,{TEMPORARY_FAILURE},"):
        raise NotYet(_why_failed(node, job, look, output), hint=f"it is tried again; {where}")
    if end is JobEnd.FAILED:
        raise CommandFailed(_why_failed(node, job, look, output), hint=where)
    how = (
        f"was stopped after its time limit of {duration_in_words(job.limit)}"
        if end is JobEnd.TIMED_OUT
        else f"was killed ({look.end})"
    )
    raise CommandFailed(f"{node.name}: job {job.name} {how}{_last_lines(output)}", hint=where)


def _why_failed(node: SshNode, job: Job, look: _Look, output: str) -> str:
    """Returns the tool's own reason first, which people read at night, and the end of its output below."""
    status = f"exit status {look.end.split(',')[2]}"
    reason = reason_of(output)
    if not reason:
        return f"{node.name}: job {job.name} failed with {status} and printed nothing"
    below = "" if output.strip() == reason else _last_lines(output)
    return f"{node.name}: {reason} (job {job.name}, {status}){below}"


def _last_lines(output: str) -> str:
    """Returns the end of the output, below the sentence that it follows."""
    end = COLOURS.sub("", "\n".join(output.strip().splitlines()[-LAST_LINES:]))[-TAIL_BYTES:]
    return f"\nthe last lines of its output:\n{end}" if end else " and printed nothing"


def parse_end(line: str) -> tuple[JobEnd, datetime]:
    """Parses systemd's result, `SERVICE_RESULT,EXIT_CODE,EXIT_STATUS,SECONDS`, into the end and its time.

    A job that was stopped in an orderly way did not succeed.
    """
    result, code, status, seconds = line.split(",")
    ended_at = datetime.fromtimestamp(int(seconds), UTC)
    if (code, status) == ("exited", "0") and result == "success":
        return JobEnd.SUCCEEDED, ended_at
    if result == "timeout":
        return JobEnd.TIMED_OUT, ended_at
    return (JobEnd.FAILED if code == "exited" else JobEnd.KILLED), ended_at
