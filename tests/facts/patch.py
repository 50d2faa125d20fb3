"""A good cluster of three control planes and two workers with two security updates each, for tests of patches' decisions."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from tasks.core.models.etcd import EtcdFacts, Member
from tasks.core.models.profile import MaintenanceRules
from tasks.core.models.report import Took
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models.facts import ClusterPatchFacts, Earlier, PatchFacts, PatchIntent
from tasks.os_patch.models.options import PatchOptions
from tasks.os_patch.models.outcome import NodePatched
from tasks.os_patch.models.packages import Change, Updates
from tasks.os_patch.models.plan import PatchPlan
from tasks.os_patch.policy.plan import plan_patch
from tests.facts.upgrade import ALL, NOW, controllers, forecast, kube_node, machine, members, workload

Changes = Mapping[str, Any]

RUN = "run-1"
OPENSSL = Change(package="openssl", before="3.0.20", after="3.0.22", origins=("Debian-Security:12/x",), security=True)
CURL = Change(package="curl", before="7.88.1-10", after="7.88.1-14", security=True)
KERNEL = Change(package="linux-image-6.1.0-27-amd64", after="6.1.115-1", security=True)
PROTECTED = {"kubelet": "1.36.3-1.1", "containerd": "1.6.20"}
CLEAN = Updates(manager=PackageManager.APT, protected=PROTECTED)
MINUTE = timedelta(minutes=1)
RPM_INSTALLED = {
    "containerd.io.noarch": "1.7.1-1",
    "kernel.noarch": "5.14.0-1.el9",
    "lab-other.noarch": "1.0-1",
    "lab-package-with-a-rather-long-name-for-a-table.noarch": "1.0-1.el9",
    "openssl.noarch": "3.0.7-1.el9",
}
RPM_SECURITY = [
    "kernel.noarch 5.14.0-1.el9 to 5.14.0-2.el9",
    "openssl.noarch 3.0.7-1.el9 to 3.0.8-2.el9",
    "lab-new-dep.noarch 1.0-1 (new)",
]
PATCHED = NodePatched(
    node="w1",
    run_id="r",
    at=NOW,
    changes=(CURL, KERNEL),
    rebooted=True,
    reboot_reason="the system asks for a reboot",
    boot_before="aaaaaaaa-1",
    boot_after="bbbbbbbb-2",
    away=timedelta(seconds=40),
    kernel_after="6.1.0-27-amd64",
    evicted=("n/a",),
    leader_moved_to="cp3",
    drained_again=True,
    stays_cordoned=True,
    parts=(Took(what="drain", took=timedelta(seconds=8)), Took(what="reboot", took=timedelta(seconds=40))),
    took=timedelta(seconds=95),
    record="s3://b/record.json",
)
OURS = {"kube-runbooks.io/cordoned-by": "run-0", "kube-runbooks.io/cordon-reason": "node_os_patch"}


def words(changes: Iterable[Change]) -> list[str]:
    """For people."""
    return [one.in_words for one in changes]


def updates(**changes: object) -> Updates:
    """Two security updates by apt."""
    good: dict[str, Any] = {
        "manager": PackageManager.APT,
        "changes": (CURL, OPENSSL),
        "held": ("kubelet",),
        "protected": PROTECTED,
    }
    return Updates.model_validate(good | changes)


def patch(name: str = "w1", **changes: object) -> PatchFacts:
    """A machine that is well."""
    good: dict[str, Any] = {
        "name": name,
        "updates": updates(),
        "boot_id": "b1",
        "kernel": "6.1.0-26-amd64",
        "newest_kernel": "6.1.0-26-amd64",
        "default_kernel": "6.1.0-26-amd64",
        "system_state": "running",
        "clock_synced": True,
    }
    return PatchFacts.model_validate(good | changes)


def intent(**changes: object) -> PatchIntent:
    """Of an earlier run that has begun, with the same updates."""
    good: dict[str, Any] = {
        "run_id": "run-0",
        "boot_id": "b1",
        "changes": (CURL, OPENSSL),
        "protected": PROTECTED,
        "clock_synced": True,
    }
    return PatchIntent.model_validate(good | changes)


def cluster(
    *,
    machines: Mapping[str, Changes] | None = None,
    patches: Mapping[str, Changes] | None = None,
    nodes: Mapping[str, Changes] | None = None,
    etcd: tuple[Member, ...] | None = None,
    names: tuple[str, ...] = ALL,
    **changes: object,
) -> ClusterPatchFacts:
    """A good one; `machines`, `patches` and `nodes` have changes of some."""
    facts: dict[str, Any] = {
        "observed_at": NOW,
        "run_id": RUN,
        "machines": tuple(machine(name, **(machines or {}).get(name, {})) for name in names),
        "patches": tuple(patch(name, **(patches or {}).get(name, {})) for name in names),
        "nodes": tuple(kube_node(name, **(nodes or {}).get(name, {})) for name in names),
        "workloads": (workload("kube-system/coredns"), workload("shop/cart")),
        "forecasts": tuple(forecast(name, f"shop/{name}-a") for name in names),
        "controllers": controllers(*(name for name in names if name.startswith("cp"))),
        "etcd": EtcdFacts(cluster_id="c1", observed_at=NOW, members=members() if etcd is None else etcd),
    }
    return ClusterPatchFacts.model_validate(facts | changes)


def clean(*names: str) -> dict[str, Changes]:
    """Machines with nothing to do, for `patches`."""
    return {name: {"updates": CLEAN} for name in names}


def rules(*windows: tuple[str, str], **changes: object) -> MaintenanceRules:
    """With windows of each day, in UTC, and 50 % on top of 20 minutes."""
    written = [{"from": begins, "to": ends} for begins, ends in windows]
    return MaintenanceRules.model_validate({"windows": written} | changes)


def plan(facts: ClusterPatchFacts, maintenance: MaintenanceRules | None = None, **options: object) -> PatchPlan:
    """For these facts, at noon, with the safe options unless others are given; by default a window is open all day."""
    return plan_patch(facts, PatchOptions.model_validate(options), maintenance or rules(("00:00", "00:00")), now=NOW)


def earlier(**minutes: int) -> dict[str, Earlier]:
    """Nodes to how long their last run took, with a reboot."""
    return {name: Earlier(took=minute * MINUTE, rebooted=True) for name, minute in minutes.items()}
