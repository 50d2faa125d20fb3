"""Holds the acts of a patch on a node.

Each act checks the current state first, so that it can run twice. Packages are searched in lists of our
own, beside the system's. So neither a plan nor a patch changes what other tools see. Our own preferences,
used only for our calls, keep protected packages as they are. They also say what a security update is. A
plan is apt's own simulation of the command that installs. Right before the installation, the simulation is
compared with the plan.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.core.models.folders import PATCHES
from tasks.core.probes.inhibitors import who_blocks
from tasks.core.probes.printed import Printed
from tasks.core.shell import Value, script
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models.packages import PROTECTED, Change, Scope


def note_intent(*, fresh: bool, due: bool) -> str:
    """Returns the script that records what a run wants, before its first change.

    It reads the intent as JSON from standard input. With `fresh` it also records the installed packages. With
    `due` it removes the record of the boot with which all packages were installed.
    """
    return script(__file__, "note_intent", patches=PATCHES, fresh=fresh, due=due)


def note_end(run_id: str) -> str:
    """Returns the script that records that the run has finished here. What it wanted no longer matters."""
    return script(__file__, "note_end", patches=PATCHES, run_id=run_id)


def fetch(manager: PackageManager, scope: Scope, protect: Sequence[str], changes: Sequence[Change]) -> str:
    """Returns the script of the job that downloads the planned packages.

    It changes nothing that is installed. It does nothing for package managers other than apt.
    """
    given = _planned(manager, scope, protect, changes)
    return script(__file__, "fetch", **given)


def install(
    manager: PackageManager, scope: Scope, protect: Sequence[str], changes: Sequence[Change], *, repair: bool
) -> str:
    """Returns the script of the job that installs the planned packages and nothing else.

    It records with which boot it did so. With `repair` it first finishes an interrupted dpkg run.
    """
    given = _planned(manager, scope, protect, changes)
    return script(__file__, "install", repair=repair, **given)


def _planned(
    manager: PackageManager, scope: Scope, protect: Sequence[str], changes: Sequence[Change]
) -> dict[str, Value]:
    return {
        "patches": PATCHES,
        "manager": manager,
        "scope": scope,
        "protected": (*PROTECTED, *protect),
        "planned": "\n".join(sorted(f"{one.package} {one.after}" for one in changes)),
    }


class Order(NamedTuple):
    """This is the answer of a node to the order to reboot."""

    boot: str
    """It is the current boot id."""
    delayed: str = ""
    """It says what delays the reboot."""
    judged: str = ""
    """It is a list of inhibitors in which nobody blocks a shutdown. The order was not given yet; give it with this list."""


def reboot_once(boot: str, judged: str = "") -> str:
    """Returns the script that prints `boot ID` of now.

    If the node still has this boot, the script orders an orderly reboot, unless one is under way. With another
    boot it never does. It does so only while its list of inhibitors is the one that was judged. It prints `asked`,
    `under way`, `inhibitors LIST` to be judged, or `refused WORDS` of systemd.
    """
    return script(__file__, "reboot_once", patches=PATCHES, boot=boot, judged=judged)


def parse_reboot(stdout: bytes) -> Order:
    """Parses the output of `reboot_once`."""
    told = Printed.of(stdout)
    boot, refused, lists = told.one("boot"), told.one("refused"), told.all("inhibitors")
    if refused:
        return Order(boot, f"systemd does not take the order to reboot: {refused}")
    if not lists:
        return Order(boot)
    blocked = who_blocks(lists[0])
    return Order(boot, f"a shutdown is blocked by {blocked[0]}") if blocked else Order(boot, judged=lists[0])
