"""Short scripts and jobs as root on one node: what every act on a node is made of."""

from datetime import UTC, datetime, timedelta

from tasks.clients.ssh.jobs import Job, JobResult, run_job
from tasks.clients.ssh.node import SshNode
from tasks.core.errors import NotYet
from tasks.core.logs import log_about

CALL = timedelta(seconds=60)
"""For a script that asks or does something short."""

LONGEST_LINE = 300


class NodeShell:
    """Root's shell on one node.

    What is tried again, and by whom: a connection that is lost is `NotYet`, and Prefect tries the task again. A script that
    ends with another status than 0 is `CommandFailed`, which nobody tries again; with `patient` it is `NotYet`, too: for a question
    whose answer comes by itself, as that of an API server that has just started.
    """

    def __init__(self, node: SshNode) -> None:
        self.node = node
        self.name = node.name

    def run(self, script: str, *, stdin: bytes = b"", limit: timedelta = CALL, patient: bool = False) -> str:
        """What a script prints; `stdin` may hold secrets."""
        return self.ask(script, stdin=stdin, limit=limit, patient=patient).decode(errors="replace")

    def ask(self, script: str, *, stdin: bytes = b"", limit: timedelta = CALL, patient: bool = False) -> bytes:
        """The same, as it is printed: for a parser."""
        output = self.node.run(script, stdin=stdin, timeout=limit, sudo=True, check=not patient)
        if output.status != 0:
            raise NotYet(f"{self.name}: {output.complaint}", hint="look at it there")
        return output.stdout

    def is_true(self, script: str) -> bool:
        """Whether a script ends with status 0."""
        return self.node.run(script, timeout=CALL, sudo=True, check=False).status == 0

    def now(self) -> datetime:
        """By the node's own clock."""
        return datetime.fromtimestamp(float(self.run("date +%s.%N")), UTC)

    def job(self, name: str, script: str, limit: timedelta, *, stdin: bytes = b"") -> JobResult:
        """A job by its name, or the one that is there already: waited for, with its output in the log."""
        return run_job(self.node, Job(name, script, limit), stdin=stdin, on_output=self._log)

    def _log(self, output: str) -> None:
        for line in output.splitlines():
            if line.strip():
                log_about(self.name).info("| %s", line.rstrip()[:LONGEST_LINE])
