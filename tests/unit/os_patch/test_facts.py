"""What machines say of their packages and their boot: recorded in Debian 12 with a repository of our own."""

import base64
from pathlib import Path

import pytest

from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models.facts import PatchFacts
from tasks.os_patch.models.packages import PROTECTED, Scope
from tasks.os_patch.probes import facts as probe
from tasks.os_patch.probes.evidence import evidence
from tests.facts.patch import RPM_INSTALLED, RPM_SECURITY, words
from tests.facts.patch_machine import ShellMachine

DATA = Path(__file__).parents[1] / "data" / "patch"
SECURITY, ALL, PATCHED, POWER_CUT = (
    (DATA / f"{name}.stdout").read_bytes() for name in ("security", "all", "patched", "power-cut")
)
BOOT = "70de8615-2f6a-4992-aa3a-5bd122087e56"
THIS_BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
FROM_SECURITY = ("Lab-Security:12/lab-security",)


# --- apt


def test_only_security_updates_with_what_they_need() -> None:
    """A new dependency among them; lab-tool has a newer version elsewhere, and gets the one of the security archive."""
    facts = probe.parse("w1", SECURITY, Scope.SECURITY)
    updates = facts.updates
    assert updates.manager is PackageManager.APT
    assert words(updates.changes) == [
        "lab-broken 1.0 to 1.1",
        "lab-config 1.0 to 1.1",
        "lab-image-2 2 (new)",
        "lab-kernel 1 to 2",
        "lab-tool 1.0 to 1.1",
    ]
    assert all(one.security and one.origins == FROM_SECURITY for one in updates.changes)
    assert (updates.kept_back, updates.held) == (("lab-held",), ("kubelet", "lab-held"))
    assert (updates.removals, updates.broken, updates.problem, updates.locked_by) == ((), (), "", "")
    assert (facts.boot_id, facts.kernel, facts.newest_kernel, facts.kernel_state) == (BOOT, "6.18.44-fc-v782", "", 0)
    assert (facts.reboot_required, facts.intent, facts.delta, facts.clock_synced) == (False, None, (), None)


def test_all_updates_but_those_of_protected_packages() -> None:
    """kubelet 1.36.9 and containerd 99.0 were in the repositories, and are not even kept back."""
    updates = probe.parse("w1", ALL, Scope.ALL).updates
    assert [one.package for one in updates.changes if not one.security] == [
        "lab-new-dep",
        "lab-other",
        "lab-tool",
        "lab-wants",
    ]
    assert next(one for one in updates.changes if one.package == "lab-tool").after == "1.2"
    assert updates.protected == {
        "containerd": "1.6.20~ds1-1+deb12u3",
        "kubelet": "1.36.3-1.1",
        "runc": "1.1.5+ds1-1+deb12u1",
    }
    assert not {one.package for one in updates.changes} & set(PROTECTED)


@pytest.mark.parametrize("text", ["bm8=", "", "!"])
def test_an_intent_that_is_damaged_is_not_a_machine_on_which_nobody_has_begun(text: str) -> None:
    """A power cut may leave an empty file: what the run before had wanted is not known, and the plan says so."""
    [told] = probe.parse("w1", f"intent {text}\n".encode(), Scope.ALL).unseen
    assert told.startswith("what a run wanted there, for /var/lib/kube-runbooks/patch/intent is damaged")
    assert probe.parse("w1", b"", Scope.ALL).unseen == ()


def test_what_was_installed_is_known_afterwards() -> None:
    """From the two lists of all packages, with what asks for a reboot and the boot with which all was there."""
    facts = probe.parse("w1", PATCHED, Scope.SECURITY)
    before = probe.parse("w1", SECURITY, Scope.SECURITY)
    assert words(facts.delta) == words(before.updates.changes)
    assert (facts.updates.changes, facts.reboot_required, facts.reboot_packages) == ((), True, ("lab-image-2",))
    assert (facts.patched_boot, facts.boot_of_patch) == (BOOT, BOOT)
    assert facts.intent is not None
    assert (facts.intent.run_id, facts.intent.boot_id) == ("run-1", BOOT)
    assert facts.intent.protected == before.updates.protected


def test_a_power_cut_in_the_middle_of_dpkg_is_seen() -> None:
    """Some packages half there, dpkg's own journal not read yet, and no word of a boot with which all was there."""
    facts = probe.parse("w1", POWER_CUT, Scope.SECURITY)
    assert facts.updates.broken == (
        *("lab-broken", "lab-config", "lab-image-2", "lab-kernel", "lab-tool"),
        "dpkg itself: it was interrupted",
    )
    assert (facts.patched_boot, facts.boot_of_patch) == ("", BOOT)
    assert "lab-kernel 1 to 2" in words(facts.delta)


