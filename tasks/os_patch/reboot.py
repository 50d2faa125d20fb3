"""An orderly reboot of a machine, once, and waiting until it is back with another boot.

Which boot has to end is known from before: written down on the machine, not remembered. So the order can be given as often
as it takes, by whichever attempt: a machine with another boot never takes it.
"""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.clients.ssh import CALL
from tasks.cluster import Cluster
from tasks.core.errors import CommandFailed, NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.node_work.work import NodeWork
from tasks.os_patch import scripts
from tasks.os_patch.models.outcome import Rebooted
from tasks.run.history import keep_evidence

ORDER_LIMIT = timedelta(seconds=20)
"""For each order to reboot: short, for a machine that goes down may not answer any more."""

LOOK_EVERY = timedelta(seconds=2)
TELL_EVERY = timedelta(seconds=60)
CONSOLE_LINES = 5
"""Of a console that an error quotes; all of it is kept in the bucket."""

CLOCK = "%Y-%m-%d %H:%M:%S UTC"


@dataclass(frozen=True)
class Clock:
    """How time goes by here: it never goes back."""

    seconds: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class _Watch:
    """What was last seen of a machine that reboots."""

    def __init__(self, name: str, boot: str, clock: Clock) -> None:
        self.name, self.boot, self._clock = name, boot, clock
        self.asked_at = self.seen_at = datetime.now(UTC)
        self.why = ""
        """It is not back: why it does not let us in, or what holds the reboot up."""
        self.silent = False
        self._told_at = 0.0

    def saw(self, why: str, *, silent: bool) -> None:
        """One look at it."""
        if not silent:
            self.seen_at = datetime.now(UTC)
        if (
            silent != self.silent
            or why != self.why
            or self._clock.seconds() - self._told_at > TELL_EVERY.total_seconds()
        ):
            self._told_at = self._clock.seconds()
            log_about(self.name).info("waiting: %s", why or "it is on its way down")
        self.silent, self.why = silent, why

    @property
    def in_words(self) -> str:
        """For the error, and for the annotation of the node."""
        since = (
            f"; since then: {self.why}"
            if self.silent
            else f"; it has not gone down: {self.why or 'no reason is known'}"
        )
        return f"last seen at {self.seen_at:{CLOCK}} with boot {self.boot}{since}"


def reboot(work: NodeWork, boot: str, limit: timedelta, clock: Clock = Clock()) -> Rebooted:
    """Until the machine lets us in with another boot than this one; at once when it has one already.

    Raises:
        CommandFailed: it is not back within the limit: with when and how it was last seen, and its console.
        Refused: another run has the lock now.
    """
    work.check()
    work.unproven = True
    began = clock.seconds()
    watch = _Watch(work.name, boot, clock)
    with work.part("reboot"):
        while not (_is_ours(work, watch) and (after := _ask(work.handle, watch))):
            if clock.seconds() - began >= limit.total_seconds():
                raise _not_back(work, watch, limit)
            clock.sleep(LOOK_EVERY.total_seconds())
    return Rebooted(before=boot, after=after, away=timedelta(seconds=round(clock.seconds() - began, 1)))


def _is_ours(work: NodeWork, watch: _Watch) -> bool:
    """The lock is known to be: on the only control plane node it is this very machine that has to say so."""
    try:
        work.check()
    except NotYet as error:
        watch.saw(error.problem, silent=True)
        return False
    return True


def _ask(handle: Cluster, watch: _Watch) -> str:
    """Gives the order where it is due; the machine's boot once it is another one. A machine that boots may refuse a login."""
    try:
        told = handle.shell(watch.name).ask(scripts.reboot_once(watch.boot), limit=ORDER_LIMIT)
    except RunbookError as error:
        watch.saw(error.problem, silent=True)
        return ""
    boot, why = scripts.parse_reboot(told)
    if boot and boot != watch.boot:
        return boot
    watch.saw(why, silent=False)
    return ""


def _not_back(work: NodeWork, watch: _Watch, limit: timedelta) -> CommandFailed:
    minutes = f"{limit.total_seconds() / 60:.0f} min"
    return CommandFailed(
        f"{work.name}: it is not back {minutes} after the order to reboot at {watch.asked_at:{CLOCK}}: {watch.in_words}"
        f"{_console_of(work)}",
        hint=f"look at the console of {work.name}; once it is back, run it again: it is recognised, proven and uncordoned",
    )


def _console_of(work: NodeWork) -> str:
    """What the profile's command says; empty where there is none."""
    rules = work.handle.profile.maintenance.console
    if rules is None:
        return ""
    if rules.node == work.name:
        return f"; its console is asked on {rules.node} itself"
    try:
        command = f"NODE={shlex.quote(work.name)}; export NODE; {rules.command}"
        output = work.handle.node(rules.node).run(command, timeout=CALL, sudo=True, check=False)
        text = output.stdout.decode(errors="replace") + output.complaint
        name = f"{work.run_id}-{work.name}-console"
        place = keep_evidence(work.handle.store, work.handle.profile.name, work.runbook, name, text)
    except RunbookError as error:
        return f"; its console could not be asked: {error.problem}"
    last = " / ".join(text.strip().splitlines()[-CONSOLE_LINES:])
    return f"; its console, in {place}, ends with: {last or 'nothing'}"
