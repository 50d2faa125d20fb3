"""The acts of a patch, run for real on a machine in a folder: cut off at any command they come to the same end."""

import base64
import subprocess
from pathlib import Path

import pytest

from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch import scripts
from tasks.os_patch.models.facts import PatchFacts, PatchIntent
from tasks.os_patch.models.packages import PROTECTED, Change, Scope
from tasks.os_patch.probes import facts as probe
from tasks.os_patch.probes.evidence import evidence
from tests.facts.patch import words
from tests.facts.patch_machine import ShellMachine, inhibitors

CHANGES = (Change(package="b", before="1", after="2"), Change(package="a", after="1"))
INTENT = PatchIntent(run_id="run-1", boot_id="b1", changes=CHANGES)
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
FRESH = scripts.note_intent(fresh=True, due=True)
AGAIN = scripts.note_intent(fresh=False, due=False)
FETCH = scripts.fetch(PackageManager.APT, Scope.SECURITY, ["nvidia-driver"], CHANGES)
INSTALL = scripts.install(PackageManager.APT, Scope.SECURITY, ["nvidia-driver"], CHANGES, repair=False)
REPAIR = scripts.install(PackageManager.APT, Scope.SECURITY, (), CHANGES, repair=True)
WANTED = INTENT.model_dump_json().encode()
CUT = -9
ALL = {"a 1", "b 2", "kubelet 1"}


@pytest.fixture
def machine(tmp_path: Path) -> ShellMachine:
    """With apt."""
    return ShellMachine(tmp_path)


def facts_of(machine: ShellMachine) -> PatchFacts:
    """As a proof reads them."""
    return probe.parse("w1", machine.shell(probe.glance()).stdout, Scope.ALL)


# --- apt


