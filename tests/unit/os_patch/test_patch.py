"""What machines say of their packages: recorded in Debian 12 with a repository of our own, and what scripts do with it."""

import base64
from pathlib import Path

import pytest

from tasks.nodes.models.nodes import PackageManager
from tasks.os_patch.models import PROTECTED, Change, PatchIntent, Scope
from tasks.os_patch.probes import facts as patch
from tasks.os_patch.probes.packages import Preview, delta_of, parse_apt, parse_dnf, parse_zypper, without

DATA = Path(__file__).parents[1] / "data" / "patch"
SECURITY, ALL, PATCHED, POWER_CUT = (
    (DATA / f"{name}.stdout").read_bytes() for name in ("security", "all", "patched", "power-cut")
)
BOOT = "70de8615-2f6a-4992-aa3a-5bd122087e56"
FROM_SECURITY = ("Lab-Security:12/lab-security",)


def words(changes: tuple[Change, ...]) -> list[str]:
    """For people."""
    return [one.in_words for one in changes]


# --- apt


def test_only_security_updates_with_what_they_need() -> None:
    """A new dependency among them; lab-tool has a newer version elsewhere, and gets the one of the security archive."""
    facts = patch.parse("w1", SECURITY, Scope.SECURITY)
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
    updates = patch.parse("w1", ALL, Scope.ALL).updates
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


def test_what_was_installed_is_known_afterwards() -> None:
    """From the two lists of all packages, with what asks for a reboot and the boot with which all was there."""
    facts = patch.parse("w1", PATCHED, Scope.SECURITY)
    before = patch.parse("w1", SECURITY, Scope.SECURITY)
    assert words(facts.delta) == words(before.updates.changes)
    assert (facts.updates.changes, facts.reboot_required, facts.reboot_packages) == ((), True, ("lab-image-2",))
    assert (facts.patched_boot, facts.boot_of_patch) == (BOOT, BOOT)
    assert facts.intent is not None
    assert (facts.intent.run_id, facts.intent.boot_id) == ("run-1", BOOT)
    assert facts.intent.protected == before.updates.protected


def test_a_power_cut_in_the_middle_of_dpkg_is_seen() -> None:
    """Some packages half there, dpkg's own journal not read yet, and no word of a boot with which all was there."""
    facts = patch.parse("w1", POWER_CUT, Scope.SECURITY)
    assert facts.updates.broken == (
        *("lab-broken", "lab-config", "lab-image-2", "lab-kernel", "lab-tool"),
        "dpkg itself: it was interrupted",
    )
    assert (facts.patched_boot, facts.boot_of_patch) == ("", BOOT)
    assert "lab-kernel 1 to 2" in words(facts.delta)


def test_a_real_debian_names_its_security_archive() -> None:
    """`oldstable-security`, with what is unpacked before it behind some lines."""
    found = parse_apt((DATA / "debian-12.txt").read_text())
    assert len(found.changes) == 23
    assert all(one.security for one in found.changes)
    assert found.changes[0] == Change(
        package="libperl5.36",
        before="5.36.0-7+deb12u3",
        after="5.36.0-7+deb12u4",
        origins=("Debian-Security:12/oldstable-security",),
        security=True,
    )


@pytest.mark.parametrize(
    ("line", "package", "origins", "security"),
    [
        (
            "Inst libssl3 [3.0.2-0ubuntu1.10] (3.0.2-0ubuntu1.12 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])",
            "libssl3",
            ("Ubuntu:22.04/jammy-updates", "Ubuntu:22.04/jammy-security"),
            True,
        ),
        ("Inst vim [2:8.2] (2:8.3 UbuntuESMApps:22.04/jammy-apps-security [amd64])", "vim", None, True),
        ("Inst tzdata [2024a] (2024b Ubuntu:22.04/jammy-updates [all])", "tzdata", None, False),
        ("Inst libc6:i386 [2.36-9] (2.36-10 Debian:12.8/stable [i386]) []", "libc6:i386", None, False),
        ("Inst odd [1] (2 Debian:12/insecurity [all])", "odd", None, False),
        ("Inst local [1] (2  [amd64])", "local", (), False),
    ],
)
def test_an_update_is_a_security_update_by_its_archive(
    line: str,
    package: str,
    origins: tuple[str, ...] | None,
    security: bool,  # noqa: FBT001 - a table
) -> None:
    """Whichever distribution."""
    (found,) = parse_apt(line).changes
    assert (found.package, found.security) == (package, security)
    assert origins is None or found.origins == origins


