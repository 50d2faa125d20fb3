"""Patches of the operating system: what was observed, what will be done to which node in which order, and what came of it."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import CHOICE, WORK_ON_NODE, Reasons
from tasks.core.models.base import Duration, Model, UtcTime
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.plan import Plan
from tasks.core.models.report import Took
from tasks.drain.models import DrainForecast, DrainOptions
from tasks.node_work.models.controllers import Controllers
from tasks.node_work.models.health import Symptom
from tasks.node_work.models.waves import Waves
from tasks.nodes.models.nodes import KubeNode, NodeFacts, PackageManager
from tasks.nodes.models.workloads import Workload

PROTECTED = (
    *("kubelet", "kubeadm", "kubectl", "kubernetes-cni", "cri-tools"),
    *("containerd", "containerd.io", "runc", "cri-o"),
)
"""Packages that a patch never touches: rolling_upgrade moves them, or the site does."""


class Scope(StrEnum):
    """Which updates are installed."""

    SECURITY = "security"
    """What the distribution publishes as security updates."""
    ALL = "all"
    NONE = "none"
    """No update: only reboots."""


class RebootRule(StrEnum):
    """When a node is rebooted."""

    NEVER = "never"
    NEEDED = "needed"
    """A reboot is pending, or what was installed takes effect with one only."""
    ALWAYS = "always"


class PatchOptions(Model):
    """What an operator may choose; every default is the safe one."""

    COVERED: ClassVar[Reasons] = {
        "scope reboot nodes waves drain repair outside_window allow_cordoned allow_downtime come_back settle": CHOICE
    }

    scope: Scope = Field(default=Scope.SECURITY, description="security: only security updates; all: every update")
    reboot: RebootRule = Field(
        default=RebootRule.NEEDED, description="needed: only where one is pending or an update asks for it"
    )
    nodes: tuple[str, ...] = Field(default=(), description="only these nodes; empty for all")
    waves: Waves = Field(default=Waves(), description="how many workers at once, and how many may fail")
    drain: DrainOptions = Field(default=DrainOptions(), description="what a drain may do, and how long it may take")
    repair: bool = Field(
        default=False,
        description="end what dpkg was cut off in, by `dpkg --configure -a`, before anything is installed",
    )
    outside_window: bool = Field(default=False, description="go on also where no maintenance window is open")
    allow_cordoned: bool = Field(
        default=False, description="go on although somebody has cordoned a node; that one stays cordoned"
    )
    allow_downtime: bool = Field(
        default=False, description="disturb the only control plane of a cluster, whose API is away meanwhile"
    )
    come_back: Duration = Field(
        default=timedelta(minutes=20), gt=timedelta(0), description="that a node has, to be back after its reboot"
    )
    settle: Duration = Field(
        default=timedelta(seconds=10), description="that a node has to look healthy without a break, afterwards"
    )


class Change(Model):
    """What becomes of one package."""

    COVERED: ClassVar[Reasons] = {"package before after origins security": "these very versions are installed"}

    package: str
    before: str = Field(default="", description="version; empty when it is new")
    after: str
    origins: tuple[str, ...] = Field(default=(), description="for example Debian-Security:12/oldstable-security")
    security: bool = False

    @property
    def in_words(self) -> str:
        """`openssl 3.0.20-1 to 3.0.22-1`."""
        return f"{self.package} {self.before} to {self.after}" if self.before else f"{self.package} {self.after} (new)"


class Updates(Model):
    """What a package manager would do, and what is in its way."""

    manager: PackageManager = PackageManager.NONE
    changes: tuple[Change, ...] = ()
    removals: tuple[str, ...] = Field(default=(), description="packages that it would remove")
    kept_back: tuple[str, ...] = Field(default=(), description="packages that have an update and do not get it")
    held: tuple[str, ...] = Field(default=(), description="packages that an administrator has put on hold")
    broken: tuple[str, ...] = Field(default=(), description="packages that are not wholly installed")
    locked_by: str = Field(default="", description="another package manager that is at work now")
    problem: str = Field(default="", description="why its repositories could not be asked")
    protected: dict[str, str] = Field(default={}, description="package that is never touched to its version")


class PatchIntent(Model):
    """What a run has written down on a node before it touched it: what it wants, and what was there before."""

    run_id: str
    later: tuple[str, ...] = Field(default=(), description="runs that have gone on with it")
    boot_id: str
    changes: tuple[Change, ...] = ()
    protected: dict[str, str] = Field(default={}, description="package that is never touched to its version")
    failed_units: tuple[str, ...] = ()
    clock_synced: bool | None = None
    kernel: str = ""
    system_state: str = Field(default="", description="of systemd")
    promised_kernel: str = Field(
        default="",
        description="that the boot loader was to start, right before the reboot; empty when it was not known",
    )

    @property
    def runs(self) -> tuple[str, ...]:
        """All that have had to do with it: a cordon of one of them is this patch's."""
        return (self.run_id, *self.later)


