"""Proves that a node is as promised after its patch: the packages and the boot first, then the Node object."""

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
"""Limits the wait until systemd has started everything, and until a unit that restarts repeatedly is stable."""


def prove_machine(machine: PatchMachine, intent: PatchIntent | None, rule: RebootRule, limit: timedelta) -> PatchFacts:
    """Returns what the node reports once it is as promised. Without an intent, any state is accepted.

    Raises:
        CommandFailed: the node is not as promised within the limit.
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
            return wait_for(look, limit, what="the node to be as expected after its patch", about=work.name)
        except NotYet as error:
            raise CommandFailed(
                f"{work.name}: not as expected after its patch: {error.problem}",
                hint="check `systemctl --failed`, `dpkg --audit` and its boot loader; then run it again: it proves and uncordons the node",
            ) from error


def prove_node(work: NodeWork, facts: PatchFacts, stable_for: timedelta, *, control_plane: bool) -> None:
    """Proves the Node object in the API, with its pods, etcd and the Service path."""
    version = work.machine.static_pod("kube-apiserver") if control_plane else None
    work.prove(
        Expected(
            kubelet=work.machine.kubelet,
            since=work.now(),
            control_plane=version.version if version else "",
            stable_for=stable_for,
            boot_id=facts.boot_of_patch if is_rebooted(facts) else "",
            promised=False,
        )
    )
