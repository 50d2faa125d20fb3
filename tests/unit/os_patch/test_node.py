"""Wherever a run dies on a node: the next one goes on, the machine boots once, and the node is given back at the end.

The machine is a small one of our own: two updates, one of which asks for a reboot, and the files that a run leaves there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.profile import MaintenanceRules
from tasks.drain.models import Drained
from tasks.node_work.work import NodeWork
from tasks.nodes.models.nodes import NodeFacts
from tasks.os_patch import scripts
from tasks.os_patch.machine import PatchMachine
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.options import PatchOptions
from tasks.os_patch.models.outcome import NodePatched, Rebooted
from tasks.os_patch.models.packages import Change
from tasks.os_patch.models.plan import NodePatch, PatchOrders
from tasks.os_patch.node import patch_in_time, patch_one
from tasks.os_patch.policy.proof import merged
from tests.facts.buckets import Bucket
from tests.facts.patch import CURL, KERNEL, patch, updates
from tests.facts.upgrade import NOW

ORDERS = PatchOrders(options=PatchOptions(), run_id="run-1")
NEVER = timedelta()
KILLS = (
    "gate",
    "begun",
    "drained",
    "in the packages",
    "patched",
    "before the reboot",
    "rebooted",
    "proven",
    "given back",
)


NOTES = {scripts.note_intent(fresh=fresh, due=due): (fresh, due) for fresh in (True, False) for due in (True, False)}


class Killed(BaseException):
    """As by SIGKILL: nothing of ours runs any more."""


OLD, NEW = "6.1.0-26-amd64", "6.1.0-27-amd64"


class World:
    """A node: its machine, what is written down there, its cordon, and what was done to it."""

    def __init__(self) -> None:
        self.left: list[Change] = [CURL, KERNEL]
        self.came: list[Change] = []
        self.broken: tuple[str, ...] = ()
        self.boot, self.pending = 1, False
        self.kernel = self.newest_kernel = self.default_kernel = OLD
        self.starts, self.newest_was_there = "", False
        self.intent: PatchIntent | None = None
        self.patched = self.last = ""
        self.cordoned_by = ""
        self.is_empty = self.has_failed = False
        self.kill_at = ""
        self.done: list[str] = []
        self.reboots: list[str] = []
        self.jobs: tuple[str, ...] = ()
        self.came_back: list[tuple[str, ...]] = []
        self.store = Bucket()
        self.asked_for_others = 0
        self.job_ends_badly = False
        self.preferred: list[tuple[str, ...]] = []

    def reach(self, point: str) -> None:
        """Something was done; a run that is to die here does."""
        self.done.append(point)
        if point == self.kill_at:
            self.kill_at = ""
            raise Killed(point)

    def facts(self) -> PatchFacts:
        """What the machine says."""
        return patch(
            "w1",
            updates=updates(changes=tuple(self.left), broken=self.broken),
            boot_id=f"b{self.boot}",
            reboot_required=self.pending,
            kernel=self.kernel,
            newest_kernel=self.newest_kernel,
            default_kernel=self.default_kernel,
            newest_was_there=self.newest_was_there,
            intent=self.intent,
            patched_boot=self.patched,
            last_run=self.last,
            delta=tuple(self.came) if self.intent else (),
        )

    def install(self) -> None:
        """As apt does, one after the other: it may be cut off in between."""
        self.came.append(self.left.pop(0))
        self.reach("in the packages")
        while self.left:
            self.came.append(self.left.pop(0))
        self.broken, self.pending = (), True
        self.patched = f"b{self.boot}"
        self.reach("patched")

    def power_cut(self) -> None:
        """In the middle of dpkg."""
        self.boot += 1
        self.broken, self.pending = (CURL.package,), False


class Work:
    """As `NodeWork`, on that world."""

    def __init__(self, world: World, run_id: str) -> None:
        self.world, self.run_id, self.name, self.ticket = world, run_id, "w1", ""
        profile = SimpleNamespace(name="prod", maintenance=MaintenanceRules())
        kube = SimpleNamespace(prefer=lambda *names: world.preferred.append(names))
        self.handle = SimpleNamespace(profile=profile, store=world.store, kube=kube, control_planes=("w1", "cp2"))
        self.machine = NodeFacts(name="w1", kubelet="1.36.3", jobs=world.jobs)
        self.parts: list[Any] = []
        self.drained: Drained | None = None
        self.noticed: tuple[str, ...] = ()
        self.unproven = False
        self.has_failed = world.has_failed
        self.took = timedelta(seconds=1)

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Its time is of no interest here."""
        del what
        yield

    def check(self) -> None:
        """The lock is ours."""

    def gate_of_worker(self, also: Callable[[], object]) -> None:
        """Before each act."""
        also()
        self.world.reach("gate")

    def gate(self, *, allow_downtime: bool, also: Callable[[], object]) -> EtcdFacts:
        """Of a control plane node whose etcd is elsewhere."""
        assert allow_downtime
        also()
        self.world.reach("gate")
        return EtcdFacts(cluster_id="c1", observed_at=NOW, members=())

    def run(self, script: str, stdin: bytes = b"") -> str:
        """Of the short scripts: what a run writes down."""
        if script == scripts.note_end(self.run_id):
            self.world.last, self.world.intent, self.world.patched = self.run_id, None, ""
            self.world.came = []
            return ""
        fresh, due = NOTES[script]
        self.world.intent = PatchIntent.model_validate_json(stdin)
        if fresh:
            self.world.came = []
        if due:
            self.world.patched = ""
        self.world.reach("begun")
        return ""

    def job(self, what: str, script: str, limit: timedelta, *, touches: bool = True) -> None:
        """Of the long ones."""
        del script, limit
        self.unproven = self.unproven or touches
        if what.startswith("patch-"):
            self.world.install()

    def attach(self, name: str, limit: timedelta) -> None:
        """To one that is under way."""
        del limit
        self.unproven = True
        self.world.jobs = tuple(job for job in self.world.jobs if job != name)
        if self.world.job_ends_badly:
            raise CommandFailed("w1: job ended with status 1")
        self.world.install()

    def cordon_and_drain(self, reason: str, options: object) -> None:
        """Cordon and drain."""
        del reason, options
        self.world.cordoned_by, self.world.is_empty = self.run_id, True
        self.drained = Drained(node="w1", cordoned_before=False)
        self.world.reach("drained")

    def prove(self, expected: Any) -> None:  # noqa: ANN401 - Expected
        """Of the node in the API."""
        assert expected.boot_id != f"b{self.world.boot}"
        self.unproven = False
        self.world.reach("proven")

    def give_back(self) -> None:
        """Uncordon."""
        self.world.cordoned_by, self.world.is_empty = "", False
        self.world.reach("given back")

    def now(self) -> datetime:
        """By the machine's clock."""
        return datetime.now(UTC)

    @property
    def is_ours(self) -> bool:
        """A run of ours has cordoned it."""
        return bool(self.world.cordoned_by)

    @contextmanager
    def left_as_it_should_be(self, evidence: str) -> Iterator[None]:
        """It stays cordoned where something is not proven, or an earlier run has left it so."""
        del evidence
        left = self.world.cordoned_by
        try:
            yield
        except RunbookError:
            self.world.cordoned_by = self.run_id if self.unproven else left
            raise


