"""Work on one node, from its gate to its proof: taken out of service and given back, or left cordoned with the reason.

What every runbook that disturbs nodes shares. `begin_node_work` looks at what is there; each part looks again first.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.clients.ssh import CALL, JobResult
from tasks.cluster import Cluster
from tasks.core.errors import NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import EtcdFacts
from tasks.core.models.findings import Problem
from tasks.drain.cordon import annotate, cordon, uncordon
from tasks.drain.evict import drain
from tasks.drain.models import CORDONED_BY, FAILED, UNHEALTHY, Drained, DrainOptions, DrainProgress
from tasks.node_work.gates import Also, gate_control_plane, gate_worker, missing_controllers
from tasks.node_work.models.health import Before, Expected
from tasks.node_work.policy.earlier import before_that_run, noted_unhealthy, why_left_cordoned
from tasks.node_work.proof import HEALTH_LIMIT, look_before, prove_node, prove_workloads
from tasks.node_work.put_back import PutBack
from tasks.nodes.models.nodes import NodeFacts
from tasks.nodes.observe import look_at_machine
from tasks.nodes.probes.api_facts import parse_node
from tasks.run.locks import Check
from tasks.run.parts import NodeParts


@dataclass(frozen=True)
class NodeFound:
    """A node as its work begins."""

    machine: NodeFacts
    before: Before
    """Afterwards it has to be no worse."""
    failure: Problem | None
    """Why a run of ours has left it cordoned; `None` where none has."""
    looked_since: float
    """By the clock that is monotonic: the work began then."""


def begin_node_work(handle: Cluster, name: str, runbook: str, run_id: str, check: Check) -> "NodeWork":
    """Looks at the machine, at the cluster, and at what an earlier run has written on the Node; changes nothing.

    Raises `NotYet` where the machine is not reached.
    """
    began = time.monotonic()
    machine = look_at_machine(handle, name)
    if machine.unreached:
        raise NotYet(machine.unreached, hint="look at its sshd and its network")
    before = look_before(handle, machine)
    node = parse_node(handle.kube.get(f"/api/v1/nodes/{name}"), None)
    found = NodeFound(machine, before_that_run(before, node), why_left_cordoned(node), looked_since=began)
    return NodeWork(handle, name, runbook, run_id, check, found=found)


class NodeWork(NodeParts):
    """What is under way on a node, with the time of each part."""

    def __init__(  # noqa: PLR0913 - whose work it is, and what was found
        self, handle: Cluster, name: str, runbook: str, run_id: str, check: Check, *, found: NodeFound
    ) -> None:
        super().__init__(name)
        self._began = found.looked_since
        self.handle = handle
        self.runbook = runbook
        self.run_id = run_id
        self.check = check
        self.machine = found.machine
        self.before = found.before
        self._failure_found = found.failure
        self._shell = handle.shell(name)
        self.ticket = ""
        """That the cordon is for; its annotation has it."""
        self.drained: Drained | None = None
        self.unproven = False
        """Something on the machine was changed, and is not proven yet: a failure leaves it cordoned."""
        self.noticed: tuple[str, ...] = ()
        """What is wrong after the work, and no reason to fail."""
        self.health_limit = HEALTH_LIMIT
        """For a proof."""
        self._waiting_for = ""

    def gate(self, *, allow_downtime: bool, also: Also = tuple) -> EtcdFacts:
        """Before each act on a control plane node: another scheduler and controller manager go on, too."""

        def others() -> Sequence[str]:
            return (*also(), *missing_controllers(self.handle, self.name, allow_downtime=allow_downtime))

        with self.part("gate"):
            return gate_control_plane(self.handle, self.name, self.check, allow_downtime=allow_downtime, also=others)

    def gate_of_worker(self, also: Also = tuple) -> None:
        """Before each act on a worker."""
        with self.part("gate"):
            gate_worker(self.handle, self.name, self.check, also=also)

    def job(self, what: str, script: str, limit: timedelta, *, touches: bool = True) -> JobResult:
        """A remote job of this run. One of another run that does the same and still runs is attached to instead.

        One that `touches` nothing changes nothing of what runs.
        """
        self.check()
        self.unproven = self.unproven or touches
        mine = f"{what}-{self.run_id}"
        running = next((one for one in self.machine.jobs if one.startswith(f"{what}-") and one != mine), mine)
        if running != mine:
            log_about(self.name).warning("job %s of another run is under way there: attached", running)
        return self._shell.job(running, script, limit)

    def attach(self, name: str, limit: timedelta) -> JobResult:
        """Waits for the end of a job that is under way, by its name."""
        log_about(self.name).warning("job %s is under way there: attached", name)
        self.unproven = True
        return self._shell.job(name, "exit 1", limit)

    def run(self, script: str, *, stdin: bytes = b"", limit: timedelta = CALL) -> str:
        """What a short script prints there, as root."""
        return self._shell.run(script, stdin=stdin, limit=limit)

    def is_true(self, script: str) -> bool:
        """Whether a short script ends with status 0 there."""
        return self._shell.is_true(script)

    def now(self) -> datetime:
        """By the node's clock, which its heartbeats are told by."""
        return self._shell.now()

    def cordon_and_drain(self, reason: str, options: DrainOptions) -> None:
        """A pod that cannot go refuses before anything is evicted, and takes our cordon away again."""
        self.check()
        with self.part("drain"):
            unhealthy = self.before.unhealthy
            cordon(self.handle.kube, self.name, self.run_id, reason, ticket=self.ticket, unhealthy=unhealthy)
            drained = drain(self.handle.kube, self.name, options, check=self.check, on_wait=self._tell)
        self._notice(drained.still_attached)
        self.drained = drained.after(self.drained) if self.drained else drained

    def note_before(self) -> None:
        """Writes on the Node what is wrong now, before an act without a cordon: an attempt that goes on forgives no more."""
        if noted_unhealthy(self._annotations) is None:
            annotate(self.handle.kube, self.name, {UNHEALTHY: json.dumps(self.before.unhealthy)})

    def forget_before(self) -> None:
        """Takes that note away: the node is whole, and nothing is cordoned whose end would do it."""
        annotate(self.handle.kube, self.name, {UNHEALTHY: None})

    def prove(self, expected: Expected) -> None:
        """Until it is healthy, or no worse than before."""
        with self.part("proof"):
            old = prove_node(self.handle, self.name, expected, self.before, check=self.check, limit=self.health_limit)
        self._notice(f"{one}, as before" for one in old)
        self.unproven = False

    def take_as_it_is(self) -> None:
        """The proof forgives what is wrong now, whatever an earlier attempt found."""
        self.before = look_before(self.handle, self.machine)

    def forgive_nothing(self) -> None:
        """The proof is of a healthy node, not of one that is no worse than before."""
        self.before = self.before.model_copy(update={"unhealthy": ()})

    def give_back(self) -> None:
        """Uncordon, if the cordon is ours, and wait until the cluster is no worse than before."""
        self.check()
        self.unproven = True
        uncordon(self.handle.kube, self.name)
        self.prove_workloads()

    def prove_workloads(self) -> None:
        """Until no workload that has to do with the node has fewer ready pods than before; others are reported."""
        with self.part("workloads"):
            others = prove_workloads(self.handle, self.name, self.before, check=self.check, limit=self.health_limit)
        self._notice(f"{one}; it has to do with other nodes" for one in others)
        self.unproven = False

    @property
    def is_ours(self) -> bool:
        """A run of ours has cordoned it, and has not given it back."""
        return CORDONED_BY in self._annotations

    @property
    def has_failed(self) -> bool:
        """A run of ours ended by an error here, and has told why; nobody has given the node back since."""
        return FAILED in self._annotations

    @contextmanager
    def left_as_it_should_be(self, evidence: str) -> Iterator[None]:
        """Around the work, for its end by an error: a node that is whole is as it was found, also its cordon.

        It is whole before anything on the machine was changed, and between a proven act and the next one. Else it stays
        cordoned, with the reason, and what it has to say is kept in the bucket. Where another run has the lock by now, the
        node is left to it.
        """
        try:
            yield
        except RunbookError as error:
            self.check()
            back = PutBack(self.handle, self.name, self.runbook, self.run_id, self.ticket)
            if self.unproven:
                hint = back.cordoned(error, self.before.unhealthy, lambda: self.run(evidence))
            else:
                hint = back.as_found(self._failure_found)
            raise type(error)(error.problem, hint="; ".join(part for part in (error.hint, hint) if part)) from error

    @property
    def _annotations(self) -> dict[str, str]:
        return parse_node(self.handle.kube.get(f"/api/v1/nodes/{self.name}"), None).annotations

    def _notice(self, found: Iterable[str]) -> None:
        news = tuple(one for one in dict.fromkeys(found) if one not in self.noticed)
        self.noticed = (*self.noticed, *news)
        for one in news:
            log_about(self.name).warning("noticed: %s", one)

    def _tell(self, progress: DrainProgress) -> None:
        waiting = "; ".join(f"{one.what}: {one.why}" for one in progress.waiting)
        if waiting != self._waiting_for:
            self._waiting_for = waiting
            log_about(self.name).debug("%d of %d pods are gone; waiting for %s", progress.gone, progress.of, waiting)
