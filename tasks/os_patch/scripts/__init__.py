"""Acts of a patch on a machine: each looks at what is there first, so that it can be done again.

Packages are looked for in lists of our own, beside the system's: neither a plan nor a patch changes what other tools see.
The same preferences, for our calls only, keep protected packages as they are and say what a security update is. A plan is
apt's own simulation of the very command that installs; right before it does, the simulation is compared with the plan.
"""

from collections.abc import Sequence

from tasks.core.models.folders import PATCHES
from tasks.core.probes.printed import Printed
from tasks.core.shell import Value, script
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models.packages import PROTECTED, Change, Scope


def note_intent(*, fresh: bool, due: bool) -> str:
    """Writes down what a run wants (JSON, by standard input), before it touches anything; `fresh` also what is installed.

    Where packages are `due`, a boot with which they were all there is no news any more.
    """
    return script(__file__, "note_intent", patches=PATCHES, fresh=fresh, due=due)


def note_end(run_id: str) -> str:
    """The run has come to its end here: what it wanted is no news any more."""
    return script(__file__, "note_end", patches=PATCHES, run_id=run_id)


def fetch(manager: PackageManager, scope: Scope, protect: Sequence[str], changes: Sequence[Change]) -> str:
    """The job that downloads what is planned, and changes nothing that is installed. Nothing for others than apt."""
    given = _planned(manager, scope, protect, changes)
    return script(__file__, "fetch", **given)


def install(
    manager: PackageManager, scope: Scope, protect: Sequence[str], changes: Sequence[Change], *, repair: bool
) -> str:
    """The job that installs what is planned and nothing else, and writes down with which boot it did.

    With `repair` it first ends what dpkg was cut off in.
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


def reboot_once(boot: str) -> str:
    """Prints `boot ID` of now. With this very boot an orderly reboot is asked for, unless it is under way; never with another.

    Prints `asked`, `under way`, or `blocked WHO` where somebody has inhibited a shutdown.
    """
    return script(__file__, "reboot_once", patches=PATCHES, boot=boot)


def parse_reboot(stdout: bytes) -> tuple[str, str]:
    """Of `reboot_once`: the boot id of now, and what was said of the reboot."""
    told = Printed.of(stdout)
    blocked = told.one("blocked")
    return told.one("boot"), f"a shutdown is blocked by {blocked}" if blocked else ""