class Machine(PatchMachine):
    """What it is told in scripts is done to that world; what it is asked is answered by it."""

    def __init__(self, world: World, run_id: str, options: PatchOptions) -> None:
        super().__init__(cast("NodeWork", Work(world, run_id)), options)
        self.world = world

    def look(self) -> PatchFacts:
        """Without a package manager."""
        return self.world.facts()

    def glance(self) -> PatchFacts:
        """The same."""
        return self.world.facts()

    def find_blockers(self, ours: object) -> tuple[str, ...]:
        """None; the node itself is not one of the others."""
        assert ours == ("w1",)
        self.world.asked_for_others += 1
        return ()

    def find_newcomers(self) -> tuple[str, ...]:
        """Between drain and reboot."""
        return self.world.came_back.pop(0) if self.world.came_back else ()

    def reboot(self, boot: str) -> Rebooted:
        """Once, and of an empty node."""
        world = self.world
        world.reach("before the reboot")
        if f"b{world.boot}" == boot:
            assert world.is_empty
            world.reboots.append(boot)
            world.boot, world.pending = world.boot + 1, False
            world.kernel = world.starts or world.kernel
            world.newest_was_there = True
        world.reach("rebooted")
        return Rebooted(before=boot, after=f"b{world.boot}", away=timedelta(seconds=30))


