"""Whether a machine needs a reboot, and why."""

import re
from collections.abc import Sequence

from tasks.core.models.findings import listed
from tasks.os_patch.models.facts import PatchFacts
from tasks.os_patch.models.options import RebootRule
from tasks.os_patch.models.packages import Change

_BY_REBOOT = re.compile(
    r"^(linux-image-.+|kernel|kernel-(core|default|rt|rt-core)|libc6|glibc|systemd|dbus|dbus-broker|dbus-daemon"
    r"|(intel|amd64)-microcode|microcode_ctl|ucode-(intel|amd)|linux-firmware|kernel-firmware.*)"
    r"(\.(x86_64|aarch64|ppc64le|s390x|noarch)|:[a-z0-9]+)?$"
)
"""Packages that take effect with a reboot: those that dnf's needs-restarting names, by their names in Debian and SUSE too."""

_KERNEL = re.compile(
    r"^(linux-(image-.+|base)|kernel(-(core|modules|default|rt|rt-core))?)(\.(x86_64|aarch64|ppc64le|s390x|noarch)|:[a-z0-9]+)?$"
)

PENDING = frozenset({2, 3})
"""NEEDRESTART-KSTA: an upgrade of the kernel is pending, of the same ABI or of another version."""


def why_pending(facts: PatchFacts) -> tuple[str, ...]:
    """What says that a reboot is pending now. One that would start the same kernel again is none."""
    told = []
    pinned = why_pinned(facts)
    for_kernel_only = bool(facts.reboot_packages) and all(map(_KERNEL.match, facts.reboot_packages))
    if facts.reboot_required and not (pinned and for_kernel_only):
        told.append(f"the system asks for a reboot{_of(facts.reboot_packages)}")
    if pinned:
        return tuple(told)
    if facts.newest_kernel and facts.kernel != facts.newest_kernel:
        told.append(f"kernel {facts.kernel} runs, {facts.newest_kernel} is installed")
    elif facts.kernel_state in PENDING:
        told.append("needrestart says that another kernel is pending")
    return tuple(told)


def why_pinned(facts: PatchFacts) -> str:
    """Why a reboot does not bring the newest kernel that is installed; empty where it does, or where nobody knows.

    By the boot loader, if it says which one it starts; else by what this boot did: the kernel was there, and was not started.
    """
    newest, runs = facts.newest_kernel, facts.kernel
    if not newest or newest == runs:
        return ""
    if facts.default_kernel:
        told = f"kernel {runs} runs, {newest} is installed, and the boot loader starts {facts.default_kernel}"
        return told if facts.default_kernel != newest else ""
    return f"kernel {newest} was installed before this boot, which started {runs}" if facts.newest_was_there else ""


def is_kernel(change: Change) -> bool:
    """The package of a kernel."""
    return bool(_KERNEL.match(change.package))


def why_after(changes: Sequence[Change]) -> str:
    """Which of the packages take effect with a reboot only; empty when none does."""
    names = [one.package for one in changes if _BY_REBOOT.match(one.package)]
    return f"{listed(names)} {'takes' if len(names) == 1 else 'take'} effect with a reboot" if names else ""


def why_reboot(rule: RebootRule, facts: PatchFacts, changes: Sequence[Change]) -> str:
    """Why a node will be rebooted, as far as it is known before; empty when nothing says so."""
    if rule is RebootRule.NEVER or is_rebooted(facts):
        return ""
    if rule is RebootRule.ALWAYS:
        return "options.reboot=always"
    wanted = changes or (facts.intent.changes if facts.intent else ())
    if why_pinned(facts):
        wanted = tuple(one for one in wanted if not is_kernel(one))
    return "; ".join((*why_pending(facts), *filter(None, [why_after(wanted)])))


def is_rebooted(facts: PatchFacts) -> bool:
    """It has booted since a run under way began with it, or since the packages of that run were all there."""
    return bool(facts.boot_of_patch) and facts.boot_id != facts.boot_of_patch


def was_rebooted_by(run_id: str, facts: PatchFacts) -> bool:
    """A run has done so, whether or not it came to note its end here: a retry of it does not do it again."""
    given_back = facts.intent is not None and run_id in facts.intent.runs and is_rebooted(facts)
    return given_back or facts.last_run == run_id


def _of(packages: Sequence[str]) -> str:
    return f", for {listed(list(packages))}" if packages else ""
