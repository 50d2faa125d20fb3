"""The lock as a state machine: no two owners act at the same time, whatever clocks, networks and machines do.

The decisions are those of `tasks/run/policy/lock.py`; the world around them is simulated here, message by message.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.run.models.lock import (
    Call,
    LockRecord,
    Owner,
    Place,
    Question,
    Standing,
    Terms,
    machine_of,
    pid_on,
    process_named,
)
from tasks.run.policy import lock as policy

TICK = 0.5
EXAMPLES = 50
SOON, LATER = 20, 90
"""Ticks: ten seconds, and longer than an owner lives without a renewal."""
SECONDS = 30.0
LEASE = "lease"


class Register:
    """One place: what it says, and whether it can be asked at all."""

    def __init__(self) -> None:
        self.record = LockRecord()
        self.up = True
        self._marks = 0

    def do(self, question: Question, own: LockRecord, found: LockRecord | None) -> LockRecord:
        """Each is one step that nobody can get between, as flock and resourceVersion make it."""
        mine = (self.record.holder, self.record.process) == (own.holder, own.process)
        if (question is Question.TAKE and self.record == found) or (question is Question.RENEW and mine):
            self._marks += 1
            self.record = own.model_copy(update={"renewed": str(self._marks)})
        return self.record

    def give_back(self, owner: Owner) -> None:
        """Only what is still this owner's."""
        if self.record.is_of(owner):
            self.record = LockRecord()


class Message(NamedTuple):
    """Something that arrives later, if the way is there then."""

    at: float
    place: str
    deliver: Callable[[], None]


class Process:
    """A run in one process: it asks, takes and renews as `tasks/run/lock_keepers.py` does, one place after the other when it takes."""

    def __init__(self, world: "World", owner: Owner, machine: str, *, rate: float, without_lease: bool) -> None:
        self.world, self.owner, self.machine, self.rate = world, owner, machine, rate
        self.terms = Terms(owner=owner, voters=world.voters, without_lease=without_lease, seconds=SECONDS)
        self.places = {name: Place(name=name, is_lease=name == LEASE) for name in world.registers}
        self.next = dict.fromkeys(self.places, 0.0)
        self.busy: set[str] = set()
        self.inbox: list[Callable[[], None]] = []
        self.queue: list[str] | None = None
        self.cut: set[str] = set()
        self.frozen = self.dead = self.keeps = False
        self.lost = ""

    @property
    def now(self) -> float:
        """By its own clock, which goes wrong by some percent."""
        return self.world.now * self.rate

    @property
    def acts(self) -> bool:
        """It would do something to the cluster now, were it to check."""
        if self.dead or self.frozen or not self.keeps or self.lost:
            return False
        return policy.may_act(list(self.places.values()), self.terms, self.now) == Standing()

    def tick(self) -> None:
        """What its threads do."""
        inbox, self.inbox = self.inbox, []
        for answer in inbox:
            answer()
        if self.keeps:
            self.lost = self.lost or policy.may_act(list(self.places.values()), self.terms, self.now).lost
        elif self.queue is None:
            self._begin()
        if self.queue is not None:
            self._go_on_taking()
        for name, place in self.places.items():
            if name not in self.busy and self.now >= self.next[name] and not self.lost:
                self._ask(name, policy.what_to_ask(place, self.terms, keeps=self.keeps))

    def _begin(self) -> None:
        standing = policy.may_take(list(self.places.values()), self.terms)
        if standing.lost:
            self.dead = True  # refused
        elif standing == Standing():
            self.queue = list(self.places)

    def _go_on_taking(self) -> None:
        while self.queue and not self.busy & {self.queue[0]}:
            name = self.queue[0]
            place = self.places[name]
            if place.confirmed is None and policy.is_free_to_take(place, self.terms) and not place.problem:
                self._ask(name, Question.TAKE)
                return
            self.queue.pop(0)
        if self.queue == []:
            self.queue = None
            standing = policy.is_taken(list(self.places.values()), self.terms, self.now)
            self.keeps = standing == Standing()
            if standing.waits:
                self.give_back()
            self.dead = self.dead or bool(standing.lost)

    def give_back(self) -> None:
        """As far as it can; then it begins anew."""
        for name, register in self.world.registers.items():
            if register.up and name not in self.cut:
                register.give_back(self.owner)
            self.places[name] = Place(name=name, is_lease=name == LEASE)

    def _ask(self, name: str, question: Question) -> None:
        asked, before = self.now, self.places[name]
        self.busy.add(name)

        def answered(found: LockRecord | None) -> None:
            self.busy.discard(name)
            self._heard(name, question, found, asked)
            self.next[name] = self.now + policy.pause(self.places[name], self.terms, keeps=self.keeps)

        own = LockRecord(holder=self.owner.run_id, process=self.owner.process, seconds=int(SECONDS))
        self.world.send(self, name, lambda register: register.do(question, own, before.found), answered)

    def _heard(self, name: str, question: Question, found: LockRecord | None, asked: float) -> None:
        place = self.places[name]
        if found is None:
            told = policy.unwritten if question is Question.TAKE and not self.keeps else policy.missed
            self.places[name] = told(place, "no answer")
        elif question is Question.LOOK:
            call, is_gone = Call(asked=asked, answered=self.now), self.world.is_gone(found, self.machine)
            self.places[name] = policy.seen(place, found, self.terms, call, is_gone=is_gone)
        else:
            backed = self.keeps and policy.is_backed(list(self.places.values()), self.terms, self.now)
            call, is_gone = Call(asked=asked, answered=self.now), self.world.is_gone(found, self.machine)
            self.places[name] = policy.written(place, found, self.terms, call, backed=backed, is_gone=is_gone)


