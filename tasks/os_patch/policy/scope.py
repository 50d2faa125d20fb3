"""Describes how far the patch of each node is, and which nodes this run takes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from tasks.core.models.profile import MaintenanceRules
from tasks.core.models.windows import Opening
from tasks.drain.models import CORDONED_BY, REASON, DrainForecast
from tasks.nodes.models.nodes import KubeNode, NodeFacts
from tasks.nodes.policy.profile_nodes import ProfileNode
from tasks.os_patch.models.facts import ClusterPatchFacts, PatchFacts, PatchIntent
from tasks.os_patch.models.options import PatchOptions, RebootRule
from tasks.os_patch.models.packages import Change
from tasks.os_patch.policy.proof import merged
from tasks.os_patch.policy.reboots import was_rebooted_by, why_reboot
from tasks.os_patch.policy.windows import ends_of_run, next_opening, open_now, with_margin

RUNBOOKS = ("node_os_patch", "node_reboot")
"""Names the runbooks that appear in the reason of a cordon that a patch run has left, whichever run it was."""

PATCH_JOBS = ("patch-",)
"""Lists the prefixes of remote jobs that install packages, as `tasks/os_patch/machine.py` names them."""


@dataclass(frozen=True)
class PatchState(ProfileNode):
    """This is a node of the profile, and what it lacks.

    It is begun when a run has recorded its intent there and has cordoned it.
    """

    patch: PatchFacts
    forecast: DrainForecast | None
    left_by_another: bool
    """True if another runbook of ours has the node out of service."""
    changes: tuple[Change, ...]
    reboot: str
    """It says why the node will be rebooted, as far as that is known."""
    repaired: bool
    """True if an interrupted dpkg run on the node is finished first."""
    done_by_this_run: bool

    @property
    def is_disturbed(self) -> bool:
        """Returns True if an act takes the node's pods away."""
        return bool(self.changes or self.reboot or self.repaired)

    @property
    def is_pending(self) -> bool:
        """Returns True if the node has work to do if it is selected.

        The work may be only to prove and return the node.
        """
        return not self.unreached and not self.done_by_this_run and (self.is_disturbed or self.begun)

    @property
    def unreached(self) -> str:
        """Returns why nothing is known about the node."""
        return self.machine.unreached or self.patch.unreached


@dataclass(frozen=True)
class PatchScene:
    """This holds everything that the rules of a patch check."""

    facts: ClusterPatchFacts
    options: PatchOptions
    rules: MaintenanceRules
    now: datetime
    urgent: bool = False
    """True if other nodes, rollouts and alerts do not block the run."""

    @cached_property
    def nodes(self) -> tuple[PatchState, ...]:
        """Returns the nodes of the profile, in its order."""
        patches = {one.name: one for one in self.facts.patches}
        return tuple(self._state(machine, patches[machine.name]) for machine in self.facts.machines)

    @property
    def control_planes(self) -> tuple[PatchState, ...]:
        """Returns the control plane nodes in the order in which they are disturbed."""
        return tuple(sorted((node for node in self.nodes if node.is_control_plane), key=lambda node: node.order))

    @property
    def workers(self) -> tuple[PatchState, ...]:
        """Returns the workers, sorted by name."""
        return tuple(sorted((node for node in self.nodes if not node.is_control_plane), key=lambda node: node.name))

    @property
    def pending(self) -> tuple[PatchState, ...]:
        """Returns the nodes with work to do if the window has room.

        While no window is open, it returns only those that need no more disruption.
        """
        return tuple(
            node for node in self.nodes if node.selected and node.is_pending and not (self.closed and node.is_disturbed)
        )

    @cached_property
    def opening(self) -> Opening | None:
        """Returns the window that is open now."""
        return None if self.options.outside_window else open_now(self.rules.windows, self.now)

    @cached_property
    def following(self) -> Opening | None:
        """Returns the window that opens next."""
        return next_opening(self.rules.windows, self.now)

    @property
    def closed(self) -> str:
        """Returns why nothing may be disturbed now. It is empty when disruption is allowed."""
        if not self.rules.windows or self.options.outside_window or self.opening:
            return ""
        return f"no maintenance window is open; {self.next_words}"

    @property
    def next_words(self) -> str:
        """Returns when the next window opens, as text. It is empty if there is none."""
        one = self.following
        return f"the next one opens at {one.opens:%Y-%m-%d %H:%M} UTC ({one.window})" if one else ""

    @property
    def until(self) -> datetime | None:
        """Returns when all work must be over, or `None` if no window is open."""
        return ends_of_run(self.opening, self.now) if self.opening else None

    def expected(self, node: PatchState) -> timedelta:
        """Returns the expected duration of a node.

        It is the duration of its last run, if that is comparable. It is zero for a node that only has to be
        returned.
        """
        earlier = self.facts.earlier.get(node.name)
        if not node.is_disturbed:
            return timedelta()
        if earlier and (earlier.rebooted or not node.reboot):
            return earlier.took
        return max(self.rules.expected_duration, earlier.took if earlier else timedelta())

    def needs(self, node: PatchState) -> timedelta:
        """Returns the expected duration of a node with its margin."""
        return with_margin(self.expected(node), self.rules.margin_percent)

    def _state(self, machine: NodeFacts, patch: PatchFacts) -> PatchState:
        kube = next((node for node in self.facts.nodes if node.name == machine.name), None)
        owner = kube.annotations.get(CORDONED_BY, "") if kube else ""
        at_work = any(job.startswith(PATCH_JOBS) for job in machine.jobs)
        begun = patch.intent is not None and (at_work or self._is_of(patch.intent, kube))
        changes = patch.updates.changes
        if at_work and patch.intent:  # what its package manager says meanwhile is half of the truth
            changes = patch.intent.changes
        elif patch.updates.broken and patch.intent and begun:
            changes = merged(patch.intent.changes, changes)
        known = patch if begun else patch.model_copy(update={"intent": None, "patched_boot": ""})
        return PatchState(
            machine=machine,
            patch=patch,
            kube=kube,
            member=next((one for one in self.facts.etcd.members if machine.name in {one.node, one.name}), None),
            forecast=next((one for one in self.facts.forecasts if one.node == machine.name), None),
            selected=not self.options.nodes or machine.name in self.options.nodes,
            begun=begun,
            left_by_another=bool(owner) and not begun and not patch.unreached,
            changes=changes,
            reboot=why_reboot(self.options.reboot, known, changes),
            repaired=self.options.repair and bool(patch.updates.broken) and not at_work,
            done_by_this_run=self._is_done(patch, begun=begun),
        )

    def _is_of(self, intent: PatchIntent, kube: KubeNode | None) -> bool:
        """Returns True if the cordon is from a run that worked on the intent.

        For this very run, a cordon that someone else set before also counts.
        """
        if kube is None or not kube.cordoned:
            return False
        owner, reason = kube.annotations.get(CORDONED_BY, ""), kube.annotations.get(REASON, "")
        ours = owner in intent.runs or (bool(owner) and any(name in reason for name in RUNBOOKS))
        return ours or self.facts.run_id in intent.runs

    def _is_done(self, patch: PatchFacts, *, begun: bool) -> bool:
        """Returns True if this run has finished the node.

        So a retry of the same run does not repeat a requested reboot.
        """
        if self.options.reboot is not RebootRule.ALWAYS or begun or patch.updates.changes:
            return False
        return was_rebooted_by(self.facts.run_id, patch)
