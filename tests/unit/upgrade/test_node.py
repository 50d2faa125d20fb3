"""What an upgrade does on a node, decided from what is there at that moment."""

import base64
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.clients.ssh import JobResult
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.models.profile import UpgradeRules
from tasks.core.models.report import Took
from tasks.core.models.shape import NodeShape
from tasks.node_work.models.health import Expected
from tasks.nodes.probes.node_facts import ask_what_runs
from tasks.nodes.probes.sources import ask_sources
from tasks.upgrade import scripts
from tasks.upgrade.models.manifests import NodeManifests, Patches, PodShape, SecretRead, StaticManifest
from tasks.upgrade.models.upgrade import NodeUpgrade, NodeUpgraded, Orders, Staged, UpgradeOptions
from tasks.upgrade.node import (
    needs_kubelet,
    prove_kept,
    refuse_losses,
    upgrade_by_kubeadm,
    upgrade_control_plane,
    upgrade_kubelet,
    upgrade_worker,
)
from tests.facts.shapes import shape_of
from tests.facts.upgrade import NEW, NOW, OLD, kubelet_of, machine, manifest, manifests, static_pods

ASKS_ITS_OWN = "kubelet asks its own"
NODE = NodeUpgrade(
    name="w1", control_plane=False, kubelet=OLD, target=NEW, needs_kubeadm=True, needs_kubelet=True, applies=False
)


CONF = """\
clusters: [{name: k, cluster: {
    server: https://10.0.0.11:6443
}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
current-context: c
"""


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
        self.handle = SimpleNamespace(
            kube=kube,
            control_planes=("cp1", "cp2", "cp3"),
            profile=rules,
            shape=self.shape,
        )
        self.conf, self.kept = CONF, ""
        self.scripts: dict[str, str] = {}
        self.sources = b"deb https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\n"
        self.done: list[str] = []
        self.expected: list[Expected] = []
        self.failing: dict[str, RunbookError] = {}
        self.gates: list[str] = []
        """What each gate says, the first one first; none are left: it lets us go on."""

    def shape(self, name: str, *, again: bool = False) -> NodeShape:
        del again
        return shape_of(name)

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

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        if script == ask_what_runs():
            return f"runs kubelet Kubernetes v{self.machine.kubelet_in_use}\n"
        if script == ask_sources():
            return f"manager apt\nsource_file {b64encode(self.sources).decode()} /etc/apt/sources.list\n"
        if script == scripts.rewrite_sources():
            self.sources = b64decode(stdin.split()[1])
            return ""
        if script.startswith("KUBELET_CONF") and "kept" in script and "CA_FILE=" not in script:
            told = f"conf {base64.b64encode(self.conf.encode()).decode()}\n"
            return told + (f"kept {base64.b64encode(self.kept.encode()).decode()}\n" if self.kept else "")
        self.conf, self.kept = stdin.decode(), "" if self.kept else "https://10.0.0.11:6443 https://lb:6443"
        self.done.append("kubelet asks others" if self.kept else ASKS_ITS_OWN)
        return "changed"

    def part(self, _: str) -> AbstractContextManager[None]:
        return nullcontext()

    def now(self) -> datetime:
        return NOW

    def cordon_and_drain(self, *_: object) -> None:
        self.done.append("drained")

    def job(self, what: str, script: str, _: timedelta, *, touches: bool = True) -> JobResult:
        restarts = "systemctl restart kubelet" in script
        self.scripts[what] = script
        self.unproven = self.unproven or touches
        if what in self.failing:
            raise self.failing[what]
        self.done.append(f"{what}{', restarts' if restarts else ''}")
        return JobResult(name=what, output="", output_bytes=0, ended_at=NOW, attached=False)

    def prove(self, expected: Expected) -> None:
        self.expected.append(expected)
        self.unproven = False

    def give_back(self) -> None:
        self.done.append("given back")