def test_apt_says_what_it_would_remove_and_what_it_defers() -> None:
    """Phased updates are kept back, too."""
    text = "The following upgrades have been deferred due to phasing:\n  a b\n  c\nThe following packages will be upgraded:\n  d\nRemv old [1.0]\n"
    assert parse_apt(text) == Preview(removals=("old",), kept_back=("a", "b", "c"))


# --- dnf and zypper: recorded with dnf 4.14 and zypper 1.14 of Debian on packages of our own; not proven end to end

INSTALLED = {
    "containerd.io.noarch": "1.7.1-1",
    "kernel.noarch": "5.14.0-1.el9",
    "lab-other.noarch": "1.0-1",
    "lab-package-with-a-rather-long-name-for-a-table.noarch": "1.0-1.el9",
    "openssl.noarch": "3.0.7-1.el9",
}
RPM_SECURITY = [
    "kernel.noarch 5.14.0-1.el9 to 5.14.0-2.el9",
    "openssl.noarch 3.0.7-1.el9 to 3.0.8-2.el9",
    "lab-new-dep.noarch 1.0-1 (new)",
]


def text(name: str) -> str:
    """As it was recorded."""
    return (DATA / f"{name}.txt").read_text()


def test_dnf_shows_a_table_of_what_it_would_do() -> None:
    """With what is needed by it; containerd.io was excluded."""
    found = parse_dnf(text("dnf-security"), INSTALLED, security=True)
    assert words(found.changes) == RPM_SECURITY
    assert all(one.security and one.origins == ("lab-security",) for one in found.changes)
    every = parse_dnf(text("dnf-all"), INSTALLED, security=False)
    assert len(every.changes) == 5
    assert not any(one.security for one in every.changes)
    assert parse_dnf(text("dnf-nothing"), INSTALLED, security=True) == Preview()


def test_a_row_of_dnf_may_be_broken_and_a_package_may_go() -> None:
    """By dnf 4, whose table is as wide as a terminal, and by dnf 5, which says what is replaced, as they are documented."""
    wrapped = "Upgrading:\n lab-package-with-a-rather-long-name-for-a-table\n    noarch 0:1.1-1.el9 lab 5 k\nRemoving dependent packages:\n old x86_64 1 @base 2 k\n"
    found = parse_dnf(wrapped, INSTALLED, security=False)
    assert words(found.changes) == ["lab-package-with-a-rather-long-name-for-a-table.noarch 1.0-1.el9 to 1.1-1.el9"]
    assert found.removals == ("old.x86_64",)
    five = "Package Arch Version Repository Size\nUpgrading:\n openssl noarch 3.0.8-2.el9 updates 5 KiB\n   replacing openssl noarch 3.0.7-1.el9 base 5 KiB\n\nTransaction Summary:\n Upgrading: 1 package\n Replacing: 1 package\n"
    assert words(parse_dnf(five, INSTALLED, security=True).changes) == ["openssl.noarch 3.0.7-1.el9 to 3.0.8-2.el9"]


