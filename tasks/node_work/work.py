"""Work on one node, from its gate to its proof: taken out of service and given back, or left cordoned with the reason.

What every runbook that disturbs nodes shares. Each part looks at what is there first.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from tasks.clients.ssh import Job, JobResult, run_job
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import EtcdFacts
from tasks.drain.cordon import annotate, cordon, keep_cordoned, uncordon, was_uncordoned
from tasks.drain.evict import drain
from tasks.drain.models import CORDONED_BY, FAILED, UNHEALTHY, Drained, DrainOptions, DrainProgress
from tasks.node_work.gates import Also, gate_control_plane, gate_worker, who_is_needed
from tasks.node_work.models.health import Before, Expected
from tasks.node_work.policy.health import noted_unhealthy
from tasks.node_work.policy.waves import may_go_on
from tasks.node_work.proof import look_before, prove_node, prove_workloads
from tasks.nodes.observe import look_at_machine
from tasks.nodes.probes.api_facts import parse_node
from tasks.run.history import keep_evidence
from tasks.run.locks import Check
from tasks.run.parts import NodeParts

N = TypeVar("N")
R = TypeVar("R")

CALL = timedelta(seconds=60)


class NodeWork(NodeParts):
    """What is under way on a node, with the time of each part."""

    def __init__(self, handle: Cluster, name: str, runbook: str, run_id: str, check: Check) -> None:
        super().__init__(name)
        self.handle = handle
        self.runbook = runbook
        self.run_id = run_id
        self.check = check
        self.machine = look_at_machine(handle, name)
        if self.machine.unreached:
            raise NotYet(self.machine.unreached, hint="look at its sshd and its network")
        self.before = self._before()
        self._left = self._left_by_an_earlier_run()
        self.ticket = ""
        """That the cordon is for; its annotation has it."""
        self.drained: Drained | None = None
        self.unproven = False
        """Something on the machine was changed, and is not proven yet: a failure leaves it cordoned."""
        self.noticed: tuple[str, ...] = ()
        """What is wrong after the work, and no reason to fail."""
        self._told = ""

    def gate(self, *, allow_downtime: bool, also: Also = tuple) -> EtcdFacts:
        """Before each act on a control plane node: another scheduler and controller manager go on, too."""

        def others() -> Sequence[str]:
            return (*also(), *who_is_needed(self.handle, self.name, allow_downtime=allow_downtime))

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
        return run_job(self.handle.node(self.name), Job(running, script, limit), on_output=self._say)

    def attach(self, name: str, limit: timedelta) -> JobResult:
        """Waits for the end of a job that is under way, by its name."""
        log_about(self.name).warning("job %s is under way there: attached", name)
        self.unproven = True
        return run_job(self.handle.node(self.name), Job(name, "exit 1", limit), on_output=self._say)

    def run(self, script: str, timeout: timedelta = CALL, stdin: bytes = b"") -> str:
        """What a short script prints there, as root."""
        output = self.handle.node(self.name).run(script, stdin=stdin, timeout=timeout, sudo=True)
        return output.stdout.decode(errors="replace")

    def is_true(self, script: str) -> bool:
        """Whether a short script ends with status 0 there."""
        return self.handle.node(self.name).run(script, timeout=CALL, sudo=True, check=False).status == 0

    def now(self) -> datetime:
        """By the node's clock, which its heartbeats are told by."""
        return datetime.fromtimestamp(float(self.run("date +%s.%N")), UTC)

    def empty(self, reason: str, options: DrainOptions) -> None:
        """Cordon and drain. A pod that cannot go refuses before anything is evicted, and takes our cordon away again."""
        self.check()
        with self.part("drain"):
            unhealthy = self.before.unhealthy
            cordon(self.handle.kube, self.name, self.run_id, reason, ticket=self.ticket, unhealthy=unhealthy)
            drained = drain(self.handle.kube, self.name, options, check=self.check, on_wait=self._tell)
        self._notice(drained.still_attached)
        before = self.drained
        self.drained = _both(before, drained) if before else drained

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
            old = prove_node(self.handle, self.name, expected, self.before, check=self.check)
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
            others = prove_workloads(self.handle, self.name, self.before, check=self.check)
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
            hint = self._give_up(error, evidence) if self.unproven else self._take_back()
            raise type(error)(error.problem, hint="; ".join(part for part in (error.hint, hint) if part)) from error

    def _take_back(self) -> str:
        kube = self.handle.kube
        try:
            if self._left:
                cordon(kube, self.name, self.run_id, f"left by an earlier run of {self.runbook}", ticket=self.ticket)
                keep_cordoned(kube, self.name, self._left)
                return f"{self.name} stays cordoned as it was found: {self._left}"
            return f"{self.name} is uncordoned again: nothing is half done there" if uncordon(kube, self.name) else ""
        except RunbookError as second:
            return f"{self.name} could not be left as it was found: {second.problem}"

    def _before(self) -> Before:
        """What an earlier attempt has found wrong, if it has begun here: what is wrong now may be its doing.

        What has been well again since then has to be so afterwards: the attempt may have been of another day.
        """
        before = look_before(self.handle, self.machine)
        if was_uncordoned(self.handle.kube.get(f"/api/v1/nodes/{self.name}")):
            return before
        noted = noted_unhealthy(self._annotations)
        if noted is None and self.is_ours:
            noted = ()
        if noted is None:
            return before
        return before.model_copy(update={"unhealthy": tuple(one for one in noted if one in before.unhealthy)})

    def _notice(self, found: Iterable[str]) -> None:
        news = tuple(one for one in dict.fromkeys(found) if one not in self.noticed)
        self.noticed = (*self.noticed, *news)
        for one in news:
            log_about(self.name).warning("noticed: %s", one)

    def _left_by_an_earlier_run(self) -> str:
        """Why it is cordoned by one of ours; what that one did to the machine is not known here."""
        notes = self._annotations
        return notes.get(FAILED) or ("an earlier run ended in the middle" if CORDONED_BY in notes else "")

    @property
    def _annotations(self) -> dict[str, str]:
        return parse_node(self.handle.kube.get(f"/api/v1/nodes/{self.name}"), None).annotations

    def _give_up(self, error: RunbookError, evidence: str) -> str:
        """What was done about it, for the error's next step; what cannot be done is said, and hides nothing."""
        told = []
        try:
            why, unhealthy = f"{self.runbook} failed here", self.before.unhealthy
            cordon(self.handle.kube, self.name, self.run_id, why, ticket=self.ticket, unhealthy=unhealthy)
            keep_cordoned(self.handle.kube, self.name, error.problem)
            told.append(f"{self.name} stays cordoned")
        except RunbookError as second:
            told.append(f"{self.name} could not be cordoned: {second.problem}")
        try:
            store, cluster = self.handle.store, self.handle.profile.name
            place = keep_evidence(store, cluster, self.runbook, f"{self.run_id}-{self.name}", self.run(evidence))
            told.append(f"what it says of itself is in {place}")
        except RunbookError as second:
            told.append(f"what it says of itself could not be kept: {second.problem}")
        return "; ".join(told)

    def _say(self, output: str) -> None:
        for line in output.splitlines():
            if line.strip():
                log_about(self.name).info("| %s", line.rstrip()[:300])

    def _tell(self, progress: DrainProgress) -> None:
        waiting = "; ".join(f"{one.what}: {one.why}" for one in progress.waiting)
        if waiting != self._told:
            self._told = waiting
            log_about(self.name).debug("%d of %d pods are gone; waiting for %s", progress.gone, progress.of, waiting)