class Looks:
    """What is seen before and after kubeadm: the same, unless a test says otherwise; and which Secret is read."""

    def __init__(self, seen: NodeManifests, after: NodeManifests | None = None, secrets: Sequence[str] = ()) -> None:
        self.seen, self.seen_after = seen, after or seen
        self.secrets = list(secrets) or ["shop/key", "shop/key"]

    def before(self) -> NodeManifests:
        return self.seen

    def after(self) -> NodeManifests:
        return self.seen_after

    def secret(self, read_before: SecretRead | None = None) -> SecretRead:
        del read_before
        found = self.secrets.pop(0)
        return SecretRead(node="cp1", secret=found, problem="" if found else "500 no key")


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
    assert needs_kubelet(work, NODE) is needed
    upgrade_kubelet(work, NODE, UpgradeOptions())
    restarts = ["install-kubelet-1-37-2, restarts"] if needed else []
    assert work.done == ["drained", *restarts, "given back"]
    assert [one.kubelet for one in work.expected] == [NEW]


def control_plane(
    work: Any,  # noqa: ANN401 - a `Work` of the test
    seen: NodeManifests | None = None,
    secrets: Sequence[str] = (),
) -> NodeUpgraded:
    """The upgrade of a node whose etcd is replaced, too; `seen` are its manifests of that moment."""
    images = [
        f"registry.k8s.io/{name}:v{NEW}" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ]
    staged = Staged(version=NEW, nodes=("cp1",), images=(*images, "registry.k8s.io/etcd:3.7.0-0"))
    node = NODE.model_copy(update={"name": "cp1", "control_plane": True, "applies": True})

    def move_leader(_: object) -> str:
        work.done.append("leads elsewhere")
        return "cp2"

    orders = Orders(staged=staged, options=UpgradeOptions(), run_id="r")
    return upgrade_control_plane(
        work, node, orders, looks=Looks(seen or manifests("cp1"), secrets=secrets), move_leader=move_leader
    )


BEFORE_KUBEADM = ["gate", "noted", "kubelet asks others", "install-kubeadm-1-37-2", "gate"]


def test_the_gate_is_asked_again_right_before_kubeadm() -> None:
    """Nothing that takes its time lies between; leadership is moved then, too."""
    work = Work("cp1")
    assert control_plane(work).leader_moved_to == "cp2"
    assert work.done == [
        *BEFORE_KUBEADM,
        "leads elsewhere",
        "kubeadm-1-37-2",
        ASKS_ITS_OWN,
        "gate",
        "drained",
        "install-kubelet-1-37-2, restarts",
        "given back",
    ]


def test_a_quorum_that_is_lost_meanwhile_starts_no_kubeadm() -> None:
    """The node is left as it was found: the package of kubeadm touches nothing that runs."""
    work = Work("cp1")
    work.gates = ["", "without cp1 1 of 3 voting members would be left"]
    with pytest.raises(Refused, match="without cp1 1 of 3"):
        control_plane(work)
    assert work.done == [*BEFORE_KUBEADM, ASKS_ITS_OWN, "left whole"]


def test_what_somebody_wrote_into_a_manifest_meanwhile_starts_no_kubeadm() -> None:
    """The plan may be an hour old when it is the last node's turn."""
    encrypted = PodShape(flags={"encryption-provider-config": ("/e",)})
    work = Work("cp1")
    with pytest.raises(Refused, match="kubeadm would write kube-apiserver without --encryption-provider-config=/e"):
        control_plane(work, manifests("cp1", manifest("kube-apiserver", encrypted)))
    assert work.done == [*BEFORE_KUBEADM[:-1], ASKS_ITS_OWN, "left whole"]
    silent = manifests("cp1", manifest("kube-apiserver", encrypted, encrypted), problem="no such version")
    with pytest.raises(Refused, match="no such version; it may remove --encryption-provider-config"):
        control_plane(work, silent)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (NodeManifests(node="cp1", unread="no route"), "cp1: its manifests could not be read: no route"),
        (NodeManifests(node="cp1"), "cp1: its manifests could not be read: there are none"),
        (
            manifests("cp1", StaticManifest(component="kube-apiserver", problem="it is no YAML")),
            "what kubeadm replaces could not be parsed, .* kube-apiserver: it is no YAML",
        ),
    ],
)
def test_manifests_that_nobody_can_read_start_no_kubeadm(seen: NodeManifests, told: str) -> None:
    """What is not found is not fine: it may have the flag without which no Secret can be read."""
    work = Work("cp1")
    with pytest.raises((NotYet, Refused), match=told):
        control_plane(work, seen)
    assert "kubeadm-1-37-2" not in work.done
    assert work.done[-1] == "left whole"


