"""Remote jobs on a real node with systemd: they outlive the connection, the worker and the node, and run once."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest

from tasks.clients.ssh import Job, JobResult, SshNode, run_job, stop_job
from tasks.cluster import open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import CommandFailed, NotYet
from tests.e2e.site import LabSite, meanwhile
from tests.lab.machine import Machine
from tests.servers.binaries import ROOT
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(600)

LIMIT = timedelta(minutes=5)
NODE = "w1"

_WORKER = """\
import sys
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from tasks.cluster import open_cluster
from tasks.core.at_once import wait_for
from tasks.clients.ssh import Job, run_job
print(run_job(open_cluster(sys.argv[1]).node(sys.argv[2]), Job(sys.argv[3], sys.argv[4], timedelta(minutes=5))).output)
"""


@pytest.fixture
def machine(small: LabSite) -> Iterator[Machine]:
    """The node's machine, without jobs; it is up again afterwards."""
    machine = small.lab[NODE]
    machine.run("systemctl stop 'kube-runbooks-*'; rm -rf /var/lib/kube-runbooks/jobs /root/count")
    yield machine
    if not machine.leader:
        machine.restart()


@pytest.fixture
def node(small: LabSite, machine: Machine) -> SshNode:
    """The same over SSH."""
    del machine
    return open_cluster(small.name).node(NODE)


def test_output_input_and_end_of_a_job(node: SshNode, machine: Machine) -> None:
    """The secret of its input is in no file, no argument and no journal of the node."""
    heard: list[str] = []
    job = Job("talks", "read secret; echo got ${#secret}; sleep 1; echo bye", LIMIT)
    result = run_job(node, job, stdin=b"hunter2-hunter2\n", on_output=heard.append)
    assert "".join(heard) == result.output == "got 15\nbye\n"
    assert not result.attached
    places = "/var/lib/kube-runbooks /run/kube-runbooks /run/systemd"
    assert machine.run(f"grep -rl hunter2 {places} || true; journalctl | grep hunter2 || true") == ""
    with pytest.raises(CommandFailed, match=r": no \(job fails, exit status 3\) ->"):
        run_job(node, Job("fails", "echo no; exit 3", LIMIT))
    coloured = r"for n in $(seq 30); do printf '\033[0;32mline %d\033[0m\n' $n; done; exit 1"
    with pytest.raises(CommandFailed) as told:
        run_job(node, Job("fails-in-colours", coloured, LIMIT))
    assert told.value.problem.splitlines()[2:] == [f"line {number}" for number in range(21, 31)]
    with pytest.raises(CommandFailed) as told:
        run_job(node, Job("fails-in-one-line", "head -c 100000 /dev/zero | tr '\\0' x; exit 1", LIMIT))
    assert len(told.value.problem) < 5000
    with pytest.raises(NotYet, match="later"):
        run_job(node, Job("is-busy", "echo later; exit 75", LIMIT))


def test_a_job_that_fails_at_once_is_told_as_what_it_is(node: SshNode) -> None:
    """systemd may call its start failed, when its end is faster than the news of its start; many at once provoke it."""

    def fail(number: int) -> str:
        with pytest.raises(CommandFailed) as failed:
            run_job(node, Job(f"quick-{number}", "exit 3", LIMIT))
        return str(failed.value)

    for first in range(0, 25, 5):  # sshd's MaxSessions is 10: it may still count the last five when the next five begin
        for told in on_all(fail, range(first, first + 5)):
            assert "failed with exit status 3 and printed nothing" in told


