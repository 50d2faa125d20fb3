"""What a machine says of its packages and of its last boot, and what its package manager would do."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from tasks.core.models.folders import PATCHES
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.packages import PROTECTED, Scope, Updates
from tasks.os_patch.probes import boot_menu
from tasks.os_patch.probes.packages import Preview, delta_of, parse_apt, parse_dnf, parse_zypper, without


def look(scope: Scope, protect: Sequence[str] = (), *, refresh: bool) -> str:
    """The question: all that a plan has to know. With `refresh` our own package lists are brought up to date first."""
    if scope is Scope.NONE:
        return glance(protect)
    names = (*PROTECTED, *protect)
    return script(__file__, "look", patches=PATCHES, protected=names, scope=scope, refresh=refresh)


def glance(protect: Sequence[str] = ()) -> str:
    """The part of it that a proof looks at: no package manager is asked what it would do."""
    return script(__file__, "glance", patches=PATCHES, protected=(*PROTECTED, *protect))


def parse(node: str, stdout: bytes, scope: Scope, protect: Sequence[str] = ()) -> PatchFacts:
    """What `look` or `glance` printed."""
    told = Printed.of(stdout)
    manager = PackageManager(told.one("manager"))
    preview = _preview(manager, told, scope, protect)
    newest = _newest_of_its_kind(told.all("newest_kernel"), told.one("kernel"))
    state = told.one("kernel_state")
    synced = told.one("synced")
    return PatchFacts(
        name=node,
        updates=Updates(
            manager=manager,
            changes=preview.changes,
            removals=preview.removals,
            kept_back=preview.kept_back,
            held=told.all("held"),
            broken=told.all("broken"),
            locked_by=told.one("locked"),
            problem=told.one("problem"),
            protected=dict(told.pairs("protected")),
        ),
        boot_id=told.one("boot"),
        kernel=told.one("kernel"),
        newest_kernel=newest,
        default_kernel=_default_kernel(told),
        newest_was_there=_is_older(dict(told.pairs("kernel_since")).get(newest, ""), told.one("booted")),
        kernel_state=int(state) if state.isdigit() else None,
        reboot_required=told.one("reboot_required") == "yes",
        reboot_packages=told.all("reboot_package"),
        system_state=told.one("state"),
        failed_units=told.all("failed"),
        clock_synced=synced == "yes" if synced in {"yes", "no"} else None,
        inhibitors=told.all("inhibitor"),
        delta=delta_of(told.pairs("was"), told.pairs("is")),
        intent=_intent(told.one("intent")),
        patched_boot=told.one("patched"),
        last_run=told.one("last"),
    )


def _newest_of_its_kind(kernels: Sequence[str], running: str) -> str:
    """Of the flavour that runs (amd64, cloud-amd64, ...) if there is one; the list is in the order of versions."""

    def words(kernel: str) -> list[str]:
        return re.findall("[a-z]+", kernel)

    alike = [kernel for kernel in kernels if words(kernel) == words(running)]
    return next(reversed(alike or kernels), "")


def _default_kernel(told: Printed) -> str:
    if not told.one("boot_menu"):
        return told.one("default_kernel")
    return boot_menu.default_kernel(
        _decoded(told.one("boot_menu")),
        chosen_once=told.one("boot_next_entry"),
        saved=told.one("boot_saved_entry"),
        installed=told.all("newest_kernel"),
    )


def _is_older(since: str, booted: str) -> bool:
    """Than the boot; what is not known is not."""
    return since.isdecimal() and booted.isdecimal() and int(since) < int(booted)


def _preview(manager: PackageManager, told: Printed, scope: Scope, protect: Iterable[str]) -> Preview:
    text, security = _decoded(told.one("preview")), scope is Scope.SECURITY
    if manager is PackageManager.NONE:
        return Preview()
    if manager is PackageManager.APT:
        found = parse_apt(text)
    elif manager is PackageManager.DNF:
        found = parse_dnf(text, dict(told.pairs("has")), security=security)
    else:
        found = parse_zypper(text, security=security)
    return without(found, (*PROTECTED, *protect))


def _intent(text: str) -> PatchIntent | None:
    """None when it cannot be read: then nobody knows what a run wanted, and the node is looked at anew."""
    try:
        return PatchIntent.model_validate_json(_decoded(text)) if text else None
    except ValidationError:
        return None


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode(errors="replace")
    except binascii.Error:
        return ""