class World:
    """Nodes, an API and a network between them and the processes."""

    def __init__(self, nodes: int) -> None:
        self.voters = tuple(f"cp{number}" for number in range(1, nodes + 1))
        self.registers = {name: Register() for name in (*self.voters, LEASE)}
        self.processes: list[Process] = []
        self.now = 0.0
        self.delay = 0.0
        self._messages: list[Message] = []

    def send(
        self,
        process: Process,
        name: str,
        act: Callable[[Register], LockRecord],
        answered: Callable[[LockRecord | None], None],
    ) -> None:
        """A request that arrives late or never, and its answer, which may get lost when it was carried out."""
        register, delay = self.registers[name], self.delay

        def arrive() -> None:
            if not register.up or name in process.cut:
                self._messages.append(Message(self.now + 5, name, lambda: process.inbox.append(lambda: answered(None))))
                return
            found = act(register)
            self._messages.append(Message(self.now + delay, name, lambda: reboot_timeout(found)))

        def reboot_timeout(found: LockRecord) -> None:
            told = None if name in process.cut else found
            process.inbox.append(lambda: answered(told))

        self._messages.append(Message(self.now + delay, name, arrive))

    def run(self, ticks: int) -> None:
        """Time goes by."""
        for _ in range(ticks):
            self.now += TICK
            due = [one for one in self._messages if one.at <= self.now]
            self._messages = [one for one in self._messages if one.at > self.now]
            for message in due:
                message.deliver()
            for process in self.processes:
                if not process.dead and not process.frozen:
                    process.tick()
            acting = [process.owner for process in self.processes if process.acts]
            assert len(acting) <= 1, acting

    def start(
        self, run_id: str, *, rate: float = 1.0, without_lease: bool = False, machine: str = "", number: int = 0
    ) -> Process:
        """Another process, of that run; on no machine that is known, or with that number on one."""
        process = process_named(number, "w", machine, f"{len(self.processes):08x}")
        owner = Owner(run_id=run_id, process=process)
        self.processes.append(Process(self, owner, machine, rate=rate, without_lease=without_lease))
        return self.processes[-1]

    def is_gone(self, found: LockRecord, machine: str) -> bool:
        """As the kernel of that machine has it: no process of its own has that number; frozen ones have theirs."""
        pid = pid_on(machine, found.process)
        mine = [one.owner.process for one in self.processes if one.machine == machine and not one.dead]
        return pid > 0 and pid not in {pid_on(machine, process) for process in mine}


class Fault(NamedTuple):
    """Something happens to one of three workers, or to one of the places; then some time goes by."""

    what: str
    worker: int
    place: int
    ticks: int


FAULTS = (
    *("freeze", "thaw", "kill", "end", "retry", "cut off", "cut", "heal", "heal"),
    *("outage", "api outage", "up", "up", "restore", "slow", "quick"),
)
WORKERS = 3
NUMBERS = 4
"""Of processes on a machine, which are used again soon."""
MACHINES = (machine_of("boot", "pid:[1]"), machine_of("boot", "pid:[1]"), machine_of("boot", "pid:[2]"))
"""Of the workers: two share one, the third is in another container on it."""


