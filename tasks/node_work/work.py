"""Works on one node, from its gate to its proof.

The node is taken out of service and returned, or left cordoned with the reason. Every runbook that disturbs
nodes shares this code. `begin_node_work` observes the current state, and each part checks again before it
acts.
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
from tasks.drain.models import CORDONED_BY, FAILED, UNHEALTHY, Drained, DrainOptions
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
    """This is the state of a node when its work begins."""

    machine: NodeFacts
    before: Before
    """It holds the state of the cluster at the start, which must be no worse afterwards."""
    failure: Problem | None
    """It says why a run of ours has left the node cordoned. It is `None` if none has."""
    looked_since: float
    """It holds the start of the work, in seconds of the monotonic clock."""


def begin_node_work(handle: Cluster, name: str, runbook: str, run_id: str, check: Check) -> "NodeWork":
    """Observes the node, the cluster, and what an earlier run wrote on the Node.

    It changes nothing. Raises `NotYet` if the node is not reached.
    """
    began = time.monotonic()
    machine = look_at_machine(handle, name)
    if machine.unreached:
        raise NotYet(machine.unreached, hint="check its sshd and its network")
    before = look_before(handle, machine)
    node = parse_node(handle.kube.get(f"/api/v1/nodes/{name}"), None)
    found = NodeFound(machine, before_that_run(before, node), why_left_cordoned(node), looked_since=began)
    return NodeWork(handle, name, runbook, run_id, check, found=found)


class NodeWork(NodeParts):
    """This is the work in progress on a node, with the time of each part."""

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
        """It names the ticket of the cordon, which the cordon's annotation also records."""
        self.drained: Drained | None = None
        self.unproven = False
        """True if something on the node was changed and is not proven yet. A failure then leaves the node cordoned."""
        self.noticed: tuple[str, ...] = ()
        """It lists what is wrong after the work but is no reason to fail."""
        self.health_limit = HEALTH_LIMIT
        """It limits the wait for a proof."""

    def gate(self, *, allow_downtime: bool, also: Also = tuple) -> EtcdFacts:
        """Waits for the gate before each act on a control plane node.

        Another scheduler and controller manager must also keep working.
        """

        def others() -> Sequence[str]:
            return (*also(), *missing_controllers(self.handle, self.name, allow_downtime=allow_downtime))

        with self.part("gate"):
            return gate_control_plane(self.handle, self.name, self.check, allow_downtime=allow_downtime, also=others)

    def gate_of_worker(self, also: Also = tuple) -> None:
        """Waits for the gate before each act on a worker."""
        with self.part("gate"):
            gate_worker(self.handle, self.name, self.check, also=also)

    def job(self, what: str, script: str, limit: timedelta, *, touches: bool = True) -> JobResult:
        """Runs a remote job of this run.

        If another run's job for the same work is still running, this run attaches to it instead. With
        `touches=False`, the job changes nothing that is in use.
        """
        self.check()
        self.unproven = self.unproven or touches
        mine = f"{what}-{self.run_id}"
        running = next((one for one in self.machine.jobs if one.startswith(f"{what}-") and one != mine), mine)
        if running != mine:
            log_about(self.name).warning("job %s of another run is under way there: attached", running)
        return self._shell.job(running, script, limit)

    def attach(self, name: str, limit: timedelta) -> JobResult:
        """Waits until a job that is under way has finished, by its name."""
        log_about(self.name).warning("job %s is under way there: attached", name)
        self.unproven = True
        return self._shell.job(name, "exit 1", limit)

    def run(self, script: str, *, stdin: bytes = b"", limit: timedelta = CALL) -> str:
        """Runs a short script on the node as root, and returns what it prints."""
        return self._shell.run(script, stdin=stdin, limit=limit)

    def is_true(self, script: str) -> bool:
        """Returns True if a short script exits with status 0 on the node."""
        return self._shell.is_true(script)

    def now(self) -> datetime:
        """Returns the time by the node's clock, which its heartbeats use."""
        return self._shell.now()

    def cordon_and_drain(self, reason: str, options: DrainOptions) -> None:
        """Cordons and drains the node.

        A pod that cannot be evicted makes the drain refuse before any eviction, and our cordon is removed again.
        """
        self.check()
        with self.part("drain"):
            unhealthy = self.before.unhealthy
            cordon(self.handle.kube, self.name, self.run_id, reason, ticket=self.ticket, unhealthy=unhealthy)
            drained = drain(self.handle.kube, self.name, options, check=self.check)
        self._notice(drained.still_attached)
        self.drained = drained.after(self.drained) if self.drained else drained

    def note_before(self) -> None:
        """Writes the current symptoms on the Node before an act without a cordon.

        So an attempt that resumes does not forgive more.
        """
        if noted_unhealthy(self._annotations) is None:
            annotate(self.handle.kube, self.name, {UNHEALTHY: json.dumps(self.before.unhealthy)})

    def forget_before(self) -> None:
        """Removes the note of `note_before`.

        The node is whole, and there is no cordon whose removal would also remove the note.
        """
        annotate(self.handle.kube, self.name, {UNHEALTHY: None})

    def prove(self, expected: Expected) -> None:
        """Waits until the node is healthy, or no worse than before."""
        with self.part("proof"):
            old = prove_node(self.handle, self.name, expected, self.before, check=self.check, limit=self.health_limit)
        self._notice(f"{one}, as before" for one in old)
        self.unproven = False

    def take_as_it_is(self) -> None:
        """Makes the proof forgive what is wrong now, whatever an earlier attempt found."""
        self.before = look_before(self.handle, self.machine)

    def forgive_nothing(self) -> None:
        """Makes the proof require a healthy node, not one that is no worse than before."""
        self.before = self.before.model_copy(update={"unhealthy": ()})

    def forgive(self, also: Sequence[str]) -> None:
        """Makes the proof report these symptoms, given as `Symptom.of`, without waiting for them."""
        self.before = self.before.model_copy(update={"unhealthy": (*self.before.unhealthy, *also)})

    def give_back(self) -> None:
        """Uncordons the node if the cordon is ours, and waits until the cluster is no worse than before."""
        self.check()
        self.unproven = True
        uncordon(self.handle.kube, self.name)
        self.prove_workloads()

    def prove_workloads(self) -> None:
        """Waits until no workload that concerns the node has fewer ready pods than before.

        Other workloads are reported.
        """
        with self.part("workloads"):
            others = prove_workloads(self.handle, self.name, self.before, check=self.check, limit=self.health_limit)
        self._notice(f"{one}; it has to do with other nodes" for one in others)
        self.unproven = False

    @property
    def is_ours(self) -> bool:
        """Returns True if a run of ours has cordoned the node and has not returned it."""
        return CORDONED_BY in self._annotations

    @property
    def has_failed(self) -> bool:
        """Returns True if a run of ours failed on this node and recorded why. Nobody has returned the node since."""
        return FAILED in self._annotations

    @contextmanager
    def left_as_it_should_be(self, evidence: str) -> Iterator[None]:
        """Wraps the work, and leaves the node in a safe state if the work fails.

        A whole node is left as it was found, also its cordon. It is whole before anything on it was changed, and
        between a proven act and the next one. Otherwise it stays cordoned, with the reason, and its diagnostics are
        saved to the bucket. If another run has the lock by now, the node is left to that run.
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
