"""Patches one node: observes it, decides the course, and carries it out.

A run that died can be started again. `machine.py` queries and changes the node, and `policy/intent.py`
decides. This module holds the order of all acts.
"""

from datetime import UTC, datetime, timedelta

from tasks.cluster import Cluster
from tasks.core.errors import CommandFailed, NotYet, Refused
from tasks.core.logs import log_about
from tasks.node_work.gates import lead_elsewhere
from tasks.node_work.work import begin_node_work
from tasks.os_patch.machine import PatchMachine
from tasks.os_patch.models.facts import PatchFacts
from tasks.os_patch.models.outcome import NodePatched, Waits, WavePatched
from tasks.os_patch.models.plan import NodePatch, PatchOrders
from tasks.os_patch.policy.intent import (
    Course,
    Standing,
    as_of,
    decide_course,
    intent_of,
    why_another_plan,
    why_not_as_planned,
    why_unknown,
)
from tasks.os_patch.policy.reboots import why_reboot
from tasks.os_patch.policy.windows import why_too_late
from tasks.os_patch.probes.evidence import evidence
from tasks.os_patch.proof import PROOF_LIMIT, prove_machine, prove_node
from tasks.os_patch.records import Deeds, keep, record_of
from tasks.run.locks import Check

EMPTY_TRIES = 2
"""Limits how often a node is drained before its reboot is refused."""


def patch_in_time(handle: Cluster, node: NodePatch, orders: PatchOrders, check: Check) -> WavePatched:
    """Patches a node if the work would finish in time, also if other nodes took longer than expected.

    Otherwise the node waits for the next window.
    """
    if late := why_too_late(node.needs, orders.until, now=datetime.now(UTC)):
        log_about(node.name).warning("it waits: %s", late)
        return WavePatched(waiting=(Waits(node=node.name, reason=late.text),))
    work = begin_node_work(handle, node.name, orders.runbook, orders.run_id, check)
    return WavePatched(nodes=(patch_one(PatchMachine(work, orders.options), node, orders),))


def patch_one(
    machine: PatchMachine, node: NodePatch, orders: PatchOrders, proof_limit: timedelta = PROOF_LIMIT
) -> NodePatched:
    """Patches a node from its first observation to its proof.

    It returns the result as it is kept with the other records of the node.
    """
    at = datetime.now(UTC).replace(microsecond=0)
    work = machine.work
    work.ticket = orders.ticket
    with work.left_as_it_should_be(evidence()):
        course = observe_course(machine, node, orders)
        patching = _Patching(machine, node, orders, course, Deeds(at=at, held=course.facts.updates.held))
        patching.take_over()
        if course.is_disturbing:
            patching.cordon_and_drain()
            patching.install()
            patching.reboot_where_due()
        patching.prove(proof_limit)
        patching.record()  # a run that dies right after the next line leaves nothing to do, and nobody who would keep it
        work.give_back()
        machine.note_end(orders.run_id)
    return patching.record()


def observe_course(machine: PatchMachine, node: NodePatch, orders: PatchOrders) -> Course:
    """Returns what must be done on the node, once no installation is under way any more."""
    attached = machine.await_job()
    facts = machine.look()
    if unknown := why_unknown(facts):
        raise NotYet(unknown.text, hint=unknown.next_step)
    if facts.intent is None:
        return decide_course(facts, orders, None)
    standing = Standing(
        intent=facts.intent,
        is_begun=node.begun,
        is_attached=attached,
        is_ours=machine.work.is_ours,
        has_failed=machine.work.has_failed,
    )
    return decide_course(facts, orders, standing)