def test_zypper_tells_in_xml_what_it_would_do() -> None:
    """A patch itself is no package. It cannot leave packages out: what is protected is taken out here."""
    found = parse_zypper(text("zypper-patch"), security=True)
    assert words(without(found, PROTECTED).changes) == RPM_SECURITY
    assert len(found.changes) == 4
    assert len(parse_zypper(text("zypper-update"), security=False).changes) == 6
    removal = "<stream><install-summary><to-remove><solvable kind='package' name='old' arch='x86_64'/></to-remove></install-summary></stream>"
    assert parse_zypper(removal, security=False).removals == ("old.x86_64",)
    assert parse_zypper("zypper is locked", security=False) == Preview()
    assert parse_zypper("<stream><message>x</message></stream>", security=False) == Preview()


@pytest.mark.parametrize(("manager", "name"), [("dnf", "dnf-security"), ("zypper", "zypper-patch")])
def test_a_machine_with_rpm_says_the_same(manager: str, name: str) -> None:
    """Whatever it is asked with."""
    lines = [f"manager {manager}", f"preview {base64.b64encode(text(name).encode()).decode()}"]
    lines += [f"has {package} {version}" for package, version in INSTALLED.items()]
    facts = patch.parse("w1", "\n".join(lines).encode(), Scope.SECURITY)
    assert words(facts.updates.changes) == RPM_SECURITY


# --- what changed, what is left out


def test_a_delta_is_of_what_differs() -> None:
    """Also what is gone; of a kernel of which both versions stay the new one is new."""
    was = [("a", "1"), ("b", "1"), ("gone", "3"), ("kernel.x86_64", "5")]
    now = [("a", "2"), ("b", "1"), ("new", "4"), ("kernel.x86_64", "5"), ("kernel.x86_64", "6")]
    assert [(one.package, one.before, one.after) for one in delta_of(was, now)] == [
        ("a", "1", "2"),
        ("gone", "3", ""),
        ("kernel.x86_64", "", "6"),
        ("new", "", "4"),
    ]


def test_protected_packages_are_left_out_with_or_without_their_architecture() -> None:
    """And nothing that only begins like one."""
    changes = tuple(Change(package=name, after="1") for name in ("runc", "runc.x86_64", "runc-doc", "kubelet.x86_64"))
    assert [one.package for one in without(Preview(changes=changes), PROTECTED).changes] == ["runc-doc"]


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
        ("inhibitor dpkg 0 root 1 apt shutdown x block", "inhibitors", ("dpkg 0 root 1 apt shutdown x block",)),
        ("last run-0", "last_run", "run-0"),
        ("intent bm8=", "intent", None),
        ("intent !", "intent", None),
    ],
)
def test_a_line_more_is_a_fact_more(line: str, field: str, value: object) -> None:
    """The last of a kind counts."""
    assert getattr(patch.parse("w1", SECURITY + f"{line}\n".encode(), Scope.SECURITY), field) == value


def test_repositories_that_do_not_answer_and_another_package_manager_are_told() -> None:
    """In their words."""
    updates = patch.parse("w1", b"manager apt\nproblem E: no route\nlocked apt-get (process 7)\n", Scope.ALL).updates
    assert (updates.problem, updates.locked_by, updates.changes) == ("E: no route", "apt-get (process 7)", ())
    assert patch.parse("w1", b"", Scope.ALL).updates.manager is PackageManager.NONE


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
    assert patch.parse("w1", "\n".join(lines).encode(), Scope.ALL).newest_kernel == newest


# --- what scripts do

CHANGES = (Change(package="b", before="1", after="2"), Change(package="a:i386", after="1.0-1"))


@pytest.mark.parametrize("manager", [PackageManager.APT, PackageManager.DNF, PackageManager.ZYPPER])
@pytest.mark.parametrize("scope", list(Scope))
def test_scripts_leave_no_word_unfilled(manager: PackageManager, scope: Scope) -> None:
    """Whatever the package manager; protected packages, and those of the profile, are named in each that asks one."""
    scripts = [
        patch.look(scope, ["nvidia-driver"], refresh=True),
        patch.fetch(manager, scope, ["nvidia-driver"], CHANGES),
        patch.install(manager, scope, ["nvidia-driver"], CHANGES, repair=True),
        patch.glance(),
        patch.begin(fresh=True),
        patch.end("run-1"),
        patch.reboot_once(BOOT),
    ]
    for script in scripts:
        assert not any(word in script for word in ("PROTECTED", "REFRESH", "SECONDS", "LINES", "_WHAT", "{{", "}}"))
    assert "nvidia-driver" in scripts[0]
    assert "containerd.io runc cri-o nvidia-driver" in scripts[0]
    assert ("--exclude=nvidia-driver upgrade --security" in scripts[0]) == (scope is Scope.SECURITY)


