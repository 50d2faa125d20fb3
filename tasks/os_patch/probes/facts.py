"""Asks what a node reports about its packages and its last boot, and what its package manager would do."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from tasks.core.models.folders import PATCHES
from tasks.core.probes.inhibitors import who_blocks
from tasks.core.probes.printed import Printed
from tasks.core.shell import script
from tasks.nodes.models.nodes import PackageManager
from tasks.nodes.probes.sources import TIMED_OUT, last_words
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.packages import PROTECTED, Scope, Updates
from tasks.os_patch.probes import boot_menu
from tasks.os_patch.probes.packages import Preview, delta_of, parse_apt, parse_dnf, parse_zypper, without


def look(scope: Scope, protect: Sequence[str] = (), *, refresh: bool) -> str:
    """Returns the script that asks for everything a plan needs.

    With `refresh`, our own package lists are updated first.
    """
    if scope is Scope.NONE:
        return glance(protect)
    names = (*PROTECTED, *protect)
    return script(__file__, "look", patches=PATCHES, protected=names, scope=scope, refresh=refresh)


def glance(protect: Sequence[str] = ()) -> str:
    """Returns the script for the facts that a proof needs. It asks no package manager what it would do."""
    return script(__file__, "glance", patches=PATCHES, protected=(*PROTECTED, *protect))


def parse(node: str, stdout: bytes, scope: Scope, protect: Sequence[str] = ()) -> PatchFacts:
    """Parses the output of `look` or `glance`."""
    told = Printed.of(stdout)
    manager = PackageManager(told.one("manager"))
    preview = _preview(manager, told, scope)
    unread = _why_unread(manager, told, preview)
    preview = without(preview, (*PROTECTED, *protect))
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
            problem="; ".join((*_unanswered(told), *filter(None, [unread]))),
            protected=dict(told.pairs("protected")),
        ),
        boot_id=told.one("boot"),
        kernel=told.one("kernel"),
        newest_kernel=newest,
        default_kernel=_default_kernel(told),
        newest_was_there=_is_older(dict(told.pairs("kernel_since")).get(newest, ""), told.one("booted")),
        kernel_state=int(state) if state.isdigit() else None,
        reboot_required=told.one("reboot_required") == "yes",
        reboot_unknown=told.one("reboot_unknown"),
        reboot_packages=told.all("reboot_package"),
        system_state=told.one("state"),
        failed_units=told.all("failed"),
        unseen=(*told.all("unseen"), *_damaged(told)),
        clock_synced=synced == "yes" if synced in {"yes", "no"} else None,
        inhibitors=who_blocks(told.one("inhibitors")),
        delta=delta_of(told.pairs("was"), told.pairs("is")),
        intent=_intent(told.one("intent")),
        patched_boot=told.one("patched"),
        last_run=told.one("last"),
    )


def _newest_of_its_kind(kernels: Sequence[str], running: str) -> str:
    """Returns the newest kernel of the running flavour (amd64, cloud-amd64, ...).

    If there is none, it returns the newest of all. The list is sorted by version.
    """

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
    """Returns True if the time is before the boot. An unknown time is not."""
    return since.isdecimal() and booted.isdecimal() and int(since) < int(booted)


def _preview(manager: PackageManager, told: Printed, scope: Scope) -> Preview:
    text, security = _decoded(told.one("preview")), scope is Scope.SECURITY
    if manager is PackageManager.NONE:
        return Preview()
    if manager is PackageManager.APT:
        return parse_apt(text)
    if manager is PackageManager.DNF:
        return parse_dnf(text, dict(told.pairs("has")), security=security)
    return parse_zypper(text, security=security)


INFORMS = 100
"""This is the lowest exit status of zypper that only informs and is no failure."""


def _why_unread(manager: PackageManager, told: Printed, preview: Preview) -> str:
    """Returns why the preview is not known.

    No updates and a failed query look the same: dnf exits with 1 for an error, and for a table that nobody
    confirmed.
    """
    status = told.one("previewed")
    if status == "" or preview.changes or preview.removals:
        return ""
    has_failed = status != "0"
    if manager is PackageManager.ZYPPER:
        informs = status.isdecimal() and int(status) >= INFORMS
        has_failed = (has_failed and not informs) or "<stream" not in _decoded(told.one("preview"))
    if not has_failed:
        return ""
    return f"{manager} does not say what it would do: {last_words(told.one('preview')) or f'it ended with status {status}'}"


def _unanswered(told: Printed) -> Iterator[str]:
    """Yields each query without an answer, with the reason."""
    for status, rest in told.pairs("unanswered"):
        text, _, asked = rest.partition(" ")
        words = last_words(text)
        if status == str(TIMED_OUT):
            yield f"{asked}: no answer in time{f' ({words})' if words else ''}"
        else:
            yield f"{asked}: {words or f'it ended with status {status}'}"


def _intent(text: str) -> PatchIntent | None:
    """Returns the intent, or `None` if there is none or it cannot be parsed (`_damaged`)."""
    try:
        return PatchIntent.model_validate_json(_decoded(text)) if text else None
    except ValidationError:
        return None


def _damaged(told: Printed) -> Iterator[str]:
    """Yields the problem of an intent that cannot be parsed.

    A run may have been interrupted there, and nobody knows what it wanted.
    """
    if told.all("intent") and _intent(told.one("intent")) is None:
        file = f"{PATCHES}/intent"
        yield f"what a run wanted there, for {file} is damaged; once its packages are as they should be, remove it"


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode(errors="replace")
    except binascii.Error:
        return ""
