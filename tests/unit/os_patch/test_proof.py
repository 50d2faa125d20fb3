"""What a machine has to be after its patch, whether it needs a reboot, and what forbids to disturb a node."""

from typing import Any

import pytest

from tasks.os_patch.models.facts import PatchFacts
from tasks.os_patch.models.options import RebootRule
from tasks.os_patch.models.packages import Change, Updates
from tasks.os_patch.policy.proof import merged, what_delta_lacks, what_patch_lacks
from tasks.os_patch.policy.reboots import is_rebooted, why_after, why_pending, why_reboot
from tests.facts.patch import CLEAN, CURL, KERNEL, OPENSSL, intent, patch

NEEDED, NEVER, ALWAYS = RebootRule.NEEDED, RebootRule.NEVER, RebootRule.ALWAYS
NEWER = "6.1.0-27-amd64"
DONE = {"updates": CLEAN, "delta": (CURL, OPENSSL), "boot_id": "b2", "patched_boot": "b1"}


def after(**changes: Any) -> PatchFacts:  # noqa: ANN401 - any field
    """A machine that is as it has to be, after its reboot."""
    return patch("w1", **(DONE | changes))


def lacks(facts: PatchFacts, rule: RebootRule = NEEDED, kernel: str = "", **wanted: object) -> tuple[str, ...]:
    """Of what was promised."""
    wants = intent(promised_kernel=kernel, **wanted)
    return what_patch_lacks(facts.model_copy(update={"intent": wants}), wants, rule)


# --- proof


def test_a_machine_that_is_as_promised_lacks_nothing() -> None:
    """Degraded by what had failed before is as good as before."""
    assert lacks(after(), kernel="6.1.0-26-amd64") == ()
    assert lacks(after(system_state="degraded", failed_units=("a.service",)), failed_units=("a.service",)) == ()
    assert lacks(after(system_state="starting"), system_state="starting") == ()
    assert lacks(after(clock_synced=None), clock_synced=None) == ()
    assert lacks(after(clock_synced=False), clock_synced=False) == ()
    assert lacks(after(clock_synced=False), clock_synced=None) == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"unreached": "no route"}, "not reached: no route"),
        ({"updates": CLEAN.model_copy(update={"broken": ("curl",)})}, "curl is not wholly installed"),
        ({"system_state": "starting"}, "systemd says starting"),
        ({"system_state": ""}, "systemd says nothing"),
        ({"system_state": "maintenance"}, "systemd says maintenance"),
        ({"failed_units": ("new.service",), "system_state": "degraded"}, "new.service has failed, and had not before"),
        ({"clock_synced": False}, "its clock is no longer in sync"),
        ({"clock_synced": None}, "it no longer reports whether its clock is in sync"),
        ({"unseen": ("which units have failed: no bus",)}, "not known: which units have failed: no bus"),
        (
            {"kernel": "6.1.0-25-amd64"},
            "the boot loader had to start kernel 6.1.0-26-amd64, 6.1.0-25-amd64 runs",
        ),
        ({"reboot_required": True, "boot_id": "b1"}, "a reboot is pending: the system asks for a reboot"),
        (
            {"updates": Updates(protected={"kubelet": "1.36.9-1.1", "containerd": "1.6.20"})},
            "kubelet must not be touched: it was 1.36.3-1.1, and is 1.36.9-1.1",
        ),
        (
            {"updates": Updates(protected={"kubelet": "1.36.3-1.1"})},
            "containerd must not be touched: it was 1.6.20, and is not there",
        ),
        ({"delta": (CURL,)}, "openssl was not installed in 3.0.22"),
    ],
)
def test_each_thing_that_is_not_as_promised_is_told(changes: dict[str, Any], told: str) -> None:
    """And nothing else."""
    assert lacks(after(**changes), kernel="6.1.0-26-amd64") == (told,)


def test_a_reboot_that_nobody_wants_may_stay_pending() -> None:
    """With a rule that forbids it."""
    pending = after(boot_id="b1", reboot_required=True)
    assert lacks(pending, rule=NEVER) == ()
    assert lacks(pending) == ("a reboot is pending: the system asks for a reboot",)


def test_after_a_reboot_the_kernel_is_asked_for_that_the_boot_loader_was_to_start() -> None:
    """One that is pinned is as it was; where that was not known, none is asked for; what asks for a reboot again is reported."""
    old = after(newest_kernel="6.1.0-27-amd64")
    assert lacks(old, kernel="6.1.0-26-amd64") == ()
    assert lacks(old.model_copy(update={"default_kernel": ""})) == ()
    assert lacks(after(reboot_required=True)) == ()


@pytest.mark.parametrize(
    ("planned", "found", "told"),
    [
        ((), (), ()),
        ((CURL, OPENSSL), (OPENSSL, CURL), ()),
        ((CURL,), (), ("curl was not installed in 7.88.1-14",)),
        ((CURL,), (CURL.model_copy(update={"after": "8"}),), ("curl is 8, not 7.88.1-14",)),
        ((CURL,), (CURL.model_copy(update={"after": ""}),), ("curl is gone, not 7.88.1-14",)),
        ((), (CURL,), ("not planned: curl 7.88.1-10 to 7.88.1-14",)),
        ((), (Change(package="new", after="1"),), ("not planned: new 1 (new)",)),
        ((), (Change(package="old", before="1", after=""),), ("not planned: old is gone",)),
    ],
)
def test_what_was_installed_is_what_was_planned(
    planned: tuple[Change, ...], found: tuple[Change, ...], told: tuple[str, ...]
) -> None:
    """Not less, not more, and in these versions."""
    assert what_delta_lacks(planned, found) == told


