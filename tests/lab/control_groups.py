"""The control groups of one machine: a folder in each hierarchy (version 1), or in the one (version 2)."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.lab.host import CGROUPS, LabError, uses_cgroup_v2
from tests.lab.init import remove

PREFIX = "kube-runbooks-"
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")
FREEZE_LIMIT = 60.0


class ControlGroups:
    """Where all processes of a machine are, so that all of them can be stopped or killed in one moment."""

    def __init__(self, lab: str, machine: str) -> None:
        roots = [CGROUPS] if uses_cgroup_v2() else sorted(one for one in CGROUPS.iterdir() if one.is_dir())
        self.parents = [root / f"{PREFIX}{lab}" for root in roots]
        self.folders = [parent / machine for parent in self.parents]

    def make(self) -> None:
        """Ready to take processes."""
        for parent, folder in zip(self.parents, self.folders, strict=True):
            for each in (parent, folder):
                each.mkdir(exist_ok=True)
                if uses_cgroup_v2():
                    _delegate(each.parent)
                else:
                    _inherit_cpus(each)

    def processes(self) -> set[int]:
        """Every process in them, also in groups below."""
        found: set[int] = set()
        for below, _, _ in os.walk(self._freezer):
            with suppress(OSError):
                found |= {int(line) for line in (Path(below) / "cgroup.procs").read_text().split()}
        return found - {0}

    def freeze(self) -> None:
        """Every process stops, as by SIGSTOP but none can tell: nothing is closed, nothing is answered."""
        if not self._freezer.exists():
            return
        name, value, done = _FREEZE[uses_cgroup_v2()]
        (self._freezer / name).write_text(value)
        deadline = time.monotonic() + FREEZE_LIMIT
        while done not in (self._freezer / ("cgroup.events" if uses_cgroup_v2() else name)).read_text():
            if time.monotonic() > deadline:
                raise LabError(f"{self._freezer} does not freeze")
            time.sleep(0.01)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        name, value = ("cgroup.freeze", "0") if uses_cgroup_v2() else ("freezer.state", "THAWED")
        if self._freezer.exists():
            (self._freezer / name).write_text(value)

    def kill(self) -> None:
        """SIGKILL for every process; those that were frozen do nothing more."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.thaw()

    def throttle(self, device: str, bytes_per_second: int | None) -> None:
        """Limit what reaches a block device (`major:minor`), both ways; None for no limit."""
        if uses_cgroup_v2():
            limit = bytes_per_second or "max"
            (self.folders[0] / "io.max").write_text(f"{device} rbps={limit} wbps={limit}")
        else:
            folder = CGROUPS / "blkio" / self.folders[0].relative_to(self._root)
            for way in ("read", "write"):
                (folder / f"blkio.throttle.{way}_bps_device").write_text(f"{device} {bytes_per_second or 0}")

    def remove(self) -> None:
        """The machine's groups; it must have no process any more."""
        for folder in self.folders:
            remove(folder)

    @property
    def _freezer(self) -> Path:
        return self.folders[0] if uses_cgroup_v2() else CGROUPS / "freezer" / self.folders[0].relative_to(self._root)

    @property
    def _root(self) -> Path:
        return self.parents[0].parent


_FREEZE = {True: ("cgroup.freeze", "1", "frozen 1"), False: ("freezer.state", "FROZEN", "FROZEN")}


def _inherit_cpus(group: Path) -> None:
    """A new cpuset of version 1 has no CPU and no memory node, and takes no process."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (group / name).exists() and not (group / name).read_text().strip():
            (group / name).write_text((group.parent / name).read_text())


def _delegate(group: Path) -> None:
    for controller in CONTROLLERS:
        with suppress(OSError):  # not every kernel has every one
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
