"""Runs short scripts and jobs as root on one node. Every action on a node consists of these."""

from datetime import UTC, datetime, timedelta

from tasks.clients.ssh.jobs import Job, JobResult, run_job
from tasks.clients.ssh.node import SshNode
from tasks.core.errors import CommandFailed, NotYet
from tasks.core.logs import log_about

CALL = timedelta(seconds=60)
"""Limits a script that asks for something or does something short."""

LONGEST_LINE = 300


class NodeShell:
    """This is a root shell on one node.

    A lost connection is `NotYet`, and Prefect retries the task. A script that exits with another status than 0 is
    `CommandFailed`, which nobody retries. With `patient` it is `NotYet` too. This is for a question whose answer
    arrives later, such as one to an API server that has just started.
    """

    def __init__(self, node: SshNode) -> None:
        self.node = node
        self.name = node.name

    def run(self, script: str, *, stdin: bytes = b"", limit: timedelta = CALL, patient: bool = False) -> str:
        """Returns what a script prints; `stdin` may hold secrets."""
        return self.ask(script, stdin=stdin, limit=limit, patient=patient).decode(errors="replace")

    def ask(self, script: str, *, stdin: bytes = b"", limit: timedelta = CALL, patient: bool = False) -> bytes:
        """Returns what a script prints as bytes, for a parser."""
        output = self.node.run(script, stdin=stdin, timeout=limit, sudo=True, check=not patient)
        if output.status != 0:
            raise NotYet(f"{self.name}: {output.complaint}", hint="check it there")
        return output.stdout

    def is_true(self, script: str, *, limit: timedelta = CALL) -> bool:
        """Returns True if a script exits with status 0, False if with 1.

        Any other status is no answer: CommandFailed.
        """
        output = self.node.run(script, timeout=limit, sudo=True, check=False)
        if output.status not in {0, 1}:
            raise CommandFailed(
                f"{self.name}: a question got status {output.status}: {output.complaint or script.strip()}"
            )
        return output.status == 0

    def now(self) -> datetime:
        """Returns the current time of the node's own clock."""
        return datetime.fromtimestamp(float(self.run("date +%s.%N")), UTC)

    def job(self, name: str, script: str, limit: timedelta, *, stdin: bytes = b"") -> JobResult:
        """Runs a job by its name, or attaches to an existing one.

        It waits until the job finishes, with its output in the log.
        """
        return run_job(self.node, Job(name, script, limit), stdin=stdin, on_output=self._log)

    def _log(self, output: str) -> None:
        for line in output.splitlines():
            if line.strip():
                log_about(self.name).info("| %s", line.rstrip()[:LONGEST_LINE])
