"""What package managers say that they would do: recorded in Debian 12, partly with a repository of our own."""

from pathlib import Path

import pytest

from tasks.os_patch.models.packages import PROTECTED, Change
from tasks.os_patch.probes.packages import Preview, delta_of, parse_apt, parse_dnf, parse_zypper, without
from tests.facts.patch import RPM_INSTALLED, RPM_SECURITY, words

DATA = Path(__file__).parents[1] / "data" / "patch"

# --- apt


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


def text(name: str) -> str:
    """As it was recorded."""
    return (DATA / f"{name}.txt").read_text()


def test_dnf_shows_a_table_of_what_it_would_do() -> None:
    """With what is needed by it; containerd.io was excluded."""
    found = parse_dnf(text("dnf-security"), RPM_INSTALLED, security=True)
    assert words(found.changes) == RPM_SECURITY
    assert all(one.security and one.origins == ("lab-security",) for one in found.changes)
    every = parse_dnf(text("dnf-all"), RPM_INSTALLED, security=False)
    assert len(every.changes) == 5
    assert not any(one.security for one in every.changes)
    assert parse_dnf(text("dnf-nothing"), RPM_INSTALLED, security=True) == Preview()


def test_a_row_of_dnf_may_be_broken_and_a_package_may_go() -> None:
    """By dnf 4, whose table is as wide as a terminal, and by dnf 5, which says what is replaced, as they are documented."""
    wrapped = "Upgrading:\n lab-package-with-a-rather-long-name-for-a-table\n    noarch 0:1.1-1.el9 lab 5 k\nRemoving dependent packages:\n old x86_64 1 @base 2 k\n"
    found = parse_dnf(wrapped, RPM_INSTALLED, security=False)
    assert words(found.changes) == ["lab-package-with-a-rather-long-name-for-a-table.noarch 1.0-1.el9 to 1.1-1.el9"]
    assert found.removals == ("old.x86_64",)
    five = "Package Arch Version Repository Size\nUpgrading:\n openssl noarch 3.0.8-2.el9 updates 5 KiB\n   replacing openssl noarch 3.0.7-1.el9 base 5 KiB\n\nTransaction Summary:\n Upgrading: 1 package\n Replacing: 1 package\n"
    assert words(parse_dnf(five, RPM_INSTALLED, security=True).changes) == ["openssl.noarch 3.0.7-1.el9 to 3.0.8-2.el9"]


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