@pytest.mark.parametrize(("manager", "name"), [("dnf", "dnf-security"), ("zypper", "zypper-patch")])
def test_a_machine_with_rpm_says_the_same(manager: str, name: str) -> None:
    """Whatever it is asked with."""
    lines = [f"manager {manager}", f"preview {base64.b64encode((DATA / f'{name}.txt').read_bytes()).decode()}"]
    lines += [f"has {package} {version}" for package, version in RPM_INSTALLED.items()]
    facts = probe.parse("w1", "\n".join(lines).encode(), Scope.SECURITY)
    assert words(facts.updates.changes) == RPM_SECURITY


# --- what else a machine says


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("newest_kernel 6.1.0-26-amd64\nnewest_kernel 6.1.0-27-amd64", "newest_kernel", "6.1.0-27-amd64"),
        ("kernel_state 3", "kernel_state", 3),
        ("kernel_state unknown", "kernel_state", None),
        ("synced yes", "clock_synced", True),
        ("synced no", "clock_synced", False),
        ("state degraded", "system_state", "degraded"),
        ("failed a.service\nfailed b.mount", "failed_units", ("a.service", "b.mount")),
        ("inhibitors unseen YnVz", "inhibitors", ("somebody unknown (logind: bus)",)),
        ("inhibitors none", "inhibitors", ()),
        ("last run-0", "last_run", "run-0"),
        ("intent bm8=", "intent", None),
        ("intent !", "intent", None),
        ("intent bm8", "intent", None),
    ],
)
def test_a_line_more_is_a_fact_more(line: str, field: str, value: object) -> None:
    """The last of a kind counts."""
    assert getattr(probe.parse("w1", SECURITY + f"{line}\n".encode(), Scope.SECURITY), field) == value


def test_repositories_that_do_not_answer_and_another_package_manager_are_told() -> None:
    """In their words."""
    updates = probe.parse(
        "w1", b"manager apt\nunanswered 1  apt-mark showhold\nlocked apt-get (process 7)\n", Scope.ALL
    ).updates
    problem = "apt-mark showhold: it ended with status 1"
    assert (updates.problem, updates.locked_by, updates.changes) == (problem, "apt-get (process 7)", ())
    assert probe.parse("w1", b"", Scope.ALL).updates.manager is PackageManager.NONE


@pytest.mark.parametrize(
    ("running", "installed", "newest"),
    [
        ("6.1.0-26-amd64", ("6.1.0-26-amd64", "6.1.0-27-amd64"), "6.1.0-27-amd64"),
        ("6.1.0-27-cloud-amd64", ("6.1.0-27-cloud-amd64", "6.1.0-28-amd64"), "6.1.0-27-cloud-amd64"),
        ("5.14.0-427.el9_4.x86_64", ("5.14.0-427.el9_4.x86_64", "5.14.0-503.el9_5.x86_64"), "5.14.0-503.el9_5.x86_64"),
        ("6.1.0-26-amd64", ("6.1.0-26-cloud-amd64",), "6.1.0-26-cloud-amd64"),
        ("6.1.0-26-amd64", (), ""),
    ],
)
def test_the_kernel_that_a_reboot_would_bring_is_of_the_same_flavour(
    running: str, installed: tuple[str, ...], newest: str
) -> None:
    """Also where another one has a higher number."""
    lines = [f"kernel {running}", *(f"newest_kernel {kernel}" for kernel in installed)]
    assert probe.parse("w1", "\n".join(lines).encode(), Scope.ALL).newest_kernel == newest


# --- what is asked: the questions run for real on a machine in a folder


def look(machine: ShellMachine, scope: Scope, *, refresh: bool = False) -> PatchFacts:
    """All that a plan has to know."""
    done = machine.shell(probe.look(scope, ["nvidia-driver"], refresh=refresh))
    assert done.returncode == 0, done.stderr
    return probe.parse("w1", done.stdout, scope, ["nvidia-driver"])


@pytest.fixture
def machine(tmp_path: Path) -> ShellMachine:
    """With apt."""
    return ShellMachine(tmp_path)


def test_apt_is_asked_by_the_very_command_that_installs(machine: ShellMachine) -> None:
    """In lists of our own, that are brought up to date for a plan."""
    machine.write("apt-mark-says", "kubelet\n")
    facts = look(machine, Scope.SECURITY)
    assert words(facts.updates.changes) == ["a 1 (new)", "b 1 to 2"]
    assert (facts.updates.manager, facts.updates.held, facts.updates.problem) == (PackageManager.APT, ("kubelet",), "")
    assert (facts.updates.protected, facts.boot_id, facts.delta) == ({"kubelet": "1"}, THIS_BOOT, ())
    [simulated] = [line for line in machine.read("calls").splitlines() if line.startswith("apt-get")]
    assert "--no-remove --with-new-pkgs --simulate upgrade" in simulated
    assert f"Dir::Etc::Preferences={machine.patches}/preferences" in simulated
    look(machine, Scope.SECURITY, refresh=True)
    assert f"Dir::State::Lists={machine.patches}/lists" in machine.read("calls").splitlines()[-2]
    assert machine.read("calls").splitlines()[-2].endswith(" update")


