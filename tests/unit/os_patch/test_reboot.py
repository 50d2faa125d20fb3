"""A machine that reboots: told once, waited for, and if it does not come back, with all that was last seen of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.clients.ssh import NodeShell
from tasks.core.errors import CommandFailed, NotYet, Refused
from tasks.core.models.profile import MaintenanceRules
from tasks.core.waits import Clock
from tasks.node_work.work import NodeWork
from tasks.os_patch import reboot as reboots
from tasks.os_patch import scripts
from tasks.os_patch.models.outcome import Rebooted
from tests.facts.buckets import Bucket

Answer = bytes | NotYet | Refused
MINUTE = timedelta(minutes=1)


class Machine:
    """Answers in turn, the last one for ever; its console is asked on another one."""

    def __init__(self, *answers: Answer, console: Answer = b"") -> None:
        self.answers, self.console = list(answers), console
        self.name = "w1"
        self.commands: list[str] = []

    def run(self, command: str, **_: object) -> Any:  # noqa: ANN401 - as fabric's result
        """One command."""
        self.commands.append(command)
        is_console = "ipmitool" in command
        answer = self.console if is_console else self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(stdout=answer, complaint="", status=0)


def work(machine: Machine, check: Callable[[], None] = lambda: None, **maintenance: object) -> NodeWork:
    """On w1; of all that it has only what a reboot asks for."""
    profile = SimpleNamespace(name="prod", maintenance=MaintenanceRules.model_validate(maintenance))
    node: Any = machine
    handle = SimpleNamespace(node=lambda _: machine, profile=profile, store=Bucket())
    handle.shell = lambda _: NodeShell(node)

    @contextmanager
    def part(_: str) -> Iterator[None]:
        yield

    fields = {"name": "w1", "run_id": "0a1b2c3d-1", "runbook": "node_os_patch", "unproven": False}
    return cast("NodeWork", SimpleNamespace(handle=handle, check=check, part=part, **fields))


def reboot(work: NodeWork, limit: timedelta) -> Rebooted:
    """Of boot b1; each look takes half a minute."""
    now = [0.0]

    def sleep(_: float) -> None:
        now[0] += 30

    return reboots.reboot(work, "b1", limit, Clock(seconds=lambda: now[0], sleep=sleep))


AWAY = NotYet("w1: no connection to ops@w1 after 5.0 s")


def test_a_machine_is_back_with_another_boot() -> None:
    """However long it was silent, and also when it refuses logins while it boots; the order says which boot has to end."""
    machine = Machine(
        b"boot b1\nasked\n", b"boot b1\nunder way\n", AWAY, Refused("w1: does not accept the key"), b"boot b2\n"
    )
    told = work(machine)
    came = reboot(told, 10 * MINUTE)
    assert (came.before, came.after, came.away) == ("b1", "b2", timedelta(minutes=2))
    assert told.unproven
    assert all(command == scripts.reboot_once("b1") for command in machine.commands)


def test_the_order_names_the_list_of_inhibitors_that_was_judged() -> None:
    """The machine compares it with what it has by then."""
    machine = Machine(b"boot b1\ninhibitors none\n", b"boot b1\nasked\n", b"boot b2\n")
    assert reboot(work(machine), 10 * MINUTE).after == "b2"
    assert machine.commands == [scripts.reboot_once("b1", judged) for judged in ("", "none", "")]


def test_a_machine_whose_lock_is_not_known_is_waited_for_and_told_nothing() -> None:
    """On the only control plane node the machine itself has the lock: while it is away nobody can say whose it is."""
    unknown = NotYet("it is not known whether this run still has the lock of the cluster")
    told: list[NotYet | None] = [None, None, unknown, unknown, None]
    machine = Machine(b"boot b1\nasked\n", b"boot b2\n")

    def check() -> None:
        if error := told.pop(0):
            raise error

    assert reboot(work(machine, check), 10 * MINUTE).after == "b2"
    assert len(machine.commands) == 2
    told[:] = [None, *[unknown] * 9]
    with pytest.raises(
        CommandFailed, match="not back 3 min after .*it is not known whether this run still has the lock"
    ):
        reboot(work(machine, check), 3 * MINUTE)
    assert len(machine.commands) == 2


def test_a_machine_that_has_booted_already_is_not_told_again() -> None:
    """An earlier attempt has done it."""
    machine = Machine(b"boot b2\n")
    assert reboot(work(machine), MINUTE).away == timedelta()
    assert len(machine.commands) == 1


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ((b"boot b1\nasked\n", AWAY), "UTC with boot b1; since then: w1: no connection to ops@w1"),
        ((b"boot b1\nunder way\n",), "with boot b1; it has not gone down: no reason is known"),
        (
            (b"boot b1\ninhibitors unseen YnVz\n",),
            "it has not gone down: a shutdown is blocked by somebody unknown (logind: bus)",
        ),
        ((b"",), "it has not gone down"),
    ],
)
def test_a_machine_that_does_not_come_back_is_told_with_what_was_last_seen(
    answers: tuple[Answer, ...], told: str
) -> None:
    """When it was told, when it was seen, and the next step."""
    with pytest.raises(CommandFailed) as failed:
        reboot(work(Machine(*answers)), 5 * MINUTE)
    assert "w1: it is not back 5 min after the order to reboot at " in failed.value.problem
    assert told in failed.value.problem
    assert "the run recognises it, proves it and uncordons it" in failed.value.hint


@pytest.mark.parametrize(
    ("console", "node", "told"),
    [
        (
            b"1\n2\n3\n4\n5\nKernel panic\n",
            "cp1",
            "evidence/0a1b2c3d-1-w1-console.txt, ends with: 2 / 3 / 4 / 5 / Kernel panic",
        ),
        (b"", "cp1", "ends with: nothing"),
        (AWAY, "cp1", "its console could not be asked: w1: no connection"),
        (b"", "w1", "its console is asked on w1 itself"),
    ],
)
def test_its_console_is_read_by_the_profiles_command(console: Answer, node: str, told: str) -> None:
    """On another machine, and kept whole in the bucket."""
    machine = Machine(AWAY, console=console)
    rules = {"command": 'ipmitool -H "$NODE-bmc" sel list', "node": node}
    with pytest.raises(CommandFailed) as failed:
        reboot(work(machine, console=rules), MINUTE)
    assert told in failed.value.problem
    if node == "cp1":
        assert "NODE=w1; export NODE; ipmitool" in machine.commands[-1]


def test_who_has_lost_the_lock_does_not_wait() -> None:
    """Another run has the node now."""

    def check() -> None:
        if machine.commands:
            raise Refused("another run has taken the lock")

    machine = Machine(AWAY)
    with pytest.raises(Refused, match="another run has taken the lock"):
        reboot(work(machine, check), MINUTE)