class Story:
    """A world with three workers: whoever is idle or dead starts a run anew when something happens to it."""

    def __init__(self, nodes: int, rates: tuple[float, float, float]) -> None:
        self.world = World(nodes)
        self.rates = rates
        self.workers = [self._start(worker, f"run {worker}") for worker in range(WORKERS)]
        self.world.run(SOON)

    def _start(self, worker: int, run_id: str) -> Process:
        without_lease = worker == 0 and bool(self.world.voters)
        machine = MACHINES[worker]
        living = [one for one in self.world.processes if one.machine == machine and not one.dead]
        used = {pid_on(machine, one.owner.process) for one in living}
        number = next(number for number in range(1, NUMBERS + len(used) + 1) if number not in used)
        return self.world.start(
            run_id, rate=self.rates[worker], without_lease=without_lease, machine=machine, number=number
        )

    def goes_on(self, fault: Fault) -> None:
        """With this; whoever was refused or has ended comes again."""
        names = list(self.world.registers)
        name = names[fault.place % len(names)]
        self._happens_to(self.workers[fault.worker], fault, name)
        match fault.what:
            case "outage" | "api outage":
                self.world.registers[name if fault.what == "outage" else LEASE].up = False
            case "up":
                for register in self.world.registers.values():
                    register.up = True
            case "restore":
                self._restore(fault.place)
            case "slow" | "quick":
                self.world.delay = 2.0 if fault.what == "slow" else 0.0
        for number, process in enumerate(self.workers):
            if process.dead:
                self.workers[number] = self._start(number, f"run {number}")
        self.world.run(fault.ticks)

    def _happens_to(self, process: Process, fault: Fault, name: str) -> None:
        match fault.what:
            case "freeze" | "thaw":
                process.frozen = fault.what == "freeze"
            case "end" if not process.frozen:
                process.give_back()
                process.dead = True
            case "kill":
                process.dead = True
            case "retry":  # which replaces it, while it may still live
                self.workers[fault.worker] = self._start(fault.worker, process.owner.run_id)
            case "cut off" | "cut":
                process.cut |= set(self.world.registers) if fault.what == "cut off" else {name}
            case "heal":
                process.cut.clear()
                process.frozen = False

    def _restore(self, number: int) -> None:
        """By a run that holds most of the nodes: it brings the Lease of another day."""
        holder = "long ago" if number % 2 else ""
        if any(one.acts and policy.is_backed([*one.places.values()], one.terms, one.now) for one in self.workers):
            self.world.registers[LEASE].record = LockRecord(holder=holder, process="gone" if holder else "")


RATES = st.sampled_from([0.95, 1.0, 1.05])
A_FAULT = st.builds(
    Fault,
    st.sampled_from(FAULTS),
    st.integers(0, WORKERS - 1),
    st.integers(0, 5),
    st.sampled_from([1, 3, 6, 12, 25, 70]),
)


@pytest.mark.parametrize("nodes", [0, 1, 2, 3, 4])
def test_no_two_owners_act_at_the_same_time(nodes: int) -> None:
    """Freezes, kills, cuts, outages, slow answers, clocks that go wrong, retries beside a process that lives, a restore."""

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(rates=st.tuples(RATES, RATES, RATES), faults=st.lists(A_FAULT, min_size=10, max_size=25))
    def holds(rates: tuple[float, float, float], faults: list[Fault]) -> None:
        story = Story(nodes, rates)  # the world asserts it at each tick
        for fault in faults:
            story.goes_on(fault)

    holds()


EVERY = pytest.mark.parametrize("nodes", [0, 1, 2, 3, 5])


@EVERY
def test_one_takes_it_and_the_next_is_refused(nodes: int) -> None:
    """As soon as it has seen a renewal; also a retry of the same run while its first process lives."""
    world = World(nodes)
    first = world.start("a")
    world.run(SOON)
    assert first.acts
    others = [world.start("b"), world.start("a"), *([world.start("c", without_lease=True)] if nodes else [])]
    world.run(LATER)
    assert first.acts
    assert all(one.dead and not one.acts for one in others)


@EVERY
@pytest.mark.parametrize("again", ["a", "b"])
def test_a_dead_owner_loses_it_after_its_time(nodes: int, again: str) -> None:
    """To another run, and to a retry: a process that only seems to be dead would be seen in that time."""
    world = World(nodes)
    first = world.start("a")
    world.run(SOON)
    first.dead = True
    second = world.start(again)
    world.run(int((SECONDS - 2) / TICK))
    assert not second.acts
    world.run(2 * SOON)
    assert second.acts