def test_repositories_that_do_not_answer_are_a_problem(machine: ShellMachine) -> None:
    """By the status of a command that fails for any of them; also one that takes too long. A warning is none."""
    machine.insert("apt-get", 'case "$*" in *update) echo "W: a legacy key"; exit 0 ;; esac')
    assert look(machine, Scope.ALL, refresh=True).updates.problem == ""
    machine.insert("apt-get", 'case "$*" in *"--error-on=any update") echo "E: http://x"; exit 100 ;; esac')
    assert look(machine, Scope.ALL, refresh=True).updates.problem == "apt-get update: E: http://x"
    machine.insert("apt-get", 'case "$*" in *update) exit 124 ;; esac')
    facts = look(machine, Scope.ALL, refresh=True)
    assert facts.updates.problem == "apt-get update: no answer in time"
    assert words(facts.updates.changes) == ["a 1 (new)", "b 1 to 2"]
    machine.insert("apt-get", 'case "$*" in *update) echo slow; exit 124 ;; esac')
    assert look(machine, Scope.ALL, refresh=True).updates.problem == "apt-get update: no answer in time (slow)"


def test_what_apt_does_not_say_is_a_problem(machine: ShellMachine) -> None:
    """In its own words, in whatever language, and without any."""
    machine.write("apt-says", "Lesen\nF: kaputt\n")
    facts = look(machine, Scope.ALL)
    assert (facts.updates.problem, facts.updates.changes) == ("apt-get upgrade --simulate: Lesen / F: kaputt", ())
    machine.write("apt-says", "")
    machine.write("apt-mark-ends", "100")
    assert look(machine, Scope.ALL).updates.problem == (
        "apt-mark showhold: it ended with status 100; apt-get upgrade --simulate: it ended with status 100"
    )


def test_our_lists_begin_as_the_systems_are(machine: ShellMachine) -> None:
    """What was in ours before is gone; the lock is not taken along."""
    lists = machine.root / "var/lib/apt/lists"
    for name in ("archive_Release", "lock"):
        (lists / name).write_text("theirs")
    (machine.patches / "lists").mkdir(parents=True)
    (machine.patches / "lists" / "old_Release").touch()
    look(machine, Scope.ALL, refresh=True)
    assert {one.name for one in (machine.patches / "lists").iterdir()} == {"archive_Release", "partial"}


def test_a_glance_asks_no_package_manager(machine: ShellMachine) -> None:
    """So does a look for a run that only reboots."""
    assert probe.look(Scope.NONE, ["x"], refresh=True) == probe.glance(["x"])
    facts = probe.parse("w1", machine.shell(probe.glance()).stdout, Scope.NONE)
    assert "apt-get" not in machine.read("calls")
    assert (facts.updates.manager, facts.boot_id) == (PackageManager.NONE, THIS_BOOT)


def test_kernels_reboots_units_and_dpkg_are_told(machine: ShellMachine) -> None:
    """One fact a line."""
    for name in ("6.1.0-9-amd64", "6.1.0-10-amd64", "0-rescue-1f"):
        machine.write(f"boot/vmlinuz-{name}", "")
    (machine.root / "run").mkdir()
    machine.write("run/reboot-required", "")
    machine.write("run/reboot-required.pkgs", "linux-image\ndbus\nlinux-image\n")
    machine.write("broken", "lab-core\n")
    machine.write("var/lib/dpkg/updates/0001", "")
    machine.insert(
        "systemctl", 'case "$1" in is-system-running) echo degraded; exit 1 ;; *) echo "a.service x y" ;; esac'
    )
    machine.write("timedatectl-says", "yes\n")
    printed = machine.shell(probe.glance()).stdout
    facts = probe.parse("w1", printed, Scope.NONE)
    assert printed.decode().count("newest_kernel") == 2
    assert (facts.newest_kernel, facts.reboot_required) == ("6.1.0-10-amd64", True)
    assert facts.reboot_packages == ("dbus", "linux-image")
    assert facts.updates.broken == ("lab-core", "dpkg itself: it was interrupted")
    assert (facts.system_state, facts.failed_units, facts.clock_synced) == ("degraded", ("a.service",), True)


