"""A node is after its patch as it was promised: the machine, and then the node in the API."""

from datetime import timedelta

from tasks.core.at_once import wait_for
from tasks.core.errors import CommandFailed, NotYet
from tasks.node_work.models.health import Expected
from tasks.node_work.work import NodeWork
from tasks.os_patch.machine import PatchMachine
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.options import RebootRule
from tasks.os_patch.policy.intent import as_of
from tasks.os_patch.policy.proof import what_patch_lacks
from tasks.os_patch.policy.reboots import is_rebooted

PROOF_LIMIT = timedelta(minutes=5)
"""For systemd to have started everything, and for a unit that is started again and again to settle."""


def prove_machine(machine: PatchMachine, intent: PatchIntent | None, rule: RebootRule, limit: timedelta) -> PatchFacts:
    """What it says once it is as promised. Where nothing was wanted of it, it is as it was.

    Raises:
        CommandFailed: it is not so within the limit.
    """
    work = machine.work

    def look() -> PatchFacts:
        work.check()
        facts = as_of(machine.glance(), intent)
        if intent and (wrong := what_patch_lacks(facts, intent, rule)):
            raise NotYet("; ".join(wrong))
        return facts

    with work.part("machine"):
        try:
            return wait_for(look, limit)
        except NotYet as error:
            raise CommandFailed(
                f"{work.name}: not as it was promised {limit.total_seconds() / 60:.0f} min after its patch: {error.problem}",
                hint="look at it (`systemctl --failed`, `dpkg --audit`, its boot loader); then run it again: it is proven and uncordoned",
            ) from error


def prove_node(work: NodeWork, facts: PatchFacts, settle: timedelta, *, control_plane: bool) -> None:
    """In the API, with its pods, etcd and the Service path."""
    version = work.machine.static_pod("kube-apiserver") if control_plane else None
    work.prove(
        Expected(
            kubelet=work.machine.kubelet,
            since=work.now(),
            control_plane=version.version if version else "",
            stable_for=settle,
            boot_id=facts.boot_of_patch if is_rebooted(facts) else "",
            promised=False,
        )
    )
