"""What an upgrade does on a node, decided from what is there at that moment."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import upgrade
from tasks.clients.ssh import JobResult
from tasks.errors import NotYet
from tasks.models.health import Expected
from tasks.models.upgrade import NodeUpgrade, Staged, UpgradeOptions, UpgradePlan, Workload
from tests.unit.upgrade_facts import NEW, NOW, OLD, kube_proxy, machine, workload

NODE = NodeUpgrade(
    name="w1", control_plane=False, kubelet=OLD, target=NEW, needs_kubeadm=True, needs_kubelet=True, applies=False
)


class Work:
    """A node whose commands are only written down; the API says which kubelet told it last."""

    def __init__(self, *, installed: str, runs: str, api: str) -> None:
        self.name = "w1"
        self.machine = machine("w1", OLD, kubelet=installed, kubelet_runs=runs)
        self.is_ours = False
        told = {"metadata": {"name": "w1"}, "status": {"nodeInfo": {"kubeletVersion": f"v{api}"}}}
        self.handle = SimpleNamespace(kube=SimpleNamespace(get=lambda _: told))
        self.done: list[str] = []
        self.expected: list[Expected] = []

    def part(self, _: str) -> AbstractContextManager[None]:
        return nullcontext()

    def now(self) -> datetime:
        return NOW

    def empty(self, *_: object) -> None:
        self.done.append("drained")

    def job(self, what: str, script: str, _: timedelta) -> JobResult:
        restarts = "systemctl restart kubelet" in script
        self.done.append(f"{what}{', restarts' if restarts else ''}")
        return JobResult(name=what, output="", output_bytes=0, ended_at=NOW, attached=False)

    def prove(self, expected: Expected) -> None:
        self.expected.append(expected)

    def give_back(self) -> None:
        self.done.append("given back")


@pytest.mark.parametrize(
    ("installed", "runs", "api", "needed"),
    [
        (OLD, OLD, OLD, True),
        (NEW, OLD, OLD, True),
        (NEW, "", OLD, True),
        (NEW, OLD, NEW, True),
        (OLD, NEW, NEW, True),
        (NEW, NEW, OLD, False),
        (NEW, "", NEW, False),
    ],
)
def test_a_kubelet_that_was_installed_is_restarted_unless_it_runs(
    installed: str, runs: str, api: str, *, needed: bool
) -> None:
    """Its process counts: as that says its version, else as the API has it."""
    work: Any = Work(installed=installed, runs=runs, api=api)
    assert upgrade._needs_kubelet(work, NODE) is needed  # noqa: SLF001 - a part of one task
    upgrade._upgrade_kubelet(work, NODE, UpgradeOptions())  # noqa: SLF001 - a part of one task
    restarts = ["install-kubelet-1-37-2, restarts"] if needed else []
    assert work.done == ["drained", *restarts, "given back"]
    assert [one.kubelet for one in work.expected] == [NEW]


STAGED = Staged(
    version=NEW,
    nodes=("cp1", "w1"),
    images=(f"registry.k8s.io/kube-proxy:v{NEW}", "registry.k8s.io/coredns/coredns:v1.14.6"),
)
COREDNS = workload("kube-system/coredns", "registry.k8s.io/coredns/coredns:v1.14.6")


def prove(monkeypatch: pytest.MonkeyPatch, *addons: Workload, failing: dict[str, dict[str, str]] | None = None) -> Any:  # noqa: ANN401
    """The proof of the addons, of a cluster in which w1's Service kube-dns did not answer before."""
    configured = {"data": {"ClusterConfiguration": f"kubernetesVersion: v{NEW}"}}
    kube = SimpleNamespace(find=lambda _: configured)
    handle: Any = SimpleNamespace(
        kube=kube, profile=SimpleNamespace(nodes=[SimpleNamespace(name=n) for n in ("cp1", "w1")])
    )
    monkeypatch.setattr(upgrade, "look_at_workloads", lambda _: (COREDNS, *addons))
    monkeypatch.setattr(upgrade, "find_services", lambda _: None)
    monkeypatch.setattr(upgrade, "services_that_fail", lambda _, name, __: (failing or {}).get(name, {}))
    plan = UpgradePlan(version=NEW, services_before={"w1": ("Service kube-dns",)})
    return upgrade._prove_addons(handle, plan, STAGED)  # noqa: SLF001 - a part of two tasks


def test_services_have_to_be_no_worse_than_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that did not answer a node before is no reason to stop; another one is, and the same one of another node."""
    dns = {"kube-dns": "it does not resolve"}
    assert prove(monkeypatch, kube_proxy(NEW), failing={"w1": dns})
    with pytest.raises(NotYet, match="cp1: it does not resolve ->"):
        prove(monkeypatch, kube_proxy(NEW), failing={"w1": dns, "cp1": dns})
    with pytest.raises(NotYet, match="w1: it answers 503 ->"):
        prove(monkeypatch, kube_proxy(NEW), failing={"w1": dns | {"kubernetes": "it answers 503"}})


def test_addons_are_of_the_target_and_rolled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """From any registry; pods that only a person replaces are not waited for."""
    new = kube_proxy(NEW)
    mirrored = new.model_copy(update={"images": (f"mirror.example/k8s/kube-proxy:v{NEW}@sha256:0a1b",)})
    assert prove(monkeypatch, mirrored)
    with pytest.raises(NotYet, match="has the image registry.k8s.io/kube-proxy:v1.36.3"):
        prove(monkeypatch, kube_proxy(OLD))
    waiting = new.model_copy(update={"rolled_out": False})
    with pytest.raises(NotYet, match="not all pods are of"):
        prove(monkeypatch, waiting)
    assert prove(monkeypatch, waiting.model_copy(update={"by_hand": True}))
    with pytest.raises(NotYet, match="4 of 5 pods are ready"):
        prove(monkeypatch, new.model_copy(update={"ready": 4}))