@pytest.mark.parametrize(("scope", "last"), [(Scope.SECURITY, " upgrade --security"), (Scope.ALL, " upgrade")])
def test_dnf_is_asked_without_what_is_protected(tmp_path: Path, scope: Scope, last: str) -> None:
    """With what is installed, for its table has the new versions alone."""
    machine = ShellMachine(tmp_path, manager="dnf")
    machine.write("dnf-says", (DATA / "dnf-security.txt").read_text())
    machine.write("rpm-says", "openssl.noarch 3.0.7-1.el9\ngpg-pubkey.x 1\n")
    facts = look(machine, scope, refresh=True)
    assert words(facts.updates.changes)[1] == "openssl.noarch 3.0.7-1.el9 to 3.0.8-2.el9"
    assert facts.updates.changes[0].security is (scope is Scope.SECURITY)
    calls = machine.read("calls")
    assert "dnf -q makecache\n" in calls
    assert "--exclude=kubelet --exclude=kubeadm" in calls
    assert f"--exclude=nvidia-driver{last}\n" in calls


@pytest.mark.parametrize(("scope", "what"), [(Scope.SECURITY, "patch --category security"), (Scope.ALL, "update")])
def test_zypper_is_asked_in_xml(tmp_path: Path, scope: Scope, what: str) -> None:
    """And whether a reboot is needed, which its status tells."""
    machine = ShellMachine(tmp_path, manager="zypper")
    machine.write("zypper-says", (DATA / "zypper-patch.txt").read_text())
    machine.insert("zypper", 'case "$*" in *needs-rebooting) exit 102 ;; esac')
    facts = look(machine, scope, refresh=True)
    assert words(facts.updates.changes) == RPM_SECURITY
    assert facts.reboot_required
    assert f"zypper --xmlout --non-interactive --no-refresh {what} --dry-run\n" in machine.read("calls")
    assert "zypper --non-interactive refresh\n" in machine.read("calls")


@pytest.mark.parametrize("manager", ["dnf", "zypper"])
def test_an_error_is_not_nothing_to_do(tmp_path: Path, manager: str) -> None:
    """Neither of the preview nor of the holds nor of the repositories."""
    machine = ShellMachine(tmp_path, manager=manager)
    machine.write(f"{manager}-says", "Error: no cache\n")
    machine.write(f"{manager}-ends", "1")
    facts = look(machine, Scope.ALL, refresh=True)
    problem = facts.updates.problem
    assert f"{manager} does not say what it would do: Error: no cache" in problem
    assert ("dnf makecache: Error: no cache" if manager == "dnf" else "zypper locks: Error: no cache") in problem


@pytest.mark.parametrize(
    ("manager", "status", "said", "known"),
    [
        ("dnf", "0", "", True),
        ("dnf", "1", "", False),
        ("zypper", "0", "<stream></stream>", True),
        ("zypper", "0", "", False),
        ("zypper", "100", "<stream></stream>", True),
        ("zypper", "4", "<stream></stream>", False),
    ],
)
def test_nothing_to_do_is_known_by_its_status(manager: str, status: str, said: str, *, known: bool) -> None:
    """And by an answer in XML, where that is the form of one."""
    text = base64.b64encode(said.encode()).decode()
    printed = f"manager {manager}\npreviewed {status}\npreview {text}\n".encode()
    assert (probe.parse("w1", printed, Scope.ALL).updates.problem == "") is known


@pytest.mark.parametrize(
    ("ends", "required", "unknown"),
    [("0", False, ""), ("1", True, ""), ("2", False, "dnf needs-restarting -r: no database")],
)
def test_dnf_says_by_its_status_whether_a_reboot_is_needed(
    tmp_path: Path, ends: str, unknown: str, *, required: bool
) -> None:
    """Where it does not know the question, nobody says that none is needed."""
    machine = ShellMachine(tmp_path, manager="dnf")
    machine.insert(
        "dnf", f'case "$*" in *--help) exit 0 ;; *"needs-restarting -r") echo no database; exit {ends} ;; esac'
    )
    facts = probe.parse("w1", machine.shell(probe.glance()).stdout, Scope.NONE)
    assert (facts.reboot_required, facts.reboot_unknown) == (required, unknown)
    machine.insert("dnf", 'case "$*" in *--help) exit 1 ;; esac')
    facts = probe.parse("w1", machine.shell(probe.glance()).stdout, Scope.NONE)
    assert "dnf has no needs-restarting" in facts.reboot_unknown


def test_a_machine_says_what_it_has_to_after_a_failure(machine: ShellMachine) -> None:
    """Boots, units, packages, kubelet: with status 0, whatever is not there."""
    machine.write("systemctl-says", "bad.service loaded failed\n")
    done = machine.shell(evidence())
    assert done.returncode == 0
    for heading in ("== boot ", "== systemd", "== bad.service", "== packages", "== kubelet", "== boots"):
        assert heading in done.stdout.decode()
    assert "journalctl --list-boots --no-pager\n" in machine.read("calls")
