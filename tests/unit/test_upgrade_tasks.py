"""What an upgrade does on a node, decided from what is there at that moment."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import upgrade
from tasks.clients.ssh import JobResult
from tasks.models.health import Expected
from tasks.models.upgrade import NodeUpgrade, UpgradeOptions
from tests.unit.upgrade_facts import NEW, NOW, OLD, machine

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