@pytest.fixture
def world() -> World:
    """One for a test."""
    return World()


def go(world: World, orders: PatchOrders = ORDERS, **changes: object) -> NodePatched:
    """A run on this node, with a plan of what is there."""
    begun = bool(world.intent and world.cordoned_by in world.intent.runs)
    left = merged(world.intent.changes, world.left) if world.intent and world.broken else tuple(world.left)
    fields = {"name": "w1", "control_plane": False, "changes": left, "begun": begun, "expected": NEVER, "needs": NEVER}
    node = NodePatch.model_validate(fields | changes)
    return patch_one(Machine(world, orders.run_id, orders.options), node, orders, NEVER)


def assert_well(world: World) -> None:
    """Everything is installed, it has booted once, and nothing of a run is left."""
    assert (world.left, world.broken, world.pending, world.cordoned_by) == ([], (), False, "")
    assert len(world.reboots) == 1
    assert world.intent is None


def test_a_node_from_its_gate_to_its_proof(world: World) -> None:
    """Gates before the cordon and before the reboot; its record says what changed and that its time counts."""
    done = go(world)
    assert world.done == [
        *("gate", "begun", "drained", "in the packages", "patched"),
        *("gate", "begun", "before the reboot", "rebooted", "proven", "given back"),
    ]
    assert_well(world)
    assert (done.changes, done.rebooted, done.whole) == ((CURL, KERNEL), True, True)
    assert (done.boot_before, done.boot_after, done.away) == ("b1", "b2", timedelta(seconds=30))
    assert len(world.store.kept) == 1


@pytest.mark.parametrize("run_id", ["run-1", "run-2"])
@pytest.mark.parametrize("point", KILLS)
def test_wherever_it_is_killed_another_attempt_goes_on(world: World, point: str, run_id: str) -> None:
    """A retry of the run, or another one; packages that were installed are not installed again, and it boots once."""
    world.kill_at = point
    with pytest.raises(Killed):
        go(world)
    done = go(world, ORDERS.model_copy(update={"run_id": run_id}))
    assert_well(world)
    assert world.done.count("patched") == 1
    if point != "given back":
        assert done.changes == (CURL, KERNEL)
        assert done.rebooted


def test_it_may_be_killed_again_and_again(world: World) -> None:
    """At each point once, by one run after the other."""
    for number, point in enumerate(KILLS):
        world.kill_at = point
        with pytest.raises(Killed):
            go(world, ORDERS.model_copy(update={"run_id": f"run-{number}"}))
    go(world, ORDERS.model_copy(update={"run_id": "run-last"}))
    assert_well(world)


def test_a_power_cut_in_dpkg_is_refused_or_repaired_and_the_boot_after_it_does_not_count(world: World) -> None:
    """The packages were not all there yet: once they are, it is rebooted."""
    world.kill_at = "in the packages"
    with pytest.raises(Killed):
        go(world)
    world.power_cut()
    with pytest.raises(Refused, match="w1: not wholly installed: curl"):
        go(world)
    assert world.cordoned_by
    repair = ORDERS.model_copy(update={"options": PatchOptions(repair=True), "run_id": "run-2"})
    done = go(world, repair, repair=True)
    assert_well(world)
    assert (world.reboots, done.boot_before, done.boot_after) == (["b2"], "b1", "b3")


def brings_kernel(world: World, *, default: str, starts: str) -> None:
    """The packages are a new kernel alone; the boot loader names one, and starts one."""
    install = world.install

    def installed() -> None:
        install()
        world.newest_kernel, world.default_kernel, world.pending = NEW, default, False
        world.starts = starts

    world.left = [KERNEL]
    world.install = installed  # type: ignore[method-assign]


def test_a_kernel_that_is_pinned_on_purpose_cordons_no_node(world: World) -> None:
    """A reboot would start the same one again: there is none, and the report says so."""
    brings_kernel(world, default=OLD, starts=OLD)
    done = go(world)
    assert (world.reboots, world.cordoned_by, done.rebooted) == ([], "", False)
    assert done.noticed == (f"kernel {OLD} runs, {NEW} is installed, and the boot loader starts {OLD}",)


