"""What an upgrade does on a node, decided from what is there at that moment."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.clients.ssh import JobResult
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.profile import UpgradeRules
from tasks.core.models.report import Took
from tasks.node_work.models.health import Expected
from tasks.nodes.models.workloads import Workload
from tasks.upgrade import steps as upgrade
from tasks.upgrade.models.manifests import NodeManifests, PodShape, StaticManifest
from tasks.upgrade.models.upgrade import NodeUpgrade, NodeUpgraded, Orders, Staged, UpgradeOptions, UpgradePlan
from tests.facts.upgrade import NEW, NOW, OLD, kube_proxy, machine, manifest, manifests, workload

NODE = NodeUpgrade(
    name="w1", control_plane=False, kubelet=OLD, target=NEW, needs_kubeadm=True, needs_kubelet=True, applies=False
)


class Work:
    """A node whose commands are only written down; the API says which kubelet told it last."""

    def __init__(self, name: str = "w1", *, installed: str = OLD, runs: str = OLD, api: str = OLD) -> None:
        self.name = name
        self.machine = machine(name, OLD, kubelet=installed, kubelet_runs=runs, kubeadm=OLD)
        self.is_ours = self.unproven = False
        self.drained, self.noticed, self.took = None, (), timedelta()
        self.parts: list[Took] = []
        told = {"metadata": {"name": name}, "status": {"nodeInfo": {"kubeletVersion": f"v{api}"}}}
        find = {"data": {"ClusterConfiguration": f"kubernetesVersion: v{OLD}\ncontrolPlaneEndpoint: lb:6443"}}
        kube = SimpleNamespace(get=lambda _: told, find=lambda _: find, prefer=lambda *_: None)
        rules = SimpleNamespace(upgrade=UpgradeRules())
        self.handle = SimpleNamespace(kube=kube, control_planes=("cp1", "cp2", "cp3"), profile=rules)
        self.done: list[str] = []
        self.expected: list[Expected] = []
        self.gates: list[str] = []
        """What each gate says, the first one first; none are left: it lets us go on."""

    @contextmanager
    def left_as_it_should_be(self, _: str) -> Iterator[None]:
        try:
            yield
        except RunbookError:
            self.done.append("left half done" if self.unproven else "left whole")
            raise

    def gate(self, *, allow_downtime: bool) -> None:
        del allow_downtime
        self.done.append("gate")
        if self.gates and (said := self.gates.pop(0)):
            raise Refused(said)

    def gate_of_worker(self) -> None:
        self.done.append("gate")

    def note_before(self) -> None:
        self.done.append("noted")

    def forget_before(self) -> None:
        self.done.append("forgotten")

    def is_true(self, _: str) -> bool:
        return False

    def run(self, script: str) -> str:
        if "endpoint=" not in script and "meanwhile" not in script:
            return f"runs kubelet Kubernetes v{self.machine.kubelet_in_use}\n"
        self.done.append("kubelet asks others" if "readyz" in script else "kubelet asks its own")
        return "changed"

    def part(self, _: str) -> AbstractContextManager[None]:
        return nullcontext()

    def now(self) -> datetime:
        return NOW

    def cordon_and_drain(self, *_: object) -> None:
        self.done.append("drained")

    def job(self, what: str, script: str, _: timedelta, *, touches: bool = True) -> JobResult:
        restarts = "systemctl restart kubelet" in script
        self.unproven = self.unproven or touches
        self.done.append(f"{what}{', restarts' if restarts else ''}")
        return JobResult(name=what, output="", output_bytes=0, ended_at=NOW, attached=False)

    def prove(self, expected: Expected) -> None:
        self.expected.append(expected)
        self.unproven = False

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


def control_plane(monkeypatch: pytest.MonkeyPatch, work: Work, seen: NodeManifests | None = None) -> NodeUpgraded:
    """The task for a node whose etcd is replaced, too; `seen` are its manifests of that moment."""
    monkeypatch.setattr(upgrade, "look_at_manifests", lambda *_: (seen or manifests("cp1"),))
    images = [
        f"registry.k8s.io/{name}:v{NEW}" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ]
    staged = Staged(version=NEW, nodes=("cp1",), images=(*images, "registry.k8s.io/etcd:3.7.0-0"))
    node = NODE.model_copy(update={"name": "cp1", "control_plane": True, "applies": True})
    monkeypatch.setattr(upgrade, "open_cluster", lambda _: work.handle)
    monkeypatch.setattr(upgrade, "begin_node_work", lambda *_: work)

    def lead_elsewhere(*_: object) -> str:
        work.done.append("leads elsewhere")
        return "cp2"

    monkeypatch.setattr(upgrade, "lead_elsewhere", lead_elsewhere)
    orders = Orders(staged=staged, options=UpgradeOptions(), run_id="r")
    return upgrade.upgrade_control_plane_node.fn("prod", node, orders, lambda: None)


BEFORE_KUBEADM = ["gate", "noted", "kubelet asks others", "install-kubeadm-1-37-2", "gate"]


def test_the_gate_is_asked_again_right_before_kubeadm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that takes its time lies between; leadership is moved then, too."""
    work = Work("cp1")
    assert control_plane(monkeypatch, work).leader_moved_to == "cp2"
    assert work.done == [
        *BEFORE_KUBEADM,
        "leads elsewhere",
        "kubeadm-1-37-2",
        "kubelet asks its own",
        "gate",
        "drained",
        "install-kubelet-1-37-2, restarts",
        "given back",
    ]


