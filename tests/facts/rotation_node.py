"""A control plane node of our own, small: leaves and static pods with a generation each, and the files that a run leaves there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from tasks.cert_rotation.models.rotation import NodeRotated, NodeRotation, OnNode, RotationRecord
from tasks.cert_rotation.models.where import Where
from tasks.cert_rotation.node import rotate
from tasks.cert_rotation.probes.proofs import HEALTH
from tasks.cert_rotation.work import Limits, Orders, Work
from tasks.certificates.models.inventory import Kubeconfig, NodeCertificates, Process, Served
from tasks.certificates.models.kubeadm import LEAVES
from tasks.core.errors import NotYet
from tasks.core.models.findings import Problem
from tasks.core.models.kubeadm import ORDER
from tasks.run.locks import Check
from tests.facts.certificates import NOW, certificate, control_plane
from tests.facts.scripts import told_by

COPY = "/root/.kube/config"
NODE = NodeRotation(
    name="cp1",
    leaves=("etcd-server", "apiserver", "admin.conf", "scheduler.conf"),
    restarts=("etcd", "kube-apiserver", "kube-scheduler"),
    copies=(COPY,),
    configuration="for kubeadm",
)
AT_ONCE = Limits(renew=timedelta(), proof=timedelta(), awake=timedelta(), stays=timedelta(), users=timedelta())
"""A node of a test answers the first time, or never."""


class Killed(BaseException):
    """As by SIGKILL: nothing of ours runs any more."""


class World:
    """A control plane node, and what was done to it. Its clock goes on by a minute with each thing."""

    name = "cp1"
    where = Where.of_kubeadm(PurePosixPath("/etc/kubernetes"))
    health = HEALTH

    def __init__(self) -> None:
        self.clock = NOW
        self.disk = dict.fromkeys(LEAVES, 1)
        self.written = dict.fromkeys(LEAVES, NOW - timedelta(days=300))
        self.reads = {pod: dict(self.disk) for pod in ORDER}
        self.started = dict.fromkeys(ORDER, NOW - timedelta(days=10))
        self.parked: set[str] = set()
        self.record: RotationRecord | None = None
        self.copy: dict[str, int] = {}
        self.ended: list[str] = []
        self.put_back_at: datetime | None = None
        self.done: list[str] = []
        self.kill_at = self.kill_after = ""
        """The second: only once that was done."""
        self.fails: set[str] = set()
        """Scripts that do not reach the node, once."""
        self.broken: set[str] = set()
        """Pods that do not serve with new files."""
        self.renewals = 0
        self.leaderless = ""
        """A controller that is well with new files, and cannot lead."""
        self.kept: dict[str, str] = {}
        """What it had to say for itself."""
        self.finds: OnNode | NotYet | None = None
        """Instead of what is written down there."""
        self.kubeadm_does = "renews"
        """`renews`, `nothing`, or `lost`: nobody knows."""
        self.kubeadm, self.manifests = "v1.37.2", dict.fromkeys(ORDER, "as it was")

    def reach(self, point: str) -> None:
        """Something was done; a run that is to die here does."""
        self.clock += timedelta(minutes=1)
        self.done.append(point)
        if point == self.kill_at and (not self.kill_after or self.kill_after in self.done):
            self.kill_at = ""
            raise Killed(point)

    def facts(self) -> NodeCertificates:
        """What the node says."""
        made = {
            leaf: certificate(leaf, fingerprint=f"{leaf} {self.disk[leaf]}", written_at=self.written[leaf])
            for leaf in LEAVES
        }
        processes = [
            Process(name=pod, started_at=self.started[pod], container=f"{self.started[pod]}")
            for pod in ORDER
            if pod not in self.parked
        ]
        wire = ((2379, "etcd", "etcd-server"), (6443, "kube-apiserver", "apiserver"))
        served = [
            Served(
                port=port,
                name=pod,
                path=made[leaf].path,
                certificate=certificate(leaf, fingerprint=f"{leaf} {self.reads[pod][leaf]}"),
            )
            for port, pod, leaf in wire
            if pod not in self.parked
        ]
        return control_plane(
            certificates=tuple(made.values()),
            processes=tuple(processes),
            served=tuple(served),
            manifests={pod: "parked" if pod in self.parked else "active" for pod in ORDER},
            kubeconfigs=(Kubeconfig(path=COPY, copy_of="admin.conf"),),
            kubeadm=self.kubeadm,
            manifest_sums=dict(self.manifests),
        )

    # --- what is asked of it, as of any node

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        """Its own words for each script."""
        name, given = told_by(script, "cert_rotation")
        if name in self.fails:
            self.fails.remove(name)
            raise NotYet("cp1: no connection")
        done: Callable[[Mapping[str, str], bytes], str | None] = getattr(self, f"do_{name}")
        return done(given, stdin) or ""

    def now(self) -> datetime:
        """Its clock."""
        return self.clock

    def look(self) -> NodeCertificates:
        """Its certificates."""
        return self.facts()

    def left(self) -> OnNode:
        """What is written down there, unless it is something else that is found."""
        if isinstance(self.finds, NotYet):
            raise self.finds
        return self.finds or OnNode(node="cp1", record=self.record, ended=tuple(self.ended))

    def gate(self, pod: str, check: Check, *, allow_downtime: bool) -> str:
        """It may be disturbed."""
        del check, allow_downtime
        self.reach("gate")
        return "cp2" if pod == "etcd" else ""

    def api_ready(self) -> str:
        """Of its API server."""
        return "500" if self.ails("kube-apiserver") else "200"

    def what_ails_member(self) -> Problem | None:
        """Of etcd."""
        return Problem(text="etcd: it does not answer a linearizable read") if self.ails("etcd") else None

    def renewal_of(self, leader: str) -> str:
        """Of a leader, which renews its lease unless it cannot lead."""
        self.renewals += leader != self.leaderless or set(self.reads[leader].values()) == {1}
        return f"{self.renewals}"

    def keep_diagnostics(self, name: str, text: str) -> str:
        """For people."""
        self.kept[name] = text
        return f"kept/{name}"

    # --- its scripts

    def do_begin(self, given: Mapping[str, str], stdin: bytes) -> None:
        """The copy, once; then the record."""
        assert stdin == b"for kubeadm"
        self.copy = self.copy or dict(self.disk)
        self.record = RotationRecord.model_validate_json(given["RECORD_TEXT"])
        self.reach("copied")

    def do_refresh(self, given: Mapping[str, str], _: bytes) -> str:
        """Of copies."""
        assert given["COPIES"] == f"admin.conf {COPY}"
        self.reach("refreshed")
        return f"fresh {COPY}\n"

    def do_who_with(self, *_: object) -> str:
        """The API knows them."""
        self.reach("asked")
        return "who /etc/kubernetes/admin.conf kubernetes-admin\n"

    def do_end(self, given: Mapping[str, str], _: bytes) -> None:
        """Nothing to go on with."""
        self.record, self.copy = None, {}
        self.ended.append(PurePosixPath(given["ENDED"]).stem)
        self.reach("ended")

    def do_note(self, given: Mapping[str, str], _: bytes) -> None:
        """Another phase."""
        self.record = RotationRecord.model_validate_json(given["RECORD_TEXT"])
        self.reach("noted")

    def do_put_back(self, *_: object) -> None:
        """Files and manifests of the copy."""
        for leaf, generation in self.copy.items():
            if self.disk[leaf] != generation:
                self.disk[leaf], self.written[leaf] = generation, NOW - timedelta(days=300)
        self.parked.clear()
        self.put_back_at = self.put_back_at or self.clock
        self.reach("put back")

    def do_when_put_back(self, *_: object) -> str:
        """They were put back."""
        return f"{self.put_back_at.timestamp():.0f}" if self.put_back_at else ""

    def do_forget(self, *_: object) -> None:
        """It never was."""
        self.record, self.copy, self.put_back_at = None, {}, None
        self.reach("forgotten")

    def do_is_well(self, given: Mapping[str, str], _: bytes) -> str:
        """A controller of itself."""
        pod = next(pod for pod, port in HEALTH.items() if port.text == given["ADDRESS"])
        return "" if self.ails(pod) else "ok"

    def do_diagnostics(self, *_: object) -> str:
        """For people."""
        return "its log"

    def ails(self, pod: str) -> bool:
        """It does not serve with what it has read."""
        return pod in self.broken and any(self.reads[pod][leaf] > 1 for leaf in LEAVES if pod in LEAVES[leaf].pods)

    def job(self, name: str, script: str, limit: timedelta) -> None:
        """kubeadm, for what is not renewed yet; unless it does nothing, or nobody knows what it does."""
        del limit
        assert name.startswith("certificates-")
        assert self.record
        assert told_by(script, "cert_rotation")[0] == "renew"
        if self.kubeadm_does == "lost":
            raise NotYet("cp1: no connection")
        if self.kubeadm_does == "nothing":
            return
        for leaf in self.record.leaves:
            if self.disk[leaf] == self.copy[leaf]:
                self.disk[leaf] += 1
                self.written[leaf] = self.clock
                self.done.append(f"renew {leaf}")
        self.reach("renewed")

    def park(self, pod: str) -> None:
        """Until it is gone."""
        self.parked.add(pod)
        self.reach(f"parked {pod}")

    def unpark(self, pod: str) -> None:
        """It starts with what is on disk."""
        self.parked.discard(pod)
        self.reads[pod], self.started[pod] = dict(self.disk), self.clock
        self.reach(f"unparked {pod}")


class SeenWork(Work):
    """The same work; the node is told when a static pod is proven."""

    def __init__(self, world: World, node: NodeRotation, orders: Orders) -> None:
        super().__init__(world, node, orders)
        self.world = world

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Those that are proofs are seen at their end."""
        with super().part(what):
            yield
        if what.startswith("proof of "):
            self.world.reach(f"proven {what.removeprefix('proof of ')}")


def go(world: World, run_id: str = "run-1", check: Check = lambda: None, **changes: object) -> NodeRotated:
    """A run on this node, with a plan of what is there."""
    record = world.record
    put_back = bool(record and record.phase == "putting back")
    node = NODE.model_copy(update={"put_back": put_back, "begun": bool(record)} | changes)
    return rotate(SeenWork(world, node, Orders(run_id, check, limits=AT_ONCE)))


def assert_renewed(world: World) -> None:
    """Each leaf once, each pod that reads one runs with it, and nothing of a run is left."""
    assert {leaf for leaf, generation in world.disk.items() if generation == 2} == set(NODE.leaves)
    assert max(world.disk.values()) == 2
    for pod in NODE.restarts:
        assert {leaf: world.reads[pod][leaf] for leaf in NODE.leaves} == dict.fromkeys(NODE.leaves, 2)
    assert world.parked == set()
    assert world.record is None