def test_a_kubelet_that_waits_for_its_restart_is_not_restarted_before_its_api_server() -> None:
    """It would be newer than that. The proof after kubeadm is of the process that runs then."""
    work = Work("cp1", installed=NEW)
    control_plane(work)
    assert "kubelet asks others" not in work.done
    assert [one.kubelet for one in work.expected] == [OLD, NEW]


def test_a_node_that_needs_kubeadm_alone_keeps_no_note() -> None:
    """Nothing is cordoned whose end would take it away."""
    work = Work("cp1", installed=NEW, runs=NEW, api=NEW)
    control_plane(work)
    assert work.done[-1] == "forgotten"
    assert "drained" not in work.done


def worker(work: Any) -> NodeUpgraded:  # noqa: ANN401 - a `Work` of the test
    """The upgrade of w1."""
    orders = Orders(staged=Staged(version=NEW, nodes=(), images=()), options=UpgradeOptions(), run_id="r")
    return upgrade_worker(work, NODE, orders, looks=Looks(manifests("w1")))


def test_a_worker_has_its_gate_once_before_the_drain() -> None:
    """kubeadm changes nothing that runs there."""
    work = Work()
    assert worker(work).before == OLD
    assert work.done == [
        "install-kubeadm-1-37-2",
        "kubeadm-1-37-2",
        "gate",
        "drained",
        "install-kubelet-1-37-2, restarts",
        "given back",
    ]


def test_a_worker_that_has_all_is_left_alone() -> None:
    """Also one whose kubeadm was not noted as ended."""
    work = Work(installed=NEW, runs=NEW, api=NEW)
    assert worker(work).before == NEW
    assert work.done == []


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({}, "^no space; the static pods on cp1 are still the previous ones -> correct the cause"),
        ({"static_pods": static_pods(NEW)}, "^no space -> its output$"),
        ({"unreached": "no route"}, "^no space -> its output$"),
    ],
)
def test_a_control_plane_that_kubeadm_put_back_is_said_to_be_so(
    monkeypatch: pytest.MonkeyPatch, now: dict[str, Any], told: str
) -> None:
    """By what is on the node, not by the words of kubeadm; where that is not known nothing is said."""
    work = Work("cp1")
    seen = machine("cp1", OLD, **now)
    monkeypatch.setattr("tasks.upgrade.node.glance_at_machine", lambda *_: seen)
    work.failing["kubeadm-1-37-2"] = CommandFailed("no space", hint="its output")
    with pytest.raises(CommandFailed, match=told):
        control_plane(work)
    assert work.done[-2:] == [ASKS_ITS_OWN, "left half done"]