def test_apt_installs_what_is_planned_and_nothing_else(machine: ShellMachine) -> None:
    """Configuration files kept, nothing removed, no service restarted by needrestart, another one's lock waited for."""
    assert machine.shell(FRESH, WANTED).returncode == 0
    done = machine.shell(INSTALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.installed() == ALL
    assert machine.noted()["patched"] == f"{BOOT}\n"
    simulated, installed, cleaned = machine.read("calls").splitlines()
    assert simulated.endswith("--no-remove --with-new-pkgs --simulate upgrade")
    for option in (
        "apt-get noninteractive 1",
        "-o Dpkg::Options::=--force-confdef",
        "-o Dpkg::Options::=--force-confold",
        "-o DPkg::Lock::Timeout=600",
        f"-o Dir::State::Lists={machine.patches}/lists",
        f"--no-remove --with-new-pkgs -o DPkg::Pre-Invoke::=: > {machine.patches}/dpkg-began upgrade",
    ):
        assert option in installed
    assert cleaned.endswith(" clean")
    facts = facts_of(machine)
    assert words(facts.delta) == ["a 1 (new)", "b 1 to 2"]
    assert (facts.intent, facts.patched_boot, facts.updates.protected) == (INTENT, BOOT, {"kubelet": "1"})


@pytest.mark.parametrize("commands", range(1, 9))
def test_cut_off_at_any_command_it_comes_to_the_same_end(machine: ShellMachine, commands: int) -> None:
    """And where it says with which boot all packages were there, they are all there."""
    machine.shell(FRESH, WANTED)
    assert machine.shell(INSTALL, commands=commands).returncode == CUT
    if "patched" in machine.noted():
        assert machine.installed() == ALL
    done = machine.shell(INSTALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (machine.installed(), machine.noted()["patched"]) == (ALL, f"{BOOT}\n")
    assert words(facts_of(machine).delta) == ["a 1 (new)", "b 1 to 2"]


def test_cut_off_between_two_packages_the_rest_is_installed(machine: ShellMachine) -> None:
    """What came before the cut is known; with which boot all were there is not said yet."""
    machine.shell(FRESH, WANTED)
    machine.write("cut", "")
    assert machine.shell(INSTALL).returncode == CUT
    assert machine.installed() == {"a 1", "b 1", "kubelet 1"}
    assert (words(facts_of(machine).delta), facts_of(machine).patched_boot) == (["a 1 (new)"], "")
    assert machine.shell(INSTALL).returncode == 0
    assert words(facts_of(machine).delta) == ["a 1 (new)", "b 1 to 2"]


def test_what_is_not_in_the_plan_is_not_installed(machine: ShellMachine) -> None:
    """A newer version, and a package that would go."""
    machine.write("offered", "a 1\nb 3\n")
    for script in (FETCH, INSTALL):
        done = machine.shell(script)
        assert (done.returncode, done.stdout) == (1, b"not in the plan: b 3\n")
    assert machine.installed() == {"b 1", "kubelet 1"}
    assert "patched" not in machine.noted()


def test_a_simulation_that_fails_is_told(machine: ShellMachine) -> None:
    """In apt's words."""
    machine.write("apt-says", "E: Unmet dependencies\n")
    assert machine.shell(INSTALL).stdout == b"E: Unmet dependencies\n"


@pytest.mark.parametrize(
    ("script", "said", "dpkg", "status"),
    [
        (INSTALL, "E: Could not get lock /var/lib/dpkg/lock-frontend", False, 75),
        (INSTALL, "E: Konnte die Sperre nicht bekommen", False, 75),
        (INSTALL, "E: Sub-process /usr/bin/dpkg returned an error code (1)", True, 1),
        (INSTALL, "a maintainer script: E: Could not get lock of its own", True, 1),
        (FETCH, "E: Failed to fetch", False, 75),
    ],
)
def test_another_package_manager_and_a_repository_may_be_tried_again(
    machine: ShellMachine, script: str, said: str, status: int, *, dpkg: bool
) -> None:
    """What dpkg has begun with may not, whatever apt's words are; they are kept for the evidence."""
    calls = 'for word; do case "$word" in DPkg::Pre-Invoke::=*) sh -c "${word#*::=}" ;; esac; done; ' if dpkg else ""
    fails = f'case "$*" in *--simulate*) ;; *) {calls}echo "{said}"; exit 100 ;; esac'
    machine.insert("apt-get", fails)
    done = machine.shell(script)
    assert (done.returncode, done.stdout.decode().strip()) == (status, said)
    assert "patched" not in machine.noted()
    assert said in machine.shell(evidence()).stdout.decode()


def test_a_fetch_changes_nothing_that_is_installed(machine: ShellMachine) -> None:
    """Protected packages, and those of the profile, are named in apt's preferences of these calls."""
    assert machine.shell(FETCH).returncode == 0
    assert "--no-remove --with-new-pkgs --download-only -o" in machine.read("calls")
    assert machine.installed() == {"b 1", "kubelet 1"}
    assert "patched" not in machine.noted()
    assert (machine.patches / "planned").read_text() == "a 1\nb 2\n"
    preferences = (machine.patches / "preferences").read_text()
    names = " ".join((*PROTECTED, "nvidia-driver"))
    assert f"Package: {names}\nPin: release *\nPin-Priority: -1" in preferences
    assert "Package: *\nPin: release l=*-Security\nPin-Priority: 500" in preferences
    machine.shell(scripts.fetch(PackageManager.APT, Scope.ALL, (), CHANGES))
    assert "l=*-Security" not in (machine.patches / "preferences").read_text()


def test_the_systems_own_preferences_hold_too(machine: ShellMachine) -> None:
    """They are in front of ours."""
    (machine.root / "etc" / "apt").mkdir(parents=True)
    machine.write("etc/apt/preferences", "Package: x\n")
    machine.shell(FETCH)
    assert (machine.patches / "preferences").read_text().startswith("Package: x\n\nPackage: kubelet ")


@pytest.mark.parametrize("fails", [False, True])
def test_what_dpkg_was_cut_off_in_is_ended_first(machine: ShellMachine, *, fails: bool) -> None:
    """What cannot be configured is installed anew by apt."""
    if fails:
        machine.write("dpkg-fails", "")
    done = machine.shell(REPAIR)
    assert done.returncode == 0
    assert machine.read("calls").startswith("dpkg --force-confdef --force-confold --configure -a\n")
    assert (b"not all packages could be configured" in done.stdout) is fails
    assert machine.installed() == ALL


# --- others: not proven end to end


@pytest.mark.parametrize(("scope", "last"), [(Scope.SECURITY, " upgrade --security"), (Scope.ALL, " upgrade")])
def test_dnf_leaves_out_what_is_protected(tmp_path: Path, scope: Scope, last: str) -> None:
    """It downloads when it installs."""
    machine = ShellMachine(tmp_path, manager="dnf")
    assert machine.shell(scripts.fetch(PackageManager.DNF, scope, (), CHANGES)).returncode == 0
    assert machine.read("calls") == ""
    script = scripts.install(PackageManager.DNF, scope, ["nvidia-driver"], CHANGES, repair=False)
    assert machine.shell(script).returncode == 0
    excluded = " ".join(f"--exclude={name}" for name in (*PROTECTED, "nvidia-driver"))
    assert machine.read("calls") == f"dnf -y {excluded}{last}\n"
    assert machine.noted() == {"patched": f"{BOOT}\n"}
    (machine.patches / "patched").unlink()
    machine.write("dnf-ends", "1")
    assert machine.shell(script).returncode == 1
    assert machine.noted() == {}


@pytest.mark.parametrize(("ends", "status"), [(0, 0), (102, 0), (103, 0), (104, 104)])
def test_zypper_installs_these_very_versions(tmp_path: Path, ends: int, status: int) -> None:
    """It may suggest a reboot."""
    machine = ShellMachine(tmp_path, manager="zypper")
    machine.write("zypper-ends", str(ends))
    done = machine.shell(scripts.install(PackageManager.ZYPPER, Scope.ALL, (), CHANGES, repair=False))
    assert done.returncode == status
    assert machine.read("calls") == "zypper --non-interactive --no-refresh install --no-recommends a=1 b=2\n"
    assert ("patched" in machine.noted()) is (status == 0)


def test_nothing_is_installed_where_there_is_no_package_manager(machine: ShellMachine) -> None:
    """It says so."""
    done = machine.shell(scripts.install(PackageManager.NONE, Scope.ALL, (), (), repair=False))
    assert (done.returncode, done.stdout) == (1, b"there is no package manager\n")


# --- what a run writes down


def test_a_run_that_goes_on_keeps_the_list_of_before(machine: ShellMachine) -> None:
    """A fresh one makes it; what a run wants comes by standard input, for it may be long."""
    machine.shell(FRESH, WANTED)
    assert machine.noted() == {"intent": WANTED.decode(), "before": "b 1\nkubelet 1\n"}
    machine.shell(INSTALL)
    later = INTENT.model_copy(update={"later": ("run-2",)}).model_dump_json().encode()
    machine.shell(AGAIN, later)
    assert machine.noted() == {"intent": later.decode(), "before": "b 1\nkubelet 1\n", "patched": f"{BOOT}\n"}
    machine.shell(scripts.note_intent(fresh=False, due=True), later)
    assert machine.noted() == {"intent": later.decode(), "before": "b 1\nkubelet 1\n"}
    machine.shell(scripts.note_end("run-2"))
    assert machine.noted() == {"last": "run-2\n"}
    assert facts_of(machine).last_run == "run-2"
    assert (machine.patches / "intent").exists() is False
    encoded = base64.b64encode(WANTED).decode()
    assert probe.parse("w1", f"intent {encoded}\n".encode(), Scope.ALL).intent == INTENT


@pytest.mark.parametrize("commands", range(1, 9))
def test_an_intent_is_there_or_not_and_never_half(machine: ShellMachine, commands: int) -> None:
    """Its list of packages is there before it is."""
    assert machine.shell(FRESH, WANTED, commands=commands).returncode == CUT
    noted = machine.noted()
    if "intent" in noted:
        assert noted == {"intent": WANTED.decode(), "before": "b 1\nkubelet 1\n"}
    assert machine.shell(FRESH, WANTED).returncode == 0
    assert machine.noted() == {"intent": WANTED.decode(), "before": "b 1\nkubelet 1\n"}


@pytest.mark.parametrize("commands", range(1, 4))
def test_an_end_that_is_cut_off_is_noted_again(machine: ShellMachine, commands: int) -> None:
    """Nothing of the run is left after it."""
    machine.shell(FRESH, WANTED)
    assert machine.shell(scripts.note_end("run-1"), commands=commands).returncode == CUT
    assert machine.shell(scripts.note_end("run-1")).returncode == 0
    assert machine.noted() == {"last": "run-1\n"}


# --- reboot

ORDER = "systemd-run --quiet --collect --unit=kube-runbooks-reboot --on-active=1"


def ordered(machine: ShellMachine) -> subprocess.CompletedProcess[bytes]:
    """The order to reboot, once who blocks a shutdown was judged."""
    judged = scripts.parse_reboot(machine.shell(scripts.reboot_once(BOOT)).stdout).judged
    return machine.shell(scripts.reboot_once(BOOT, judged))


def test_a_reboot_is_asked_for_with_one_boot_only(machine: ShellMachine) -> None:
    """Asked of another one, it says which one that is, and does nothing."""
    machine.write("systemctl-ends", "3")
    other = machine.shell(scripts.reboot_once("b0"))
    assert scripts.parse_reboot(other.stdout) == (BOOT, "", "")
    assert machine.read("calls") == ""
    asked = ordered(machine)
    assert asked.stdout.decode() == f"boot {BOOT}\nasked\n"
    calls = machine.read("calls").splitlines()
    assert calls[-1] == f"{ORDER} --timer-property=AccuracySec=100ms systemctl reboot"


@pytest.mark.parametrize("said", ["stopping", ""])
def test_a_reboot_that_is_under_way_is_not_asked_for_again(machine: ShellMachine, said: str) -> None:
    """The system goes down, or its order is about to be given."""
    machine.write("systemctl-says", said)
    done = machine.shell(scripts.reboot_once(BOOT))
    assert done.stdout.decode() == f"boot {BOOT}\nunder way\n"
    assert ("is-active" in machine.read("calls")) is (not said)
    assert "systemd-run" not in machine.read("calls")


def test_who_blocks_a_shutdown_is_told(machine: ShellMachine) -> None:
    """And no reboot is asked for."""
    machine.write("systemctl-ends", "3")
    apt = ("sleep:shutdown", "apt get", "a block  to wait for", "block", 0, 7)
    machine.write(
        "busctl-says", inhibitors(("shutdown", "gdm", "y", "delay", 0, 8), ("sleep", "x", "y", "block", 0, 8), apt)
    )
    done = machine.shell(scripts.reboot_once(BOOT))
    order = scripts.parse_reboot(done.stdout)
    assert order == (BOOT, "a shutdown is blocked by apt get (a block  to wait for, pid 7)", "")
    assert "systemd-run" not in machine.read("calls")
    assert facts_of(machine).inhibitors == ("apt get (a block  to wait for, pid 7)",)


def test_a_reboot_is_asked_for_only_with_the_list_that_was_judged(machine: ShellMachine) -> None:
    """Somebody who blocks a shutdown in between is seen."""
    machine.write("systemctl-ends", "3")
    first = scripts.parse_reboot(machine.shell(scripts.reboot_once(BOOT)).stdout)
    assert (first.boot, first.delayed) == (BOOT, "")
    machine.write("busctl-says", inhibitors(("shutdown", "apt", "x", "block", 0, 7)))
    again = scripts.parse_reboot(machine.shell(scripts.reboot_once(BOOT, first.judged)).stdout)
    assert again.delayed == "a shutdown is blocked by apt (x, pid 7)"
    assert "systemd-run" not in machine.read("calls")


def test_an_older_busctl_tells_the_same_without_json(machine: ShellMachine) -> None:
    """Before v240, as on RHEL 8."""
    machine.insert("busctl", 'case "$1" in --json*) echo "unrecognized option" >&2; exit 1 ;; esac')
    machine.write("busctl-says", 'a(ssssuu) 1 "shutdown" "apt \\"get\\"" "" "block" 0 7\n')
    assert facts_of(machine).inhibitors == ('apt \\"get\\" (, pid 7)',)


def test_a_list_of_inhibitors_that_is_not_told_is_not_an_empty_one(machine: ShellMachine) -> None:
    """Somebody may block a shutdown. Without logind nobody can."""
    machine.write("systemctl-ends", "3")
    machine.write("systemctl-says", "loaded\n")
    machine.write("busctl-says", "Failed to list inhibitors: timed out\n")
    machine.write("busctl-ends", "1")
    somebody = "somebody unknown (logind: Failed to list inhibitors: timed out)"
    done = machine.shell(scripts.reboot_once(BOOT))
    assert scripts.parse_reboot(done.stdout) == (BOOT, f"a shutdown is blocked by {somebody}", "")
    assert facts_of(machine).inhibitors == (somebody,)
    machine.write("systemctl-says", "Failed to connect to bus\n")
    assert facts_of(machine).inhibitors == (somebody,)
    machine.write("systemctl-says", "not-found\n")
    assert facts_of(machine).inhibitors == ()


def test_what_systemd_and_dpkg_do_not_say_is_a_fact(machine: ShellMachine) -> None:
    """A list that failed is not an empty one, and nothing protected is there to compare with."""
    machine.write("systemctl-says", "Failed to connect to bus\n")
    machine.write("systemctl-ends", "1")
    machine.insert("dpkg-query", 'echo "dpkg-query: error: parsing file" >&2; exit 2')
    seen = facts_of(machine)
    assert seen.unseen == (
        "which units have failed: Failed to connect to bus",
        "which versions packages have that are never touched: dpkg-query: error: parsing file",
        "which packages are not wholly installed: dpkg-query: error: parsing file",
    )
    assert (seen.failed_units, seen.updates.broken, seen.updates.protected) == ((), (), {})


def test_without_a_list_of_packages_nothing_is_begun_and_nothing_has_gone(machine: ShellMachine) -> None:
    """An empty list of before would make every package one that has come."""
    machine.shell(FRESH, WANTED)
    machine.insert("dpkg-query", 'echo "dpkg-query: error: parsing file" >&2; exit 2')
    seen = facts_of(machine)
    assert seen.delta == ()
    assert "which packages have come and gone: no list of them" in seen.unseen
    machine.shell(scripts.note_end("run-1"))
    assert machine.shell(FRESH, WANTED).returncode == 2
    assert "before" not in machine.noted()


def test_an_rpm_without_its_database_is_a_fact(tmp_path: Path) -> None:
    """It calls everything not installed."""
    machine = ShellMachine(tmp_path, manager="dnf")
    machine.write("rpm-says", "error: cannot open Packages database\n")
    machine.write("rpm-ends", "1")
    assert facts_of(machine).unseen == (
        "which versions packages have that are never touched: error: cannot open Packages database",
    )


@pytest.mark.parametrize(
    ("ends", "required", "unknown"),
    [("0", False, ""), ("102", True, ""), ("6", False, "zypper needs-rebooting: status 6: no repositories")],
)
def test_a_zypper_that_does_not_say_whether_a_reboot_is_due_is_a_fact(
    tmp_path: Path, ends: str, *, required: bool, unknown: str
) -> None:
    """Of its two answers no third one is a no."""
    machine = ShellMachine(tmp_path, manager="zypper")
    machine.insert("zypper", f'case "$*" in *needs-rebooting) echo no repositories; exit {ends} ;; esac')
    seen = probe.parse("w1", machine.shell(probe.look(Scope.ALL, refresh=False)).stdout, Scope.ALL)
    assert (seen.reboot_required, seen.reboot_unknown) == (required, unknown)


def test_a_needrestart_that_fails_has_not_found_the_kernel_current(machine: ShellMachine) -> None:
    """It says in a line how the kernel is, or it says nothing."""
    machine.insert_program("needrestart")
    machine.write("needrestart-says", "NEEDRESTART-VER: 3.6\nNEEDRESTART-KSTA: 1\n")
    assert (facts_of(machine).kernel_state, facts_of(machine).reboot_unknown) == (1, "")
    machine.write("needrestart-says", "Can't locate Module/Find.pm\n")
    assert facts_of(machine).reboot_unknown == "needrestart -b -k: Can't locate Module/Find.pm"


def test_preferences_that_cannot_be_read_are_not_none(machine: ShellMachine) -> None:
    """Without the site's pins other versions would be chosen."""
    (machine.root / "etc/apt/preferences").mkdir(parents=True)
    assert machine.shell(INSTALL).returncode == 1
    assert machine.read("calls") == ""


def test_an_order_that_systemd_does_not_take_is_told(machine: ShellMachine) -> None:
    """It is not asked for: it is given again, with the reason."""
    machine.write("systemctl-ends", "3")
    machine.write("systemd-run-ends", "1")
    machine.write("systemd-run-says", "Failed to connect to bus\n")
    assert scripts.parse_reboot(ordered(machine).stdout) == (
        BOOT,
        "systemd does not take the order to reboot: status 1: Failed to connect to bus",
        "",
    )