def test_apt_installs_what_is_planned_and_nothing_else() -> None:
    """Configuration files kept, nothing removed, no service restarted by needrestart, another one's lock waited for."""
    script = patch.install(PackageManager.APT, Scope.SECURITY, (), CHANGES, repair=False)
    for option in (
        "DEBIAN_FRONTEND=noninteractive",
        "NEEDRESTART_SUSPEND=1",
        "--force-confdef",
        "--force-confold",
        "--no-remove --with-new-pkgs",
        "DPkg::Lock::Timeout=600",
        "Dir::State::Lists=",
    ):
        assert option in script
    assert "a:i386 1.0-1\nb 2\n" in script
    assert script.index("\ncompare\n") < script.index("do_all || exit 1") < script.index("$d/patched.new")
    assert "--configure -a" not in script
    assert "dpkg --force-confdef --force-confold --configure -a || echo" in patch.install(
        PackageManager.APT, Scope.SECURITY, (), CHANGES, repair=True
    )
    fetch = patch.fetch(PackageManager.APT, Scope.SECURITY, (), CHANGES)
    assert "do_all --download-only || exit 75" in fetch
    assert "patched.new" not in fetch


def test_others_than_apt_have_their_own_ways() -> None:
    """Not proven end to end."""
    dnf = patch.install(PackageManager.DNF, Scope.SECURITY, (), CHANGES, repair=False)
    assert "dnf -y --exclude=kubelet" in dnf
    assert 'upgrade --security\necho "$boot"' in dnf
    zypper = patch.install(PackageManager.ZYPPER, Scope.ALL, (), CHANGES, repair=False)
    assert "install --no-recommends b=2 a:i386=1.0-1" in zypper
    assert "exit 1" in patch.install(PackageManager.NONE, Scope.ALL, (), (), repair=False)
    assert patch.fetch(PackageManager.DNF, Scope.ALL, (), CHANGES) == "true\n"


def test_a_run_that_goes_on_keeps_the_list_of_before() -> None:
    """A fresh one makes it; what a run wants comes by standard input, for it may be long."""
    assert 'listed > "$d/before.new"' in patch.begin(fresh=True)
    assert "before.new" not in patch.begin(fresh=False)
    assert 'rm -f "$d/patched"' in patch.begin(fresh=False)
    assert 'rm -f "$d/patched"' not in patch.begin(fresh=False, due=False)
    assert 'rm -f "$d/intent" "$d/patched" "$d/before"' in patch.end("run-1")
    intent = PatchIntent(run_id="run-1", boot_id=BOOT, changes=CHANGES)
    encoded = base64.b64encode(intent.model_dump_json().encode()).decode()
    assert patch.parse("w1", f"intent {encoded}\n".encode(), Scope.ALL).intent == intent


def test_a_reboot_is_asked_for_with_one_boot_only() -> None:
    """Asked of another one, it says which one that is, and does nothing."""
    script = patch.reboot_once(BOOT)
    assert script.index(f'[ "$boot" = {BOOT} ] || exit 0') < script.index("systemctl reboot")
    assert "--force" not in script
    assert patch.parse_reboot(b"boot b1\nasked\n") == ("b1", "")
    assert patch.parse_reboot(b"boot b1\nblocked apt 0 root shutdown\n") == (
        "b1",
        "a shutdown is blocked by apt 0 root shutdown",
    )
    assert "journalctl --list-boots" in patch.evidence()