def test_a_quorum_that_is_lost_meanwhile_starts_no_kubeadm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node is left as it was found: the package of kubeadm touches nothing that runs."""
    work = Work("cp1")
    work.gates = ["", "without cp1 1 of 3 voting members would be left"]
    with pytest.raises(Refused, match="without cp1 1 of 3"):
        control_plane(monkeypatch, work)
    assert work.done == [*BEFORE_KUBEADM, "kubelet asks its own", "left whole"]


def test_what_somebody_wrote_into_a_manifest_meanwhile_starts_no_kubeadm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan may be an hour old when it is the last node's turn."""
    encrypted = PodShape(flags={"encryption-provider-config": ("/e",)})
    work = Work("cp1")
    with pytest.raises(Refused, match="kubeadm would write kube-apiserver without --encryption-provider-config=/e"):
        control_plane(monkeypatch, work, manifests("cp1", manifest("kube-apiserver", encrypted)))
    assert work.done == [*BEFORE_KUBEADM[:-1], "kubelet asks its own", "left whole"]
    silent = manifests("cp1", manifest("kube-apiserver", encrypted, encrypted), problem="no such version")
    with pytest.raises(Refused, match="no such version; it may take --encryption-provider-config away"):
        control_plane(monkeypatch, work, silent)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (NodeManifests(node="cp1", problem="no route"), "cp1: its manifests could not be read: no route"),
        (NodeManifests(node="cp1"), "cp1: its manifests could not be read: there are none"),
        (
            manifests("cp1", StaticManifest(component="kube-apiserver", problem="it is no YAML")),
            "a manifest could not be parsed, .* kube-apiserver: it is no YAML",
        ),
    ],
)
def test_manifests_that_nobody_can_read_start_no_kubeadm(
    monkeypatch: pytest.MonkeyPatch, seen: NodeManifests, told: str
) -> None:
    """What is not found is not fine: it may have the flag without which no Secret can be read."""
    work = Work("cp1")
    with pytest.raises((NotYet, Refused), match=told):
        control_plane(monkeypatch, work, seen)
    assert "kubeadm-1-37-2" not in work.done
    assert work.done[-1] == "left whole"


def test_a_kubelet_that_waits_for_its_restart_is_not_restarted_before_its_api_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be newer than that. The proof after kubeadm is of the process that runs then."""
    work = Work("cp1", installed=NEW)
    control_plane(monkeypatch, work)
    assert "kubelet asks others" not in work.done
    assert [one.kubelet for one in work.expected] == [OLD, NEW]


def test_a_node_that_needs_kubeadm_alone_keeps_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cordoned whose end would take it away."""
    work = Work("cp1", installed=NEW, runs=NEW, api=NEW)
    control_plane(monkeypatch, work)
    assert work.done[-1] == "forgotten"
    assert "drained" not in work.done
