"""Long commands on a node, as transient systemd units: they outlive the connection, the worker and a reboot.

A job has a folder of its own, `/var/lib/kube-runbooks/jobs/NAME/{command,output,result,boot}`, made under a lock, so that a
job is never started twice; output goes into a file, and how it ended into another, written by systemd
when the unit stops. Who finds the folder attaches to the job. A folder without a result and without a unit means that the
node died in the middle, or that the start did: nobody knows what became of it.
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
from tasks.core.shell import script

log = logging.getLogger("kube_runbooks.ssh")

SECRETS = "/run/kube-runbooks"
"""In memory (tmpfs): what a job reads from its standard input, removed as soon as it has opened it."""

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,100}")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

NODE_LIMIT = timedelta(seconds=30)
"""For each answer of the node: longer than it waits for news of a job."""

LOOK_SECONDS = 10
"""How long the node waits for news before it answers that there are none."""

PIECE_BYTES = 2**16
"""Of output that is fetched at once. Of more that has piled up, only the end is: the file on the node has it all."""

LAST_LINES, TAIL_BYTES = 10, 4096
"""Of a failed job's output, at most, that its error quotes."""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
KEEP_DAYS = 30
STOP_SECONDS = 10
"""Between TERM and KILL, for the whole group, when a job is over its time."""


TEMPORARY_FAILURE = 75
"""EX_TEMPFAIL of sysexits.h."""


class JobEnd(StrEnum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    KILLED = "killed"


class JobResult(Model):
    """What became of a job that ended well."""

    name: str
    output: str
    """Its last 64 KiB."""
    output_bytes: int
    ended_at: UtcTime
    attached: bool
    """It had been started by an earlier attempt."""


@dataclass(frozen=True)
class Job:
    """A line or a script of shell, run as root. Its name says what it is about: the same name is the same job."""

    name: str
    command: str
    limit: timedelta
    """After it, the whole group of its processes is stopped."""
    nice: int = 0
    """10 for work that must not slow the node down."""

    def __post_init__(self) -> None:
        """ValueError for a name that is no unit's."""
        if not NAME.fullmatch(self.name):
            message = f"{self.name!r} is no name of a job: use a-z, 0-9 and -"
            raise ValueError(message)

    @property
    def unit(self) -> str:
        """Its systemd unit."""
        return f"kube-runbooks-{self.name}.service"

    @property
    def folder(self) -> str:
        """On the node."""
        return f"{JOBS}/{self.name}"


@dataclass(frozen=True)
class _Look:
    """What the node says of a job: `running`, `ended`, `lost` or `none`; its end; and a piece of its output."""

    state: str
    end: str
    size: int
    piece: bytes


def run_job(
    node: SshNode, job: Job, *, stdin: bytes = b"", on_output: Callable[[str], object] = lambda _: None
) -> JobResult:
    """Starts a job, or attaches to it when it runs or has succeeded already, and waits for its end.

    One that failed, or that a dead node left without a result, is put aside (its folder is kept) and started anew: what
    it does has to be safe to do again. `stdin` may hold secrets: it is never on a disk, in an argument or in a log.

    Raises:
        CommandFailed: it ended badly now: its status, or its time was up, or somebody stopped it; with the last output.
        NotYet: its status was 75, by which a job says that trying again may help; or the node cannot be asked; the job goes on, and the next call attaches to it.
    """
    attached = not _start(node, job, stdin)
    if attached:
        log.info("%s: job %s is there already: attached", node.name, job.name)
    offset, tail = 0, b""
    while True:
        look = _look(node, job, offset)
        offset = look.size
        tail = (tail + look.piece)[-PIECE_BYTES:]
        if look.piece:
            on_output(look.piece.decode(errors="replace"))
        if look.state == "ended":
            break
        if look.state != "running":
            raise NotYet(
                f"{node.name}: job {job.name} has neither a result nor a process: the node was cut off in the middle",
                hint="the step looks at what is left and does the rest",
            )
    return _judge(node, job, look, tail.decode(errors="replace"), attached=attached)


def stop_job(node: SshNode, name: str) -> None:
    """Stops a job by its name, or by a pattern such as `backup-*`, and every process of it; nothing if none runs."""
    stop = script(__file__, "stop_job", units=f"kube-runbooks-{name}.service")
    node.run(stop, timeout=NODE_LIMIT, sudo=True, check=False)


def _start(node: SshNode, job: Job, stdin: bytes) -> bool:
    """Whether this call started it."""
    output = node.run(_start_script(job, reads=bool(stdin)), stdin=stdin, timeout=NODE_LIMIT, sudo=True)
    answer = output.stdout.decode().strip()
    if answer not in {"started", "there"}:
        raise CommandFailed(f"{node.name}: job {job.name} did not start: {answer or output.complaint}")
    return answer == "started"


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
    words = head.decode().split()
    return _Look(words[0], words[1] if len(words) > 2 else "", int(words[-1]), piece)  # noqa: PLR2004 - three words


def _judge(node: SshNode, job: Job, look: _Look, output: str, *, attached: bool) -> JobResult:
    end, ended_at = parse_end(look.end)
    if end is JobEnd.SUCCEEDED:
        return JobResult(name=job.name, output=output, output_bytes=look.size, ended_at=ended_at, attached=attached)
    if look.end.startswith(f"exit-code,exited,{TEMPORARY_FAILURE},"):
        raise NotYet(f"{node.name}: job {job.name}: {_last_words(output)}", hint="it is tried again")
    how = f"was stopped after its time limit of {job.limit}" if end is JobEnd.TIMED_OUT else f"{end} ({look.end})"
    said = _last_words(output)
    raise CommandFailed(
        f"{node.name}: job {job.name} {how}{f': {said}' if said else ', without a word'}",
        hint=f"all of its output is in {job.folder}/output on {node.name}",
    )


def _last_words(output: str) -> str:
    return COLOURS.sub("", "\n".join(output.strip().splitlines()[-LAST_LINES:]))[-TAIL_BYTES:]


def parse_end(line: str) -> tuple[JobEnd, datetime]:
    """systemd's own words, `SERVICE_RESULT,EXIT_CODE,EXIT_STATUS,SECONDS`: an orderly stop is no success."""
    result, code, status, seconds = line.split(",")
    ended_at = datetime.fromtimestamp(int(seconds), UTC)
    if (code, status) == ("exited", "0") and result == "success":
        return JobEnd.SUCCEEDED, ended_at
    if result == "timeout":
        return JobEnd.TIMED_OUT, ended_at
    return (JobEnd.FAILED if code == "exited" else JobEnd.KILLED), ended_at