def test_the_same_job_started_twice_runs_once(node: SshNode, machine: Machine) -> None:
    """Two callers at once, and one afterwards: all get the one result. What failed is started anew."""
    job = Job("once", "echo x >> /root/count; sleep 3; wc -l < /root/count", LIMIT)
    results: list[JobResult] = []
    threads = [threading.Thread(target=lambda: results.append(run_job(node, job))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.append(run_job(node, job))
    assert [result.output for result in results] == ["1\n"] * 3
    assert sorted(result.attached for result in results) == [False, True, True]
    failing = Job("again", "echo x >> /root/count; test $(wc -l < /root/count) -eq 3", LIMIT)
    with pytest.raises(CommandFailed):
        run_job(node, failing)
    run_job(node, failing)
    assert machine.run("ls -d /var/lib/kube-runbooks/jobs/again.failed.*").split()


def test_a_cut_connection_and_a_killed_worker_leave_the_job_running(
    small: LabSite, node: SshNode, machine: Machine
) -> None:
    """The next attempt attaches to it, and gets all of its output. One cut alone would be mended by a new connection."""
    command = "for n in 1 2 3 4 5 6; do echo $n | tee -a /root/count; sleep 2; done; echo done"
    worker = subprocess.Popen([sys.executable, "-c", _WORKER, small.name, NODE, "survives", command], cwd=ROOT)
    wait_for_line(machine)
    worker.kill()
    worker.wait()

    over = threading.Event()

    def cut() -> None:
        while not over.wait(0.1):
            machine.run("pkill -KILL -f '[s]shd: ops' || true")

    with meanwhile(cut):
        try:
            with pytest.raises(NotYet):
                run_job(node, Job("survives", command, LIMIT))
        finally:
            over.set()
    result = run_job(node, Job("survives", command, LIMIT))
    assert (result.attached, result.output) == (True, "1\n2\n3\n4\n5\n6\ndone\n")


@pytest.mark.parametrize("lose", [Machine.stop, Machine.power_cut], ids=["reboot", "power-cut"])
def test_a_node_that_goes_down_in_the_middle_has_a_job_without_a_result(
    node: SshNode, machine: Machine, lose: Callable[[Machine], None]
) -> None:
    """That is said; the next attempt starts it anew, and what the first one left is kept for a look."""
    command = "echo x >> /root/count; [ $(wc -l < /root/count) -gt 1 ] || sleep 300; echo second"
    job = Job("is-lost", command, LIMIT)
    with (
        meanwhile(partial(wait_for_line, machine), partial(lose, machine), machine.restart),
        pytest.raises((NotYet, CommandFailed)),
    ):
        run_job(node, job)
    result = wait_for(lambda: run_job(node, job), timedelta(minutes=1), what="the job to run again", about=node.name)
    assert result.output == "second\n"
    assert machine.run("ls -d /var/lib/kube-runbooks/jobs/is-lost.*").split()


def test_a_hundred_megabytes_of_output_do_not_stay_in_memory(node: SshNode, machine: Machine) -> None:
    """The end of it is what the caller gets; the file on the node has all."""
    result = run_job(node, Job("shouts", "head -c 100000000 /dev/zero | tr '\\0' y; echo the end", LIMIT))
    assert result.output.endswith("yythe end\n")
    assert len(result.output) <= 2**16
    assert result.output_bytes == 100_000_008
    assert machine.run("stat -c %s /var/lib/kube-runbooks/jobs/shouts/output").strip() == "100000008"


def test_a_job_that_hangs_is_killed_with_all_of_its_processes(node: SshNode, machine: Machine) -> None:
    """Also those that ignore TERM or have another session; and one that is stopped has no success."""
    stubborn = "trap '' TERM; setsid sleep 4711 & sleep 4712 & while :; do sleep 1; done"
    with pytest.raises(CommandFailed, match="was stopped after its time limit of 2 s"):
        run_job(node, Job("hangs", stubborn, timedelta(seconds=2)))
    assert machine.run("pgrep -f 'sleep 471[12]' || true").split() == []
    with (
        meanwhile(partial(wait_for_line, machine), partial(stop_job, node, "stopp*")),
        pytest.raises(CommandFailed, match="killed"),
    ):
        run_job(node, Job("stopped", "echo x >> /root/count; sleep 300", LIMIT))


def wait_for_line(machine: Machine) -> None:
    """Until the job has begun."""
    wait_until(lambda: machine.run("cat /root/count 2> /dev/null || true"), 180.0, "the job has begun")