@EVERY
@pytest.mark.parametrize("again", ["a", "b"])
def test_a_process_that_is_gone_from_this_machine_has_lost_it(nodes: int, again: str) -> None:
    """At once, also where its last renewals arrive after it; one in another container has to wait."""
    world = World(nodes)
    first = world.start("a", machine=MACHINES[0], number=7)
    world.run(SOON)
    world.delay = 1.0
    world.run(SOON)
    assert first.acts
    first.dead = True
    second = world.start(again, machine=MACHINES[0], number=8)
    other = world.start("c", machine=MACHINES[2], number=9)
    world.run(int((SECONDS - 8) / TICK))
    assert second.acts
    world.run(LATER)
    assert second.acts
    assert other.dead


@EVERY
@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "number used again"])
def test_a_process_of_this_machine_that_may_live_is_waited_for(nodes: int, *, frozen: bool) -> None:
    """It is stopped, or another process has its number by now: neither is certainly gone."""
    world = World(nodes)
    first = world.start("a", machine=MACHINES[0], number=7)
    world.run(SOON)
    first.frozen, first.dead = frozen, not frozen
    second = world.start("b", machine=MACHINES[0], number=8 if frozen else 7)
    world.run(int((SECONDS - 2) / TICK))
    assert not second.acts
    world.run(2 * SOON)
    assert second.acts


def test_numbers_of_processes_count_on_their_machine_alone() -> None:
    """Same boot and same process namespace; what is no name of ours has no number."""
    here, there = machine_of("boot", "pid:[1]"), machine_of("boot", "pid:[2]")
    assert len({here, there, machine_of("boot-2", "pid:[1]"), machine_of("boot", "pid:[1]", "", "w2")}) == 4
    named = process_named(7, "w1, x", here, "0123abcd")
    assert pid_on(here, named) == 7
    assert pid_on(there, named) == pid_on("", named) == 0
    assert pid_on("", process_named(7, "w1", "", "0123abcd")) == 0
    for odd in ("", "process 7 on w1", named.replace("7", "0"), named.replace("7", "9" * 20), f"{named} "):
        assert pid_on(here, odd) == 0


@EVERY
def test_an_outage_of_everything_gives_the_lock_to_nobody(nodes: int) -> None:
    """It lasted longer than an owner lives; whoever waits counts only time in which the places answered."""
    world = World(nodes)
    first = world.start("a")
    world.run(SOON)
    waiting = world.start("b")
    world.run(2)
    for register in world.registers.values():
        register.up = False
    world.run(3 * LATER)
    assert not first.acts
    assert not first.lost
    for register in world.registers.values():
        register.up = True
    world.run(LATER)
    assert first.acts
    assert waiting.dead


def test_a_gap_in_the_watch_counts_for_nothing() -> None:
    """The waiting process was frozen while the API was away: it is back, and its holder has had no time to renew."""
    world = World(0)
    first = world.start("a")
    world.run(SOON)
    waiting = world.start("b")
    world.run(3)
    world.registers[LEASE].up = False
    waiting.frozen = first.frozen = True
    world.run(3 * LATER)
    world.registers[LEASE].up = True
    waiting.frozen = False
    world.run(SOON)
    first.frozen = False
    world.run(LATER)
    assert first.acts
    assert waiting.dead


def test_a_lease_that_was_lost_stays_lost() -> None:
    """Also when the other one has come to its end."""
    world = World(0)
    first = world.start("a")
    world.run(SOON)
    first.cut.add(LEASE)
    second = world.start("b")
    world.run(2 * LATER)
    assert second.acts
    second.give_back()
    second.dead = True
    first.cut.clear()
    world.run(LATER)
    assert not first.acts
    assert first.lost == "lease: it is gone: somebody removed it"


def test_a_single_control_plane_goes_on_while_its_api_is_away() -> None:
    """Its node says that the lock is still ours; a profile without nodes has to wait."""
    for nodes, acts in ((1, True), (3, True), (0, False)):
        world = World(nodes)
        first = world.start("a")
        world.run(SOON)
        world.registers[LEASE].up = False
        world.run(3 * LATER)
        assert first.acts is acts
        assert not first.lost


def test_a_node_that_hangs_makes_no_other_lock_stale() -> None:
    """Of three; with a second one gone and the Lease away the run has to wait."""
    world = World(3)
    first = world.start("a")
    world.run(SOON)
    world.registers["cp2"].up = False
    world.run(3 * LATER)
    assert first.acts
    world.registers["cp3"].up = world.registers[LEASE].up = False
    world.run(LATER)
    standing = policy.may_act([*first.places.values()], first.terms, first.now)
    assert (
        "1 of 3 control plane nodes confirm the lock, 2 have to (cp2: no answer; cp3: no answer; the API"
        in standing.waits
    )