@pytest.mark.parametrize("default", [NEW, ""])
def test_a_new_kernel_is_rebooted_into(world: World, default: str) -> None:
    """Whether or not it is known that the boot loader starts it."""
    brings_kernel(world, default=default, starts=NEW)
    done = go(world)
    assert (world.reboots, done.kernel_before, done.kernel_after, done.noticed) == (["b1"], OLD, NEW, ())


def test_a_kernel_that_the_boot_loader_was_to_start_and_did_not_is_a_failure(world: World) -> None:
    """Also for a run that goes on after a kill; where nobody knew which one it starts, it is in the report."""
    brings_kernel(world, default=NEW, starts=OLD)
    world.kill_at = "rebooted"
    with pytest.raises(Killed):
        go(world)
    world.default_kernel = OLD  # what it says now is no excuse
    with pytest.raises(CommandFailed, match=f"the boot loader had to start kernel {NEW}, {OLD} runs"):
        go(world)
    assert world.cordoned_by == "run-1"


def test_where_nobody_knows_the_kernel_that_boots_the_one_that_runs_is_reported(world: World) -> None:
    """It was there before this boot, and was not started: it is no reason for another reboot."""
    brings_kernel(world, default="", starts=OLD)
    done = go(world)
    assert (world.reboots, world.cordoned_by) == (["b1"], "")
    assert done.noticed == (f"kernel {NEW} was installed before this boot, which started {OLD}",)


def test_a_node_that_was_only_to_be_rebooted_is_so_once_a_run(world: World) -> None:
    """Also when the same task is tried again; another run does it again."""
    world.left = []
    always = ORDERS.model_copy(update={"options": PatchOptions(reboot="always", scope="none")})
    go(world, always)
    go(world, always)
    assert world.reboots == ["b1"]
    world.kill_at = "given back"
    with pytest.raises(Killed):
        go(world, always.model_copy(update={"run_id": "run-2"}))
    go(world, always.model_copy(update={"run_id": "run-2"}))
    assert world.reboots == ["b1", "b2"]


def test_a_job_that_is_under_way_is_attached_to(world: World) -> None:
    """What it installs is not installed again."""
    world.kill_at = "drained"
    with pytest.raises(Killed):
        go(world)
    world.jobs = ("patch-50b7477e-run-1",)
    go(world)
    assert_well(world)
    assert world.done.count("patched") == 1


def test_a_job_that_ends_badly_leaves_what_is_left_to_this_run(world: World) -> None:
    """It is looked at, and installed."""
    world.kill_at = "drained"
    with pytest.raises(Killed):
        go(world)
    world.jobs, world.job_ends_badly = ("patch-50b7477e-run-1",), True
    go(world)
    assert_well(world)
    assert world.done.count("patched") == 1


def test_a_control_plane_node_is_gated_by_quorum_and_others_are_asked_while_it_is_away(world: World) -> None:
    """Twice: before the cordon and before the reboot."""
    orders = ORDERS.model_copy(update={"options": PatchOptions(allow_downtime=True)})
    done = go(world, orders, control_plane=True)
    assert_well(world)
    assert (world.done.count("gate"), world.preferred, world.asked_for_others) == (2, [("cp2",)], 2)
    assert done.leader_moved_to == ""


def test_whoever_is_urgent_asks_nobody_else(world: World) -> None:
    """Other nodes, rollouts and alerts may be why it is."""
    go(world, ORDERS.model_copy(update={"urgent": True}))
    assert world.asked_for_others == 0
    assert_well(world)


def test_a_machine_that_does_not_say_is_not_touched(world: World) -> None:
    """Its repositories do not answer, or it does not let us in: it is tried again."""
    facts = world.facts
    world.facts = lambda: facts().model_copy(  # type: ignore[method-assign]
        update={"updates": updates(problem="E: no route")}
    )
    with pytest.raises(NotYet, match="w1: E: no route"):
        go(world)
    assert (world.done, world.cordoned_by) == ([], "")


def test_without_a_reboot_one_stays_pending(world: World) -> None:
    """The record says so."""
    never = ORDERS.model_copy(update={"options": PatchOptions(reboot="never")})
    done = go(world, never)
    assert (world.reboots, done.rebooted) == ([], False)
    assert done.reboot_pending == ("the system asks for a reboot",)


