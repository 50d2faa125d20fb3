"""Patches of nodes: each task looks at what is there, so that a run that died is run again, and no machine boots twice.

What a run wants of a node is written down on the node itself before its first act: the packages, and the boot that a reboot
has to end. Whoever comes next reads it there.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.findings import listed
from tasks.core.retries import PATIENT
from tasks.drain.observe import what_came_back
from tasks.node_work.blockers import what_blocks_now
from tasks.node_work.gates import lead_elsewhere
from tasks.node_work.models.health import Expected
from tasks.node_work.waves import on_wave
from tasks.node_work.work import NodeWork, begin_node_work
from tasks.os_patch.models import (
    Change,
    NodePatch,
    NodePatched,
    PatchFacts,
    PatchIntent,
    PatchOrders,
    Rebooted,
    RebootRule,
    Waits,
    WavePatched,
)
from tasks.os_patch.observe import glance_at_patch, look_at_patch
from tasks.os_patch.policy.proof import merged, what_delta_lacks, what_patch_lacks
from tasks.os_patch.policy.reboots import is_rebooted, was_rebooted_by, why_pending, why_pinned, why_reboot
from tasks.os_patch.policy.scope import PATCH_JOBS
from tasks.os_patch.probes import patch
from tasks.os_patch.reboot import reboot
from tasks.os_patch.records import keep_record
from tasks.run.locks import Check

FETCH_LIMIT = timedelta(minutes=30)
INSTALL_LIMIT = timedelta(hours=1)
"""With up to ten minutes of waiting for another package manager."""

PROOF_LIMIT = timedelta(minutes=5)
"""For systemd to have started everything, and for a unit that is started again and again to settle."""

EMPTY_TRIES = 2
"""Drains of a node before its reboot is refused."""


@task(**PATIENT, task_run_name="patch-{node.name}")
def patch_node(cluster: str, node: NodePatch, orders: PatchOrders, check: Check) -> WavePatched:
    """One alone, as control plane nodes always are: quorum is counted before each act, and its failure ends the run."""
    return _patched(open_cluster(cluster), node, orders, check)


@task(**PATIENT, task_run_name="patch-wave")
def patch_wave(
    cluster: str, wave: tuple[NodePatch, ...], orders: PatchOrders, check: Check, failed_before: int
) -> WavePatched:
    """Workers at once. Those that fail stay cordoned; more of them than the error budget stop the run."""
    handle = open_cluster(cluster)
    mine = orders.model_copy(update={"ours": (*orders.ours, *(node.name for node in wave))})

    good, failed = on_wave(
        wave,
        lambda node: _patched(handle, node, mine, check),
        lambda node: node.name,
        failed_before=failed_before,
        budget=orders.options.waves.error_budget,
    )
    return WavePatched(
        nodes=tuple(node for end in good for node in end.nodes),
        waiting=tuple(wait for end in good for wait in end.waiting),
        failed=failed,
    )


def _patched(handle: Cluster, node: NodePatch, orders: PatchOrders, check: Check) -> WavePatched:
    """Nothing begins that would not end in time, also if others took longer than they were expected to."""
    if orders.until and (late := datetime.now(UTC) + node.needs - orders.until) > timedelta():
        reason = (
            f"it would end {late.total_seconds() / 60:.0f} min after {orders.until:%H:%M} UTC, when the window closes"
        )
        log_about(node.name).warning("it waits: %s", reason)
        return WavePatched(waiting=(Waits(node=node.name, reason=reason),))
    work = begin_node_work(handle, node.name, orders.runbook, orders.run_id, check)
    with work.left_as_it_should_be(patch.evidence()):
        done = _NodePatch(work, node, orders)
        done.do()
    return WavePatched(nodes=(done.record(),))


class _NodePatch:
    """The patch of one node: from what is there to the proof."""

    def __init__(self, work: NodeWork, node: NodePatch, orders: PatchOrders) -> None:
        self._work, self._node, self._orders, self._options = work, node, orders, orders.options
        self._at = datetime.now(UTC).replace(microsecond=0)
        self._moved = self._reboot_reason = ""
        work.ticket = orders.ticket
        self._attached = self._end_of_job()
        self._facts = self._look()
        self._held = self._facts.updates.held
        self._intent = self._facts.intent if self._goes_on() else None
        self._whole = False
        if self._intent:
            work.unproven = True
            self._go_on(self._intent)
        self._reboot: Rebooted | None = None
        self._drained_again = False

    def do(self) -> None:
        """What is done already is left out; a node that is as it has to be is proven and given back."""
        if self._is_disturbed():
            self._refuse_another_plan()
            self._download()
            self._gate()
            self._begin()
            self._work.cordon_and_drain(self._orders.reason, self._options.drain)
            self._install()
            self._reboot_where_due()
        self._prove()
        self.record()  # a run that dies right after the next line leaves nothing to do, and nobody who would keep it
        self._work.give_back()
        self._work.run(patch.end(self._orders.run_id))

    def record(self) -> NodePatched:
        """Kept beside the other records of the node. It is well, whatever becomes of its record: the report has it, too."""
        result, handle = self._result(), self._work.handle
        try:
            return result.model_copy(update={"record": keep_record(handle.store, handle.profile.name, result)})
        except RunbookError as error:
            log_about(result.node).warning("its record could not be kept: %s", error)
            return result

    def _result(self) -> NodePatched:
        """With the proof, as it was looked at last."""
        work, facts, intent = self._work, self._facts, self._wanted
        drained = work.drained
        return NodePatched(
            node=work.name,
            run_id=self._orders.run_id,
            at=self._at,
            changes=facts.delta,
            rebooted=is_rebooted(facts),
            reboot_reason=self._reboot_reason,
            reboot_pending=why_pending(facts),
            boot_before=intent.boot_id,
            boot_after=facts.boot_id,
            away=self._reboot.away if self._reboot else None,
            kernel_before=intent.kernel,
            kernel_after=facts.kernel,
            system_state=facts.system_state,
            failed_units=facts.failed_units,
            protected=facts.updates.protected,
            clock_synced=facts.clock_synced,
            held=self._held,
            evicted=drained.evicted if drained else (),
            waited_for=drained.waited_for if drained else (),
            leader_moved_to=self._moved,
            drained_again=self._drained_again,
            stays_cordoned=bool(drained and drained.cordoned_before),
            noticed=tuple(filter(None, (*work.noticed, why_pinned(facts)))),
            parts=tuple(work.parts),
            took=work.took,
            whole=self._whole,
        )

    # --- what is there

    def _end_of_job(self) -> bool:
        """The end of an installation that is under way is waited for, whatever becomes of it: then it is known what is left."""
        running = next((job for job in self._work.machine.jobs if job.startswith(PATCH_JOBS)), "")
        if running:
            with self._work.part("packages, begun before"):
                try:
                    self._work.attach(running, INSTALL_LIMIT)
                except CommandFailed as error:
                    log_about(self._work.name).warning("it ended badly, what is left is looked at: %s", error.problem)
        return bool(running)

    def _look(self) -> PatchFacts:
        facts = look_at_patch(self._work.handle, self._work.name, self._options, refresh=False)
        if facts.unreached:
            raise NotYet(facts.unreached, hint="look at its sshd and its network")
        if facts.updates.problem and not facts.updates.broken:
            raise NotYet(f"{facts.name}: {facts.updates.problem}", hint="look at its repositories")
        return facts

    def _goes_on(self) -> bool:
        """An earlier attempt has written down what it wants here, and has the node out of service."""
        intent = self._facts.intent
        if intent is None:
            return False
        again = self._orders.run_id in intent.runs and self._work.is_ours
        return self._node.begun or self._attached or again

    def _go_on(self, intent: PatchIntent) -> None:
        """This run's cordon is the patch's from now on, too."""
        if self._orders.run_id in intent.runs:
            return
        self._intent = intent.model_copy(update={"later": (*intent.later, self._orders.run_id)})
        if self._work.has_failed and not self._facts.updates.broken:
            self._intent = self._as_it_was_mended(self._intent)
        self._write(fresh=False, due=False)

    def _as_it_was_mended(self, intent: PatchIntent) -> PatchIntent:
        """The run before ended with its reason told: what a person has done about it since is taken as it is."""
        changes = merged(self._facts.delta, self._due)
        if changed := what_delta_lacks(intent.changes, changes):
            log_about(self._work.name).warning("its packages were changed since the failed run: %s", "; ".join(changed))
        return intent.model_copy(update={"changes": changes})

    def _write(self, *, fresh: bool, due: bool) -> None:
        self._work.run(patch.begin(fresh=fresh, due=due), stdin=self._wanted.model_dump_json().encode())

    @property
    def _known(self) -> PatchFacts:
        """What an old run has written down, that nobody has gone on with, says nothing."""
        return self._facts if self._intent else self._facts.model_copy(update={"intent": None, "patched_boot": ""})

    @property
    def _wanted(self) -> PatchIntent:
        if self._intent is None:
            return self._fresh_intent()
        return self._intent

    def _fresh_intent(self) -> PatchIntent:
        facts = self._facts
        return PatchIntent(
            run_id=self._orders.run_id,
            boot_id=facts.boot_id,
            changes=self._due,
            protected=facts.updates.protected,
            failed_units=facts.failed_units,
            clock_synced=facts.clock_synced,
            kernel=facts.kernel,
            system_state=facts.system_state,
        )

    @property
    def _due(self) -> tuple[Change, ...]:
        """What is left to install; where dpkg was cut off, all that was wanted is looked at again."""
        changes = self._facts.updates.changes
        return merged(self._intent.changes, changes) if self._intent and self._facts.updates.broken else changes

    @property
    def _repair(self) -> bool:
        return self._options.repair and bool(self._facts.updates.broken)

    def _is_disturbed(self) -> bool:
        reboot_due = why_reboot(self._options.reboot, self._known, self._due)
        asked_only = self._options.reboot is RebootRule.ALWAYS and was_rebooted_by(self._orders.run_id, self._facts)
        return bool(self._due or self._repair or (reboot_due and not asked_only))

    def _refuse_another_plan(self) -> None:
        if self._facts.updates.broken and not self._options.repair:
            raise Refused(
                f"{self._work.name}: not wholly installed: {', '.join(self._facts.updates.broken)}",
                hint="look at `dpkg --audit`; node_os_patch with options.repair=true ends it by `dpkg --configure -a`",
            )
        planned = {(one.package, one.after) for one in self._node.changes}
        if more := [one.in_words for one in self._due if (one.package, one.after) not in planned]:
            raise Refused(
                f"{self._work.name}: not in the plan, and would be installed now: {listed(more)}",
                hint="somebody has installed or released something there since; run it again, with a plan of what is there now",
            )

    # --- acts

    def _download(self) -> None:
        if self._due and not self._repair:
            with self._work.part("download"):
                manager, options = self._facts.updates.manager, self._options
                script = patch.fetch(manager, options.scope, self._protect, self._due)
                self._work.job(self._job("fetch"), script, FETCH_LIMIT, touches=False)

    def _gate(self) -> None:
        """Before the cordon, and once more before the reboot."""
        if self._node.control_plane:
            facts = self._work.gate(allow_downtime=self._options.allow_downtime, also=self._blockers)
            self._moved = lead_elsewhere(self._work.handle, facts, self._work.name) or self._moved
        else:
            self._work.gate_of_worker(also=self._blockers)

    def _blockers(self) -> tuple[str, ...]:
        if self._orders.urgent:
            return ()
        ours = (self._work.name, *self._orders.ours)
        return what_blocks_now(self._work.handle, ours, allow_cordoned=self._options.allow_cordoned)

    def _begin(self) -> None:
        """Before the cordon: a cordon of ours without it is of another runbook."""
        if self._intent is None:
            self._whole = True
            self._intent = self._fresh_intent()
            self._write(fresh=True, due=True)
        elif self._due or self._repair:
            self._intent = self._intent.model_copy(update={"changes": merged(self._intent.changes, self._due)})
            self._write(fresh=False, due=True)

    def _install(self) -> None:
        """As planned, and nothing else: what came is compared with the plan before anything else happens."""
        if not self._due and not self._repair:
            return
        with self._work.part("packages"):
            script = patch.install(
                self._facts.updates.manager, self._options.scope, self._protect, self._due, repair=self._repair
            )
            self._work.job(self._job("patch"), script, INSTALL_LIMIT)
        facts = self._seen()
        wrong = [*what_delta_lacks(self._wanted.changes, facts.delta), *self._touched(facts)]
        wrong += [f"{name} is not wholly installed" for name in facts.updates.broken]
        if wrong:
            raise CommandFailed(
                f"{self._work.name}: what was installed is not what was planned: {'; '.join(wrong)}",
                hint="look at /var/log/dpkg.log there; it is not rebooted",
            )

    def _touched(self, facts: PatchFacts) -> list[str]:
        before, now = self._wanted.protected, facts.updates.protected
        return [
            f"{name} was {version}, and is {now.get(name, 'gone')}"
            for name, version in before.items()
            if now.get(name) != version
        ]

    def _reboot_where_due(self) -> None:
        handle = self._work.handle
        self._facts = self._seen()
        reason = why_reboot(self._options.reboot, self._facts, ())
        if not reason:
            return
        log_about(self._work.name).info("reboot: %s", reason)
        self._reboot_reason = reason
        self._empty_again()
        self._gate()
        if self._node.control_plane:
            handle.kube.prefer(*(name for name in handle.control_planes if name != self._work.name))
        self._promise()
        self._reboot = reboot(self._work, self._facts.boot_of_patch, self._options.come_back)

    def _promise(self) -> None:
        """Which kernel the reboot is to bring, as far as the boot loader says: whoever proves it reads it on the node."""
        promised = self._facts.default_kernel
        if self._intent and promised != self._intent.promised_kernel:
            self._intent = self._intent.model_copy(update={"promised_kernel": promised})
            self._write(fresh=False, due=False)

    def _empty_again(self) -> None:
        """Nobody has uncordoned it since, and nothing that a drain would evict is there: or else it is drained once more."""
        handle, name = self._work.handle, self._work.name
        for _ in range(EMPTY_TRIES):
            found = what_came_back(handle.kube, name, self._options.drain)
            if not found:
                return
            log_about(name).warning("drained again before its reboot: %s", "; ".join(found))
            self._drained_again = True
            self._work.cordon_and_drain(self._orders.reason, self._options.drain)
        if found := what_came_back(handle.kube, name, self._options.drain):
            raise Refused(
                f"{name}: not rebooted: {'; '.join(found)}", hint="ask who puts it back into service; then run it again"
            )

    # --- proof

    def _prove(self) -> None:
        """The machine first, then the node in the API, its pods, etcd and the Service path."""
        with self._work.part("machine"):
            self._facts = self._proven_machine()
        version = self._work.machine.static_pod("kube-apiserver") if self._node.control_plane else None
        rebooted = is_rebooted(self._facts)
        self._work.prove(
            Expected(
                kubelet=self._work.machine.kubelet,
                since=self._work.now(),
                control_plane=version.version if version else "",
                stable_for=self._options.settle,
                boot_id=self._facts.boot_of_patch if rebooted else "",
                promised=False,
            )
        )

    def _proven_machine(self) -> PatchFacts:
        def look() -> PatchFacts:
            self._work.check()
            facts = self._glance()
            if self._intent is None:  # nothing was wanted of it: it is as it was
                return facts
            if wrong := what_patch_lacks(facts, self._intent, self._options.reboot):
                raise NotYet("; ".join(wrong))
            return facts

        try:
            return wait_for(look, PROOF_LIMIT)
        except NotYet as error:
            raise CommandFailed(
                f"{self._work.name}: not as it was promised {PROOF_LIMIT.total_seconds() / 60:.0f} min after its patch: {error.problem}",
                hint="look at it (`systemctl --failed`, `dpkg --audit`, its boot loader); then run it again: it is proven and uncordoned",
            ) from error

    def _seen(self) -> PatchFacts:
        """As it is now; nothing is decided of a machine that does not say."""
        facts = self._glance()
        if facts.unreached:
            raise NotYet(facts.unreached, hint="look at its sshd and its network")
        return facts

    def _glance(self) -> PatchFacts:
        facts = glance_at_patch(self._work.handle, self._work.name, self._options)
        if self._intent is None:
            return facts.model_copy(update={"intent": None, "patched_boot": "", "delta": ()})
        return facts if facts.unreached else facts.model_copy(update={"intent": self._intent})

    # --- words

    @property
    def _protect(self) -> tuple[str, ...]:
        return self._work.handle.profile.maintenance.protect

    def _job(self, what: str) -> str:
        """The same packages are the same job."""
        lines = "\n".join(sorted(f"{one.package} {one.after}" for one in self._due))
        return f"{what}-{hashlib.sha256(lines.encode()).hexdigest()[:8]}"
