"""Decides if a node needs a reboot, and why."""

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
"""Matches packages that take effect with a reboot.

They are those that dnf's needs-restarting names, also by their names in Debian and SUSE.
"""

_KERNEL = re.compile(
    r"^(linux-(image-.+|base)|kernel(-(core|modules|default|rt|rt-core))?)(\.(x86_64|aarch64|ppc64le|s390x|noarch)|:[a-z0-9]+)?$"
)

PENDING = frozenset({2, 3})
"""Lists the values of NEEDRESTART-KSTA for a pending kernel upgrade, of the same ABI or of another version."""


def why_pending(facts: PatchFacts) -> tuple[str, ...]:
    """Returns the reasons why a reboot is pending now.

    A reboot that would start the same kernel again does not count.
    """
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
    """Returns why a reboot does not start the newest installed kernel.

    It is empty if it does, or if that is not known. The boot loader decides if it reports its default kernel.
    Otherwise this boot decides: the kernel was installed, but another one was started.
    """
    newest, runs = facts.newest_kernel, facts.kernel
    if not newest or newest == runs:
        return ""
    if facts.default_kernel:
        told = f"kernel {runs} runs, {newest} is installed, and the boot loader starts {facts.default_kernel}"
        return told if facts.default_kernel != newest else ""
    return f"kernel {newest} was installed before this boot, which started {runs}" if facts.newest_was_there else ""


def is_kernel(change: Change) -> bool:
    """Returns True if the change is of a kernel package."""
    return bool(_KERNEL.match(change.package))


def why_after(changes: Sequence[Change]) -> str:
    """Returns which of the packages take effect only with a reboot. It is empty when none does."""
    names = [one.package for one in changes if _BY_REBOOT.match(one.package)]
    return f"{listed(names)} {'takes' if len(names) == 1 else 'take'} effect with a reboot" if names else ""


def why_reboot(rule: RebootRule, facts: PatchFacts, changes: Sequence[Change]) -> str:
    """Returns why a node will be rebooted, as far as it is known before. It is empty when there is no reason."""
    if rule is RebootRule.NEVER or is_rebooted(facts):
        return ""
    if rule is RebootRule.ALWAYS:
        return "a reboot was asked for"
    wanted = changes or (facts.intent.changes if facts.intent else ())
    if why_pinned(facts):
        wanted = tuple(one for one in wanted if not is_kernel(one))
    return "; ".join((*why_pending(facts), *filter(None, [why_after(wanted)])))


def is_rebooted(facts: PatchFacts) -> bool:
    """Returns True if the node has booted since a run in progress began there.

    A boot since that run's packages were complete also counts.
    """
    return bool(facts.boot_of_patch) and facts.boot_id != facts.boot_of_patch


def was_rebooted_by(run_id: str, facts: PatchFacts) -> bool:
    """Returns True if the run has rebooted the node, even if it could not record its end there.

    So a retry of the run does not reboot again.
    """
    given_back = facts.intent is not None and run_id in facts.intent.runs and is_rebooted(facts)
    return given_back or facts.last_run == run_id


def _of(packages: Sequence[str]) -> str:
    return f", for {listed(list(packages))}" if packages else ""