def test_somebody_who_uncordons_it_before_the_reboot_is_noticed(world: World) -> None:
    """It is drained again."""
    world.came_back = [("somebody has uncordoned it",)]
    assert go(world).drained_again
    assert world.done.count("drained") == 2
    assert_well(world)


def test_a_node_that_somebody_needs_is_not_rebooted(world: World) -> None:
    """After two drains more it is left to them, cordoned."""
    world.came_back = [("pod n/a is there",)] * 3
    with pytest.raises(Refused, match="w1: not rebooted: pod n/a is there"):
        go(world)
    assert (world.reboots, world.cordoned_by) == ([], "run-1")


def test_what_is_not_in_the_plan_is_not_installed(world: World) -> None:
    """Before anything is touched."""
    with pytest.raises(Refused, match="w1: not in the plan, and would be installed now: linux-image"):
        go(world, changes=(CURL,))
    assert (world.done, world.cordoned_by) == ([], "")


def test_what_was_installed_and_not_planned_stops_it_before_the_reboot(world: World) -> None:
    """It stays cordoned."""
    world.came = [KERNEL]
    newer = CURL.model_copy(update={"after": "9"})

    def install() -> None:
        world.came, world.left, world.patched = [newer, KERNEL], [], "b1"

    world.install = install  # type: ignore[method-assign]
    with pytest.raises(CommandFailed, match="what was installed is not what was planned: curl is 9, not 7.88.1-14"):
        go(world)
    assert (world.reboots, world.cordoned_by) == ([], "run-1")


def test_a_machine_that_is_not_as_promised_stays_cordoned(world: World) -> None:
    """A unit has failed since; the next run proves it again, and gives it back once it is well."""
    facts = world.facts
    world.facts = lambda: facts().model_copy(  # type: ignore[method-assign]
        update={"failed_units": ("lab.service",) if world.boot > 1 else ()}
    )
    with pytest.raises(CommandFailed, match=r"w1: not as expected .* lab.service has failed, and had not before"):
        go(world)
    assert world.cordoned_by == "run-1"
    world.facts = facts  # type: ignore[method-assign]
    go(world, ORDERS.model_copy(update={"run_id": "run-2"}))
    assert_well(world)


def test_what_a_person_has_done_after_a_failed_run_is_taken_as_it_is(world: World) -> None:
    """A package that could not be installed is gone: the next run gives the node back. After a kill it is told instead."""
    world.kill_at = "patched"
    with pytest.raises(Killed):
        go(world)
    world.came, world.pending = [CURL], False
    with pytest.raises(CommandFailed, match=f"{KERNEL.package} was not installed"):
        go(world)
    assert world.cordoned_by
    world.has_failed = True
    done = go(world, ORDERS.model_copy(update={"run_id": "run-2"}))
    assert done.changes == (CURL,)
    assert (world.cordoned_by, world.intent) == ("", None)


def test_a_record_that_cannot_be_kept_ends_no_patch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report has it, too."""

    def away(*_: object) -> None:
        raise NotYet("the store is away")

    monkeypatch.setattr(world.store, "put", away)
    assert go(world).record == ""
    assert_well(world)


def test_a_machine_that_does_not_answer_is_not_judged(world: World) -> None:
    """It is tried again: nobody knows whether it needs a reboot."""
    facts = world.facts
    world.facts = lambda: (  # type: ignore[method-assign]
        PatchFacts(name="w1", unreached="no route") if world.patched else facts()
    )
    with pytest.raises(NotYet, match="no route"):
        go(world)
    assert (world.reboots, world.cordoned_by) == ([], "run-1")


def test_what_would_not_end_in_time_waits(world: World) -> None:
    """Also when those before it took longer than they were expected to."""
    soon = ORDERS.model_copy(update={"until": datetime.now(UTC) + timedelta(minutes=10)})
    fields = {"name": "w1", "control_plane": False, "expected": NEVER, "needs": timedelta(minutes=30)}
    handle: Any = None
    came = patch_in_time(handle, NodePatch.model_validate(fields), soon, lambda: None)
    assert [wait.node for wait in came.waiting] == ["w1"]
    assert "it would end 20 min after" in came.waiting[0].reason
    assert world.done == []