@pytest.mark.parametrize("nodes", [1, 3])
def test_one_that_began_without_the_api_and_one_that_has_it_meet_on_the_nodes(nodes: int) -> None:
    """In both orders; and the first takes the Lease as soon as there is one, also an old one of a restored etcd."""
    world = World(nodes)
    world.registers[LEASE].up = False
    restoring = world.start("restore", without_lease=True)
    world.run(2 * SOON)
    assert restoring.acts
    world.registers[LEASE].record = LockRecord(holder="long ago", process="gone")
    world.registers[LEASE].up = True
    upgrading = world.start("upgrade")
    world.run(LATER)
    assert upgrading.dead
    world.run(LATER)
    assert restoring.acts
    assert world.registers[LEASE].record.holder == "restore"
    restoring.dead = True
    restoring.give_back()
    upgrading = world.start("upgrade")
    world.run(SOON)
    assert upgrading.acts
    world.registers[LEASE].up = False
    late = world.start("restore again", without_lease=True)
    world.run(LATER)
    assert late.dead
    assert upgrading.acts


def test_a_lease_that_another_one_renews_stops_a_run_that_began_without_it() -> None:
    """Of a profile that knows no nodes: the Lease is all that both can see."""
    world = World(1)
    world.registers[LEASE].up = False
    restoring = world.start("restore", without_lease=True)
    world.run(2 * SOON)
    world.registers[LEASE].up = True
    other = LockRecord(holder="other", process="elsewhere", seconds=30)
    for beat in range(4):
        world.registers[LEASE].record = other.model_copy(update={"renewed": str(beat)})
        world.run(4)
    assert "run other" in restoring.lost
    world.registers[LEASE].record = LockRecord()
    world.run(LATER)
    assert not restoring.acts


def test_what_is_lost_on_a_node_stays_lost() -> None:
    """Somebody has removed the file, or another one had it meanwhile."""
    world = World(3)
    first = world.start("a")
    world.run(SOON)
    world.registers["cp2"].record = LockRecord()
    world.run(LATER)
    assert first.lost == "cp2: it is gone: somebody removed it"
    assert not first.acts
    own = LockRecord(holder="a", process=first.owner.process)
    call = Call(asked=1, answered=1)
    assert policy.written(first.places["cp2"], own, first.terms, call, backed=False).lost


def test_the_lease_of_an_etcd_that_takes_no_writes_can_only_be_looked_at() -> None:
    """Where a profile knows no nodes and etcd is full, maintenance goes on while nobody is seen to have the lock."""
    owner = Owner(run_id="a", process="p")
    terms = Terms(owner=owner, without_lease=True, seconds=SECONDS)
    place = Place(name=LEASE, is_lease=True)
    assert "lease has not answered yet" in policy.may_take([place], terms).waits
    place = policy.seen(place, LockRecord(), terms, Call(asked=1, answered=1))
    assert policy.may_take([place], terms) == Standing()
    place = policy.unwritten(place, "database space exceeded")
    assert policy.is_taken([place], terms, 2) == Standing()
    assert "database space exceeded" in policy.may_act([place], terms, 30).waits
    strict = terms.model_copy(update={"without_lease": False})
    assert "database space exceeded" in policy.is_taken([place], strict, 2).waits
    taken = policy.seen(place, LockRecord(holder="b", process="q"), terms, Call(asked=3, answered=3))
    assert "run b" in policy.may_act([taken], terms, 4).lost


def test_machines_beside_the_control_plane_have_to_be_locked_to_begin() -> None:
    """All of them; and a profile with no place at all has no lock."""
    owner = Owner(run_id="a", process="p")
    terms = Terms(owner=owner, voters=("cp1",), machines=("m1",), without_lease=True, seconds=SECONDS)
    free = [policy.seen(Place(name="cp1"), LockRecord(), terms, Call(asked=1, answered=1)), Place(name="m1")]
    assert policy.may_take(free, terms).waits == "m1 has not answered yet"
    free[1] = policy.missed(free[1], "no route to host")
    assert policy.may_take(free, terms).waits == "m1 cannot be locked: no route to host"
    lonely = terms.model_copy(update={"machines": ("m2",)})
    assert policy.may_take(free, lonely).waits == "m2 cannot be locked: not reached"
    assert policy.may_take([], Terms(owner=owner)) == policy.may_act([], Terms(owner=owner), 5) == Standing()