def test_what_two_attempts_want_is_from_the_first_to_the_last_version() -> None:
    """A newer update may have come in between."""
    newer = Change(package="curl", before="7.88.1-14", after="7.88.1-15")
    found = merged((CURL, OPENSSL), (newer, KERNEL))
    assert [one.in_words for one in found] == [
        "curl 7.88.1-10 to 7.88.1-15",
        "openssl 3.0.20 to 3.0.22",
        "linux-image-6.1.0-27-amd64 6.1.115-1 (new)",
    ]


# --- reboots


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ()),
        ({"reboot_required": True}, ("the system asks for a reboot",)),
        (
            {"reboot_required": True, "reboot_packages": ("libc6", "dbus")},
            ("the system asks for a reboot, for libc6, dbus",),
        ),
        (
            {"newest_kernel": NEWER, "default_kernel": NEWER},
            ("kernel 6.1.0-26-amd64 runs, 6.1.0-27-amd64 is installed",),
        ),
        ({"newest_kernel": NEWER, "default_kernel": ""}, (f"kernel 6.1.0-26-amd64 runs, {NEWER} is installed",)),
        ({"newest_kernel": NEWER, "kernel_state": 3}, ()),  # the boot loader starts the one that runs
        ({"newest_kernel": NEWER, "default_kernel": "", "newest_was_there": True}, ()),
        (
            {"newest_kernel": NEWER, "default_kernel": NEWER, "newest_was_there": True},
            (f"kernel 6.1.0-26-amd64 runs, {NEWER} is installed",),
        ),
        ({"newest_kernel": NEWER, "reboot_required": True, "reboot_packages": (KERNEL.package, "linux-base")}, ()),
        (
            {"newest_kernel": NEWER, "reboot_required": True, "reboot_packages": (KERNEL.package, "libc6")},
            (f"the system asks for a reboot, for {KERNEL.package}, libc6",),
        ),
        ({"newest_kernel": NEWER, "reboot_required": True}, ("the system asks for a reboot",)),
        ({"newest_kernel": "", "kernel_state": 3}, ("needrestart says that another kernel is pending",)),
        ({"newest_kernel": "", "kernel_state": 2}, ("needrestart says that another kernel is pending",)),
        ({"newest_kernel": "", "kernel_state": 1}, ()),
        ({"newest_kernel": "", "kernel_state": 0}, ()),  # as in a container: it does not know
        (
            {"newest_kernel": NEWER, "default_kernel": NEWER, "kernel_state": 3},
            ("kernel 6.1.0-26-amd64 runs, 6.1.0-27-amd64 is installed",),
        ),
    ],
)
def test_a_pending_reboot_is_told_with_its_reason(changes: dict[str, Any], told: tuple[str, ...]) -> None:
    """Unknown is not "no", and not "yes" either: then what was installed decides."""
    assert why_pending(patch(**changes)) == told


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("openssl", "curl", "libc-bin", "dbus-x11", "systemd-timesyncd", "kernel-headers"), ""),
        (("libc6",), "libc6 takes effect with a reboot"),
        (("libc6:i386", "glibc.x86_64"), "libc6:i386, glibc.x86_64 take effect with a reboot"),
        (("linux-image-6.1.0-27-amd64", "intel-microcode"), "linux-image-6.1.0-27-amd64, intel-microcode take effect"),
        (
            ("kernel-core.x86_64", "kernel-default.x86_64", "systemd.noarch"),
            "kernel-core.x86_64, kernel-default.x86_64",
        ),
    ],
)
def test_some_packages_take_effect_with_a_reboot_only(names: tuple[str, ...], told: str) -> None:
    """Kernel, libc, systemd, D-Bus, microcode and firmware, whatever the distribution calls them."""
    said = why_after([Change(package=name, after="1") for name in names])
    assert said.startswith(told)
    assert bool(said) == bool(told)


@pytest.mark.parametrize(
    ("rule", "changes", "told"),
    [
        (NEEDED, {}, ""),
        (NEEDED, {"reboot_required": True}, "the system asks for a reboot"),
        (NEVER, {"reboot_required": True}, ""),
        (ALWAYS, {}, "a reboot was asked for"),
        (ALWAYS, {"intent": intent(), "boot_id": "b2"}, ""),  # it has booted since the run began
        (
            ALWAYS,
            {"intent": intent(), "patched_boot": "b2", "boot_id": "b2"},
            "a reboot was asked for",
        ),  # power cut in dpkg
        (
            NEEDED,
            {"intent": intent(changes=(KERNEL,)), "patched_boot": "b1"},
            "linux-image-6.1.0-27-amd64 takes effect",
        ),
        (NEEDED, {"intent": intent(changes=(KERNEL,)), "patched_boot": "b0"}, ""),
        (
            NEEDED,
            {"intent": intent(changes=(KERNEL,)), "patched_boot": "b1", "newest_kernel": NEWER},
            "",
        ),  # it is pinned
    ],
)
def test_no_machine_is_rebooted_twice(rule: RebootRule, changes: dict[str, Any], told: str) -> None:
    """The boot with which the packages were all there has to end, and no other."""
    facts = patch(**changes)
    said = why_reboot(rule, facts, ())
    assert said.startswith(told)
    assert bool(said) == bool(told)


def test_a_machine_has_rebooted_when_its_boot_is_another_one() -> None:
    """Of a run under way; without one nobody knows."""
    assert not is_rebooted(patch(boot_id="b2"))
    assert is_rebooted(patch(boot_id="b2", intent=intent()))
    assert not is_rebooted(patch(intent=intent()))