def test_what_kubeadm_was_to_keep_and_did_not_stops_the_run() -> None:
    """With its name: its kubeadm rendered another one than it wrote. What it was not to keep is no news."""
    mine, bare = PodShape(flags={"audit-log-path": ("/a",), "v": ("1",)}), PodShape(flags={"audit-log-path": ("/a",)})
    before = manifests("cp1", manifest("kube-apiserver", mine, bare))
    work: Any = Work("cp1")
    kept = Looks(before, manifests("cp1", manifest("kube-apiserver", bare)))
    prove_kept(work, before, kept)
    assert work.unproven is False
    lost = Looks(before, manifests("cp1", manifest("kube-apiserver", PodShape())))
    with pytest.raises(
        Refused, match="cp1: kubeadm wrote kube-apiserver without --audit-log-path=/a, which it was to keep"
    ):
        prove_kept(work, before, lost)
    assert work.unproven is True
    not_rendered = manifests("cp1", StaticManifest(component="etcd", found=mine), problem="no kubeadm")
    prove_kept(work, not_rendered, Looks(not_rendered, manifests("cp1", StaticManifest(component="etcd", found=bare))))
    for after, told in (
        (NodeManifests(node="cp1", unread="no route"), "its files could not be read after kubeadm: no route"),
        (manifests("cp1", StaticManifest(component="etcd", problem="no YAML")), "etcd without anything: no YAML"),
        (manifests("cp1", manifests=()), "etcd without anything: there is none"),
    ):
        with pytest.raises(Refused, match=told):
            prove_kept(work, before, Looks(before, after))


def test_the_kubelets_configuration_is_compared_again() -> None:
    """On a worker, too."""
    before = manifests("w1", kubelet_of({"maxPods": "55"}, maxPods="55"))
    work = Work()
    orders = Orders(staged=Staged(version=NEW, nodes=(), images=()), options=UpgradeOptions(), run_id="r")
    looks = Looks(before, manifests("w1", kubelet_of({"maxPods": "110"})))
    with pytest.raises(Refused, match="w1: kubeadm wrote kubelet without maxPods: 55"):
        upgrade_worker(cast("Any", work), NODE, orders, looks=looks)
    assert work.done[-1] == "left half done"


def test_a_new_api_server_that_reads_no_secret_stops_the_run() -> None:
    """Unless the old one read none either."""
    work = Work("cp1")
    with pytest.raises(Refused, match="does not read the Secret shop/key, which the old one read: 500 no key"):
        control_plane(work, secrets=["shop/key", ""])
    assert work.done[-1] == "left half done"
    assert "drained" not in work.done
    control_plane(Work("cp1"), secrets=["", ""])


def test_patches_are_given_to_kubeadm_where_they_are() -> None:
    """A worker may have none."""
    rules = UpgradeRules(patches=PurePosixPath("/p"))
    for name, patches, wanted in (
        ("cp1", Patches(files={"etcd.yaml": "1"}), True),
        ("w1", Patches(files={"kubeletconfiguration.yaml": "1"}), True),
        ("w1", Patches(problem="there is no folder /p"), False),
        ("w1", None, False),
    ):
        work: Any = Work(name)
        work.handle.profile.upgrade = rules
        node = NODE.model_copy(update={"name": name, "control_plane": name == "cp1"})
        upgrade_by_kubeadm(work, node, manifests(name, patches=patches))
        assert ("PATCHES=/p\n" in work.scripts["kubeadm-1-37-2"]) is wanted
    changed = manifests("cp1", patches=Patches(files={"etcd.yaml": "2"}))
    orders = Orders(
        staged=Staged(version=NEW, nodes=(), images=()),
        options=UpgradeOptions(),
        run_id="r",
        patches={"etcd.yaml": "1"},
    )
    node = NODE.model_copy(update={"name": "cp1", "control_plane": True})
    with pytest.raises(Refused, match=r"cp1: its patches are not those of the plan: etcd.yaml differs"):
        refuse_losses(node, changed, orders)
    lost = manifests("w1", kubelet_of({"cgroupDriver": "cgroupfs"}, cgroupDriver="systemd"))
    with pytest.raises(Refused, match="w1: kubeadm would write kubelet without cgroupDriver: cgroupfs"):
        refuse_losses(NODE, lost, orders)
    with pytest.raises(NotYet, match="w1: its manifests could not be read: no route"):
        refuse_losses(NODE, NodeManifests(node="w1", unread="no route"), orders)
