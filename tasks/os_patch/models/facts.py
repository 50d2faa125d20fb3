"""Models the facts that patches are planned from.

They are what nodes report about packages and boots, and what runs recorded on them.
"""

from datetime import timedelta

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.core.models.etcd import EtcdFacts
from tasks.drain.models import DrainForecast
from tasks.node_work.models.controllers import Controllers
from tasks.node_work.models.health import Symptom
from tasks.nodes.models.nodes import KubeNode, NodeFacts
from tasks.nodes.models.workloads import Workload
from tasks.os_patch.models.packages import Change, Updates


class PatchIntent(Model):
    """This is what a run recorded on a node before its first change: what it wants, and what was there before."""

    run_id: str
    later: tuple[str, ...] = Field(default=(), description="runs that resumed it")
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
        """Returns every run that worked on this intent. A cordon of one of them belongs to this patch."""
        return (self.run_id, *self.later)


class PatchFacts(Model):
    """This is what one node reports about its packages and its last boot, at one moment."""

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
    reboot_unknown: str = Field(default="", description="why the system cannot say whether it needs one")
    reboot_packages: tuple[str, ...] = Field(default=(), description="that have asked for it")
    system_state: str = Field(default="", description="of systemd: running, degraded, starting, ...")
    failed_units: tuple[str, ...] = ()
    unseen: tuple[str, ...] = Field(default=(), description="what systemd or its packages did not say, with the reason")
    clock_synced: bool | None = Field(default=None, description="none when it does not say")
    inhibitors: tuple[str, ...] = Field(default=(), description="who blocks a shutdown now, and why")
    delta: tuple[Change, ...] = Field(default=(), description="between the packages that a run found and those of now")
    intent: PatchIntent | None = Field(default=None, description="of a run that has begun here and has not ended")
    patched_boot: str = Field(default="", description="boot id with which the packages of the intent were all there")
    last_run: str = Field(default="", description="the run that finished here last")

    @property
    def boot_of_patch(self) -> str:
        """Returns the boot that a reboot must end. It is empty when no run is under way."""
        return self.patched_boot or (self.intent.boot_id if self.intent else "")


class Earlier(Model):
    """This records how long a node took in its last run."""

    took: timedelta
    rebooted: bool


class ClusterPatchFacts(Model):
    """This holds all the facts that patches are planned from."""

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