class _Patching:
    """This holds the acts of a patch. Each act continues from the state that the previous one left."""

    def __init__(
        self, machine: PatchMachine, node: NodePatch, orders: PatchOrders, course: Course, deeds: Deeds
    ) -> None:
        self._work, self._machine, self._node, self._orders = machine.work, machine, node, orders
        self._course, self._deeds = course, deeds
        self._facts, self._intent = course.facts, course.intent

    def take_over(self) -> None:
        """Takes over what an earlier attempt has left, so that it belongs to this run."""
        if self._intent is None:
            return
        self._work.unproven = True
        if self._course.mended:
            told = "; ".join(self._course.mended)
            log_about(self._work.name).warning("its packages changed after the failed run: %s", told)
        if self._course.is_taken_over:
            self._machine.note_intent(self._intent)

    def cordon_and_drain(self) -> None:
        """Cordons and drains the node. Everything that may refuse the patch comes before the cordon."""
        if problem := why_another_plan(self._course, self._node, self._orders):
            raise Refused(problem.text, hint=problem.next_step)
        if self._course.due and not self._course.repair:
            self._machine.fetch(self._facts.updates.manager, self._course.due)
        self._gate()
        self._begin()
        self._drain()

    def install(self) -> None:
        """Installs the packages as planned, and nothing else."""
        if not self._course.installs:
            return
        self._machine.install(self._facts.updates.manager, self._course.due, repair=self._course.repair)
        if problem := why_not_as_planned(self._glance()):
            raise CommandFailed(problem.text, hint=problem.next_step)

    def reboot_where_due(self) -> None:
        """Reboots the node if a reboot is due. The node must still be empty, and its disruption still allowed."""
        self._facts = self._glance()
        reason = why_reboot(self._orders.options.reboot, self._facts, ())
        if not reason:
            return
        log_about(self._work.name).info("reboot: %s", reason)
        self._deeds.reboot_reason = reason
        self._empty_again()
        self._gate()
        if self._node.control_plane:
            handle = self._work.handle
            handle.kube.prefer(*(name for name in handle.control_planes if name != self._work.name))
        self._promise()
        self._deeds.reboot = self._machine.reboot(self._facts.boot_of_patch)

    def prove(self, limit: timedelta) -> None:
        """Proves the packages and the boot first, then the Node object, its pods, etcd and the Service path."""
        options = self._orders.options
        self._facts = prove_machine(self._machine, self._intent, options.reboot, limit)
        prove_node(self._work, self._facts, options.stable_for, control_plane=self._node.control_plane)

    def record(self) -> NodePatched:
        """Keeps the record of the node, with the facts that the proof saw last."""
        return keep(
            self._work.handle, record_of(self._work, self._orders.run_id, self._facts, self._intent, self._deeds)
        )

    # --- what these are made of

    def _gate(self) -> None:
        """Waits for the gate before the cordon, and once more before the reboot."""
        if self._node.control_plane:
            facts = self._work.gate(allow_downtime=self._orders.options.allow_downtime, also=self._blockers)
            moved = lead_elsewhere(self._work.handle, facts, self._work.name)
            self._deeds.leader_moved_to = moved or self._deeds.leader_moved_to
        else:
            self._work.gate_of_worker(also=self._blockers)

    def _blockers(self) -> tuple[str, ...]:
        if self._orders.urgent:
            return ()
        return self._machine.find_blockers((self._work.name, *self._orders.ours))

    def _begin(self) -> None:
        """Records the intent before the cordon. A cordon of ours without an intent belongs to another runbook."""
        is_fresh = self._intent is None
        self._deeds.whole = is_fresh
        if is_fresh or self._course.installs:
            self._intent = intent_of(self._course, self._orders.run_id)
            self._machine.note_intent(self._intent, fresh=is_fresh, due=True)

    def _drain(self) -> None:
        self._work.cordon_and_drain(self._orders.reason, self._orders.options.drain)

    def _empty_again(self) -> None:
        """Checks that nobody has uncordoned the node, and that no pod is there that a drain would evict.

        Otherwise it drains the node once more.
        """
        name = self._work.name
        for _ in range(EMPTY_TRIES):
            found = self._machine.find_newcomers()
            if not found:
                return
            log_about(name).warning("drained again before its reboot: %s", "; ".join(found))
            self._deeds.drained_again = True
            self._drain()
        if found := self._machine.find_newcomers():
            raise Refused(
                f"{name}: not rebooted: {'; '.join(found)}", hint="ask who puts it back into service; then run it again"
            )

    def _promise(self) -> None:
        """Records which kernel the reboot must start, as far as the boot loader reports it.

        The proof reads this record on the node.
        """
        promised = self._facts.default_kernel
        if self._intent and promised != self._intent.promised_kernel:
            self._intent = self._intent.model_copy(update={"promised_kernel": promised})
            self._machine.note_intent(self._intent)

    def _glance(self) -> PatchFacts:
        """Returns the current facts of the node. Nothing is decided for a node that does not answer."""
        facts = as_of(self._machine.glance(), self._intent)
        if facts.unreached:
            raise NotYet(facts.unreached, hint="check its sshd and its network")
        return facts
