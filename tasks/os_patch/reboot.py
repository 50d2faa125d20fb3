"""Reboots a node in an orderly way, once, and waits until it is back with another boot.

The boot that must end is known: it is recorded on the node, not in memory. So any attempt can give the
order as often as needed, because a node with another boot never accepts it.
"""

import shlex
from datetime import UTC, datetime, timedelta

from tasks.clients.ssh import CALL
from tasks.cluster import Cluster
from tasks.core.errors import CommandFailed, NotYet, RunbookError
from tasks.core.waits import CLOCK, Clock, Wait
from tasks.core.words import duration_in_words
from tasks.node_work.work import NodeWork
from tasks.os_patch import scripts
from tasks.os_patch.models.outcome import Rebooted
from tasks.run.history import keep_evidence

ORDER_LIMIT = timedelta(seconds=20)
"""Limits each order to reboot. It is short, because a node that goes down may no longer answer."""

LOOK_EVERY = timedelta(seconds=2)
CONSOLE_LINES = 5
"""Limits the console lines that an error quotes. The whole console output is kept in the bucket."""

MOMENT = "%Y-%m-%d %H:%M:%S UTC"


class _Watch:
    """This holds the last observation of a node that reboots."""

    def __init__(self, name: str, boot: str, wait: Wait) -> None:
        self.name, self.boot, self._wait = name, boot, wait
        self.asked_at = self.seen_at = datetime.now(UTC)
        self.why = ""
        """It says why the node is not back: why it refuses the login, or what delays the reboot."""
        self.silent = False

    def saw(self, why: str, *, silent: bool) -> None:
        """Records one observation of the node."""
        if not silent:
            self.seen_at = datetime.now(UTC)
        self.silent, self.why = silent, why
        self._wait.says(why or "it is on its way down")

    @property
    def in_words(self) -> str:
        """Returns the observation as text, for the error and for the annotation of the node."""
        since = (
            f"; since then: {self.why}"
            if self.silent
            else f"; it has not gone down: {self.why or 'no reason is known'}"
        )
        return f"last seen at {self.seen_at:{MOMENT}} with boot {self.boot}{since}"


def reboot(work: NodeWork, boot: str, limit: timedelta, clock: Clock = CLOCK) -> Rebooted:
    """Reboots the node and waits until it lets us log in with another boot.

    It returns at once if the node already has another boot.

    Raises:
        CommandFailed: the node is not back within the limit. The error says when and how it was last seen, and quotes
            its console.
        Refused: another run has the lock now.
    """
    work.check()
    work.unproven = True
    with work.part("reboot"), Wait("the node to be back from its reboot", limit, about=work.name, clock=clock) as wait:
        watch = _Watch(work.name, boot, wait)
        while not (_is_ours(work, watch) and (after := _ask(work.handle, watch))):
            if wait.is_over:
                raise _not_back(work, watch, limit)
            wait.pause(LOOK_EVERY)
    return Rebooted(before=boot, after=after, away=timedelta(seconds=round(wait.waited.total_seconds(), 1)))


def _is_ours(work: NodeWork, watch: _Watch) -> bool:
    """Returns True if this run is known to hold the lock.

    On the only control plane node, this very node must answer.
    """
    try:
        work.check()
    except NotYet as error:
        watch.saw(error.problem, silent=True)
        return False
    return True


def _ask(handle: Cluster, watch: _Watch) -> str:
    """Gives the order to reboot if it is due.

    It returns the boot of the node once it is another one, else an empty string. A node that boots may refuse a
    login.
    """
    try:
        order = _order(handle, watch, "")
        if order.boot == watch.boot and order.judged:
            order = _order(handle, watch, order.judged)
    except RunbookError as error:
        watch.saw(error.problem, silent=True)
        return ""
    if order.boot and order.boot != watch.boot:
        return order.boot
    watch.saw(order.delayed, silent=False)
    return ""


def _order(handle: Cluster, watch: _Watch, judged: str) -> scripts.Order:
    script = scripts.reboot_once(watch.boot, judged)
    return scripts.parse_reboot(handle.shell(watch.name).ask(script, limit=ORDER_LIMIT))


def _not_back(work: NodeWork, watch: _Watch, limit: timedelta) -> CommandFailed:
    return CommandFailed(
        f"{work.name}: it is not back {duration_in_words(limit)} after the order to reboot at {watch.asked_at:{MOMENT}}: {watch.in_words}"
        f"{_console_of(work)}",
        hint=f"check the console of {work.name}; once it is back, run it again: the run recognises it, proves it and uncordons it",
    )


def _console_of(work: NodeWork) -> str:
    """Returns the output of the profile's console command. It is empty if the profile has none."""
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