class PatchFacts(Model):
    """What one machine says of its packages and of its last boot, at one moment."""

    name: str
    unreached: str = Field(default="", description="why nothing else is known")
    updates: Updates = Updates()
    boot_id: str = ""
    kernel: str = Field(default="", description="that runs")
    newest_kernel: str = Field(default="", description="that is installed; empty when there is none, as in a container")
    default_kernel: str = Field(
        default="", description="that the boot loader starts by default; empty when that is not known"
    )
    newest_was_there: bool = Field(
        default=False,
        description="the newest kernel was installed before this boot, which may have started another one",
    )
    kernel_state: int | None = Field(
        default=None, description="NEEDRESTART-KSTA: 1 none pending, 2 and 3 an upgrade is pending"
    )
    reboot_required: bool = Field(default=False, description="the system says so")
    reboot_packages: tuple[str, ...] = Field(default=(), description="that have asked for it")
    system_state: str = Field(default="", description="of systemd: running, degraded, starting, ...")
    failed_units: tuple[str, ...] = ()
    clock_synced: bool | None = Field(default=None, description="none when it does not say")
    inhibitors: tuple[str, ...] = Field(default=(), description="who blocks a shutdown now, and why")
    delta: tuple[Change, ...] = Field(default=(), description="between the packages that a run found and those of now")
    intent: PatchIntent | None = Field(default=None, description="of a run that has begun here and has not ended")
    patched_boot: str = Field(default="", description="boot id with which the packages of the intent were all there")
    last_run: str = Field(default="", description="the run that came to its end here last")

    @property
    def boot_of_patch(self) -> str:
        """The boot that a reboot has to end; none when no run is under way."""
        return self.patched_boot or (self.intent.boot_id if self.intent else "")


class Earlier(Model):
    """How long a node took in its last run."""

    took: timedelta
    rebooted: bool


class PatchSituation(Model):
    """All that patches are planned from."""

    observed_at: UtcTime
    run_id: str
    machines: tuple[NodeFacts, ...] = Field(description="of the profile")
    patches: tuple[PatchFacts, ...] = Field(description="of the same machines")
    nodes: tuple[KubeNode, ...] = Field(description="of the API")
    workloads: tuple[Workload, ...] = ()
    forecasts: tuple[DrainForecast, ...] = ()
    etcd: EtcdFacts
    gates: tuple[str, ...] = Field(default=(), description="what the site's own gates have against it now")
    alerts: tuple[str, ...] = Field(default=(), description="that fire now")
    symptoms: dict[str, tuple[Symptom, ...]] = Field(
        default={}, description="node to what its proof would find wrong now, before anything is done"
    )
    controllers: Controllers = Field(default=Controllers(), description="of all control plane nodes")
    earlier: dict[str, Earlier] = Field(default={}, description="node to its last run")


class NodePatch(Model):
    """One node of the plan."""

    COVERED: ClassVar[Reasons] = {"name control_plane changes reboot begun repair": WORK_ON_NODE}
    LEFT_OUT: ClassVar[Reasons] = {
        "evicted": "names of pods change all the time; `evicts` has their controllers, and what is lost",
        "expected needs": "an estimate",
    }

    name: str
    control_plane: bool
    changes: tuple[Change, ...] = ()
    reboot: str = Field(default="", description="why it will be rebooted; empty when nothing says so yet")
    begun: bool = Field(default=False, description="an earlier run has begun with it: it is gone on with")
    repair: bool = False
    evicted: tuple[str, ...] = Field(default=(), description="pods that the drain evicts")
    expected: timedelta = Field(description="that it takes")
    needs: timedelta = Field(description="the same with its margin")


