"""The work on a node: jobs that are attached to, what is noticed once, and how its end by an error leaves the node."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from tasks.clients.ssh import CALL, JobResult
from tasks.cluster import Cluster
from tasks.core.errors import CommandFailed, Refused
from tasks.core.models.findings import Problem
from tasks.drain.models import CORDONED_BY, FAILED
from tasks.node_work.models.health import Before, Services
from tasks.node_work.work import NodeFound, NodeWork
from tasks.nodes.models.nodes import NodeFacts
from tests.facts.api import NodeApi
from tests.facts.buckets import Bucket

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Shell:
    """Of w1: what was run there."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, str]] = []
        self.scripts: list[str] = []

    def job(self, name: str, script: str, limit: timedelta) -> JobResult:
        """Done at once."""
        assert limit == MINUTE
        self.jobs.append((name, script))
        return JobResult(name=name, output="", output_bytes=0, ended_at=NOON, attached=False)

    def run(self, script: str, *, stdin: bytes = b"", limit: timedelta = CALL) -> str:
        """Prints itself."""
        assert (stdin, limit) == (b"", CALL)
        self.scripts.append(script)
        return script

    def is_true(self, script: str) -> bool:
        """As `true`."""
        return script == "true"

    def now(self) -> datetime:
        """Noon."""
        return NOON


class Node:
    """w1, as it was found."""

    def __init__(self, *jobs: str, failure: str = "", **annotations: str) -> None:
        self.shell, self.api, self.store = Shell(), NodeApi(cordoned=bool(annotations), **annotations), Bucket()
        self.lost = ""
        profile = SimpleNamespace(name="prod", gates=())
        handle = SimpleNamespace(kube=self.api, store=self.store, profile=profile)
        handle.shell = lambda _: self.shell
        before = Before(workloads=(), services=Services(kubernetes=("10.96.0.1",)), unhealthy=("DiskPressure",))
        found = NodeFound(
            NodeFacts(name="w1", jobs=jobs), before, Problem(text=failure) if failure else None, looked_since=0.0
        )
        self.work = NodeWork(cast("Cluster", handle), "w1", "node_os_patch", "run-2", self._check, found=found)

    def _check(self) -> None:
        if self.lost:
            raise Refused(self.lost)


def test_a_job_has_the_name_of_its_run() -> None:
    """One of another run that does the same is attached to; what touches nothing leaves the node whole."""
    node = Node("other-run-1")
    node.work.job("fetch", "f", MINUTE, touches=False)
    assert not node.work.unproven
    node.work.job("patch", "p", MINUTE)
    assert node.work.unproven
    attached = Node("patch-run-1")
    attached.work.job("patch", "p", MINUTE)
    attached.work.attach("upgrade-run-0", MINUTE)
    assert node.shell.jobs == [("fetch-run-2", "f"), ("patch-run-2", "p")]
    assert attached.shell.jobs == [("patch-run-1", "p"), ("upgrade-run-0", "exit 1")]


def test_no_job_without_the_lock() -> None:
    """It is asked for right before."""
    node = Node()
    node.lost = "another run has the lock"
    with pytest.raises(Refused, match="another run has the lock"):
        node.work.job("patch", "p", MINUTE)
    assert not node.work.unproven
    assert node.shell.jobs == []


def test_short_scripts_are_run_as_root_there() -> None:
    """By its shell, as the node's clock is read."""
    work = Node().work
    assert (work.run("date"), work.is_true("true"), work.is_true("false"), work.now()) == ("date", True, False, NOON)


def test_whose_node_it_is_is_read_at_each_question() -> None:
    """It may have changed since the work began."""
    node = Node()
    assert not node.work.is_ours
    node.api.note(CORDONED_BY, "run-1")
    assert (node.work.is_ours, node.work.has_failed) == (True, False)
    node.api.note(FAILED, "no kernel")
    assert node.work.has_failed


def test_what_was_wrong_before_is_noted_once() -> None:
    """The first attempt's note counts."""
    node = Node()
    node.work.note_before()
    assert node.api.annotations == {"unhealthy-before": '["DiskPressure"]'}
    node.work.forgive_nothing()
    node.work.note_before()
    assert node.api.annotations == {"unhealthy-before": '["DiskPressure"]'}
    node.work.forget_before()
    assert node.api.annotations == {}


def test_a_node_that_is_whole_is_left_as_it_was_found() -> None:
    """The error says so, with its own next step first."""
    node = Node(**{CORDONED_BY: "run-2"})
    with (
        pytest.raises(CommandFailed, match="w1: full -> make room; w1 is uncordoned again: nothing is half done there"),
        node.work.left_as_it_should_be("dmesg"),
    ):
        raise CommandFailed("w1: full", hint="make room")
    assert not node.api.is_cordoned
    found = Node(failure="no kernel")
    with (
        pytest.raises(Refused, match="no -> w1 stays cordoned as it was found: no kernel"),
        found.work.left_as_it_should_be(""),
    ):
        raise Refused("no")
    assert found.api.is_cordoned


def break_off(node: Node) -> None:
    """In the middle of a job."""
    with node.work.left_as_it_should_be("dmesg"):
        node.work.unproven = True
        raise CommandFailed("w1: broken")


def test_a_node_that_is_half_done_stays_cordoned_with_its_own_words() -> None:
    """They are kept in the bucket."""
    node = Node()
    with pytest.raises(CommandFailed, match="w1: broken -> w1 stays cordoned; diagnostics saved to s3://b/"):
        break_off(node)
    assert node.api.is_cordoned
    assert node.shell.scripts == ["dmesg"]
    assert list(node.store.kept.values()) == [b"dmesg"]


def test_whoever_has_the_lock_by_now_has_the_node() -> None:
    """Its error is told instead, and nothing is touched."""
    node = Node()
    node.lost = "another run has the lock"
    with pytest.raises(Refused, match="another run has the lock"):
        break_off(node)
    assert not node.api.is_cordoned
    assert node.shell.scripts == []
