"""How far a patch is, node by node, and which nodes this run takes."""

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
"""In the reason of a cordon that a run of these has left, whoever it was."""

PATCH_JOBS = ("patch-",)
"""How the names of remote jobs begin that install packages, as `tasks/os_patch/machine.py` names them."""


@dataclass(frozen=True)
class PatchState(ProfileNode):
    """A node of the profile, and what it lacks. It is begun when a run has written down what it wants here, and has cordoned it."""

    patch: PatchFacts
    forecast: DrainForecast | None
    left_by_another: bool
    """Another runbook of ours has it out of service."""
    changes: tuple[Change, ...]
    reboot: str
    """Why it will be rebooted, as far as it is known."""
    repaired: bool
    """What was cut off in it is ended first."""
    done_by_this_run: bool

    @property
    def is_disturbed(self) -> bool:
        """Something is to be done that takes its pods away."""
        return bool(self.changes or self.reboot or self.repaired)

    @property
    def is_pending(self) -> bool:
        """Something is to be done, were it selected: also only to prove that it is well and to give it back."""
        return not self.unreached and not self.done_by_this_run and (self.is_disturbed or self.begun)

    @property
    def unreached(self) -> str:
        """Why nothing is known of the machine."""
        return self.machine.unreached or self.patch.unreached


@dataclass(frozen=True)
class PatchScene:
    """All that the rules of a patch look at."""

    facts: ClusterPatchFacts
    options: PatchOptions
    rules: MaintenanceRules
    now: datetime
    urgent: bool = False
    """Other nodes, rollouts and alerts do not forbid it."""

    @cached_property
    def nodes(self) -> tuple[PatchState, ...]:
        """Of the profile, in its order."""
        patches = {one.name: one for one in self.facts.patches}
        return tuple(self._state(machine, patches[machine.name]) for machine in self.facts.machines)

    @property
    def control_planes(self) -> tuple[PatchState, ...]:
        """In the order in which they are disturbed."""
        return tuple(sorted((node for node in self.nodes if node.is_control_plane), key=lambda node: node.order))

    @property
    def workers(self) -> tuple[PatchState, ...]:
        """By name."""
        return tuple(sorted((node for node in self.nodes if not node.is_control_plane), key=lambda node: node.name))

    @property
    def pending(self) -> tuple[PatchState, ...]:
        """What would be done, had the window room for it; while none is open, what disturbs nothing any more."""
        return tuple(
            node for node in self.nodes if node.selected and node.is_pending and not (self.closed and node.is_disturbed)
        )

    @cached_property
    def opening(self) -> Opening | None:
        """The window that is open now."""
        return None if self.options.outside_window else open_now(self.rules.windows, self.now)

    @cached_property
    def following(self) -> Opening | None:
        """The one that opens next."""
        return next_opening(self.rules.windows, self.now)

    @property
    def closed(self) -> str:
        """Why nothing may be disturbed now; empty when it may."""
        if not self.rules.windows or self.options.outside_window or self.opening:
            return ""
        return f"no maintenance window is open; {self.next_words}"

    @property
    def next_words(self) -> str:
        """When the next window opens; empty where there is none."""
        one = self.following
        return f"the next one opens at {one.opens:%Y-%m-%d %H:%M} UTC ({one.window})" if one else ""

    @property
    def until(self) -> datetime | None:
        """When all has to be over."""
        return ends_of_run(self.opening, self.now) if self.opening else None

    def expected(self, node: PatchState) -> timedelta:
        """That it takes: as in its last run, if that is comparable; nothing to speak of where it has only to be given back."""
        earlier = self.facts.earlier.get(node.name)
        if not node.is_disturbed:
            return timedelta()
        if earlier and (earlier.rebooted or not node.reboot):
            return earlier.took
        return max(self.rules.node_takes, earlier.took if earlier else timedelta())

    def needs(self, node: PatchState) -> timedelta:
        """The same with its margin."""
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
        """The cordon is of a run that has had to do with it; of this very one also where somebody else had cordoned it before."""
        if kube is None or not kube.cordoned:
            return False
        owner, reason = kube.annotations.get(CORDONED_BY, ""), kube.annotations.get(REASON, "")
        ours = owner in intent.runs or (bool(owner) and any(name in reason for name in RUNBOOKS))
        return ours or self.facts.run_id in intent.runs

    def _is_done(self, patch: PatchFacts, *, begun: bool) -> bool:
        """A retry of the same run does not reboot again what it has only been told to reboot."""
        if self.options.reboot is not RebootRule.ALWAYS or begun or patch.updates.changes:
            return False
        return was_rebooted_by(self.facts.run_id, patch)