def on_wave(
    wave: Sequence[N], act: Callable[[N], R], name_of: Callable[[N], str], *, failed_before: int, budget: int
) -> tuple[list[R], dict[str, str]]:
    """An act on the workers of a wave at once: what came of it, and why it failed, by name.

    Raises `CommandFailed` when more workers of the run failed than its error budget allows, and `Refused` where a rule said no
    to each of them.
    """

    def one(node: N) -> R | RunbookError:
        try:
            return act(node)
        except RunbookError as error:
            log_about(name_of(node)).error("%s", error)
            return error

    came = on_all(one, wave)
    failed = {name_of(node): end for node, end in zip(wave, came, strict=True) if isinstance(end, RunbookError)}
    if failed and not may_go_on(failed_before + len(failed), budget):
        raise _over_budget(failed, failed_before, budget)
    return [end for end in came if not isinstance(end, RunbookError)], {n: str(error) for n, error in failed.items()}


def _over_budget(failed: Mapping[str, RunbookError], before: int, budget: int) -> RunbookError:
    """Of the workers of a wave: more failed than may."""
    told = "; ".join(error.problem for error in failed.values())
    hints = "; ".join(dict.fromkeys(error.hint for error in failed.values() if error.hint))
    more = f"{before + len(failed)} workers failed, the error budget is {budget}" if budget or before else ""
    kind = Refused if all(isinstance(error, Refused) for error in failed.values()) else CommandFailed
    return kind("; ".join(part for part in (more, told) if part), hint=hints)


def _both(first: Drained, again: Drained) -> Drained:
    """What two drains of the same node did."""
    return again.model_copy(
        update={
            "cordoned_before": first.cordoned_before,
            "evicted": (*first.evicted, *again.evicted),
            "waited_for": (*first.waited_for, *again.waited_for),
            "still_attached": again.still_attached,
            "took": first.took + again.took,
        }
    )
