"""Queries and changes the node that is patched.

A run records what it wants on the node itself, before its first act there. It records the packages, and the
boot that a reboot must end. Every later run reads the record on the node.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import timedelta

from tasks.core.errors import CommandFailed
from tasks.core.logs import log_about
from tasks.drain.observe import what_came_back
from tasks.node_work.blockers import what_blocks_now
from tasks.node_work.work import NodeWork
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch import scripts
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.options import PatchOptions
from tasks.os_patch.models.outcome import Rebooted
from tasks.os_patch.models.packages import Change
from tasks.os_patch.observe import glance_at_patch, look_at_patch
from tasks.os_patch.policy.scope import PATCH_JOBS
from tasks.os_patch.reboot import reboot

FETCH_LIMIT = timedelta(minutes=30)
INSTALL_LIMIT = timedelta(hours=1)
"""Limits the installation. It includes up to ten minutes of waiting for another package manager."""


class PatchMachine:
    """This is a node and its Node object in the API, as a patch uses them."""

    def __init__(self, work: NodeWork, options: PatchOptions) -> None:
        self.work, self._options = work, options

    # --- questions

    def look(self) -> PatchFacts:
        """Returns all facts of the node, with what the package manager would do."""
        return look_at_patch(self.work.handle, self.work.name, self._options, refresh=False)

    def glance(self) -> PatchFacts:
        """Returns the facts that need no answer of the package manager."""
        return glance_at_patch(self.work.handle, self.work.name, self._options)

    def find_blockers(self, ours: Collection[str]) -> tuple[str, ...]:
        """Returns which other nodes, rollouts and alerts block disruption of the node now."""
        return what_blocks_now(self.work.handle, ours, allow_cordoned=self._options.allow_cordoned)

    def find_newcomers(self) -> tuple[str, ...]:
        """Returns what has returned since the drain: pods, or the fact that the node is uncordoned."""
        return tuple(what_came_back(self.work.handle.kube, self.work.name, self._options.drain))

    # --- acts

    def await_job(self) -> bool:
        """Returns True if an installation was under way.

        It waits until that has finished or failed, so that the rest is known.
        """
        running = next((job for job in self.work.machine.jobs if job.startswith(PATCH_JOBS)), "")
        if running:
            with self.work.part("packages, begun before"):
                try:
                    self.work.attach(running, INSTALL_LIMIT)
                except CommandFailed as error:
                    log_about(self.work.name).warning("it failed; what is left is checked: %s", error.problem)
        return bool(running)

    def note_intent(self, intent: PatchIntent, *, fresh: bool = False, due: bool = False) -> None:
        """Records the intent on the node.

        A `fresh` intent is recorded with the installed packages. With `due`, packages are installed after it.
        """
        self.work.run(scripts.note_intent(fresh=fresh, due=due), stdin=intent.model_dump_json().encode())

    def note_end(self, run_id: str) -> None:
        """Records the end of the run on the node. Nobody resumes the intent after this."""
        self.work.run(scripts.note_end(run_id))

    def fetch(self, manager: PackageManager, due: Sequence[Change]) -> None:
        """Downloads the packages that are due."""
        with self.work.part("download"):
            script = scripts.fetch(manager, self._options.scope, self._protect, due)
            self.work.job(_job("fetch", due), script, FETCH_LIMIT, touches=False)

    def install(self, manager: PackageManager, due: Sequence[Change], *, repair: bool) -> None:
        """Installs the packages as planned, and nothing else."""
        with self.work.part("packages"):
            script = scripts.install(manager, self._options.scope, self._protect, due, repair=repair)
            self.work.job(_job("patch", due), script, INSTALL_LIMIT)

    def reboot(self, boot: str) -> Rebooted:
        """Ends this boot, and waits until the node is back with another one."""
        return reboot(self.work, boot, self._options.reboot_timeout)

    @property
    def _protect(self) -> tuple[str, ...]:
        return self.work.handle.profile.maintenance.protect


def _job(what: str, due: Sequence[Change]) -> str:
    """Returns the name of a job. The same packages give the same name."""
    lines = "\n".join(sorted(f"{one.package} {one.after}" for one in due))
    return f"{what}-{hashlib.sha256(lines.encode()).hexdigest()[:8]}"