class PatchPlan(Plan):
    """The order of nodes: control planes one at a time, then workers in waves."""

    COVERED: ClassVar[Reasons] = {
        "control_plane waves": "what is done to whom, in which order",
        "waiting": "nodes that are not done in this window",
    }
    LEFT_OUT: ClassVar[Reasons] = {
        "until": "it moves with the moment of planning; which nodes fit is covered",
        "opens closed": "there is nothing to approve while no window is open",
    }

    control_plane: tuple[NodePatch, ...] = ()
    waves: tuple[tuple[NodePatch, ...], ...] = ()
    until: UtcTime | None = Field(default=None, description="when all has to be over; none where there is no window")
    opens: UtcTime | None = Field(default=None, description="the next window, when none is open")
    closed: str = Field(default="", description="why nothing may be done now")
    waiting: tuple[str, ...] = Field(default=(), description="nodes that do not fit into the window any more")

    @property
    def nodes(self) -> tuple[NodePatch, ...]:
        """All of them, in order."""
        return (*self.control_plane, *(node for wave in self.waves for node in wave))

    @property
    def is_postponed(self) -> bool:
        """There is something to do, and no time for it now."""
        return not self.nodes and bool(self.closed or self.waiting)


class PatchOrders(Model):
    """What the patch of each node is told."""

    options: PatchOptions
    run_id: str
    runbook: str = "node_os_patch"
    reason: str = Field(default="node_os_patch", description="of the cordon")
    ticket: str = ""
    urgent: bool = Field(default=False, description="other nodes, rollouts and alerts do not forbid it")
    until: UtcTime | None = None
    ours: tuple[str, ...] = Field(default=(), description="nodes that this run has out of service, or has given up")


class Rebooted(Model):
    """A machine that was away and is back."""

    before: str = Field(description="boot id")
    after: str
    away: timedelta = Field(description="from the order until it let us in again")


class NodePatched(Model):
    """What came of a node, with the proof of it: the record that is kept for each node."""

    node: str
    run_id: str
    at: UtcTime
    changes: tuple[Change, ...] = Field(default=(), description="as the package manager's own lists have them")
    rebooted: bool = False
    reboot_reason: str = ""
    reboot_pending: tuple[str, ...] = Field(default=(), description="why one is pending and was not made")
    boot_before: str = ""
    boot_after: str = ""
    away: timedelta | None = None
    kernel_before: str = ""
    kernel_after: str = ""
    system_state: str = ""
    failed_units: tuple[str, ...] = Field(default=(), description="that had failed before, too")
    protected: dict[str, str] = Field(default={}, description="packages that were not touched, with their versions")
    clock_synced: bool | None = None
    held: tuple[str, ...] = ()
    evicted: tuple[str, ...] = ()
    waited_for: tuple[str, ...] = ()
    leader_moved_to: str = ""
    drained_again: bool = Field(default=False, description="somebody had uncordoned it between drain and reboot")
    stays_cordoned: bool = Field(default=False, description="somebody had cordoned it before the run")
    noticed: tuple[str, ...] = Field(
        default=(), description="what is wrong, and no reason to fail: it was so before, or has to do with other nodes"
    )
    parts: tuple[Took, ...] = ()
    took: timedelta
    whole: bool = Field(
        default=False, description="from its gate to its proof in one attempt: its time says how long a node takes"
    )
    record: str = Field(default="", description="where this is kept")


class Waits(Model):
    """A node that was left for the next window."""

    node: str
    reason: str


class WavePatched(Model):
    """What came of the nodes of a wave."""

    nodes: tuple[NodePatched, ...] = ()
    waiting: tuple[Waits, ...] = ()
    failed: dict[str, str] = Field(default={}, description="node to the reason; within the error budget")
