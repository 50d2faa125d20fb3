"""Small packages of the lab's own with updates, in archives as Debian has them: what machines are patched with."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.lab import packages
from tests.lab.cache import HERE, LABS, digest_of, made_once
from tests.lab.machine import Machine
from tests.lab.services import PACKAGES

OLD, NEW = "1.0", "1.1"
SOURCES = "/etc/apt/sources.list.d/updates.list"
CONFIGURATION = "/etc/lab-conf.conf"
LIMIT = 120.0


class Archive(StrEnum):
    """Where a machine gets updates from."""

    OLD = "old"
    MAIN = "main"
    SECURITY = "security"
    BROKEN = "broken"


RELEASES = {
    Archive.OLD: {"Origin": "Debian", "Label": "Debian", "Suite": "oldstable", "Codename": "bullseye"},
    Archive.MAIN: {"Origin": "Debian", "Label": "Debian", "Suite": "stable", "Codename": "bookworm"},
    Archive.SECURITY: {
        "Origin": "Debian",
        "Label": "Debian-Security",
        "Suite": "stable-security",
        "Codename": "bookworm-security",
    },
    Archive.BROKEN: {"Origin": "Debian", "Label": "Debian", "Suite": "stable", "Codename": "bookworm"},
}
"""What apt tells them apart by."""


@dataclass(frozen=True)
class Small:
    """A package that does next to nothing. `postinst` is what its newer version does when it is configured."""

    archive: Archive
    postinst: str = ""
    depends: str = ""
    """Of its newer version: another package, which is new."""
    files: dict[str, str] = field(default_factory=dict)
    """Path to its text, with VERSION in it. Those below /etc are configuration files."""


REBOOT = "touch /run/reboot-required; echo NAME >> /run/reboot-required.pkgs"
SLOW = "/run/lab-slow"
"""A file with the seconds that lab-slow takes to be configured."""

SMALL = {
    "lab-tool": Small(Archive.MAIN, files={"/usr/share/lab-tool": "VERSION"}),
    "lab-slow": Small(Archive.MAIN, f"[ ! -e {SLOW} ] || sleep $(cat {SLOW})"),
    "lab-conf": Small(Archive.MAIN, files={CONFIGURATION: "written by version VERSION"}),
    "lab-lib": Small(Archive.SECURITY, files={"/usr/share/lab-lib": "VERSION"}),
    "lab-core": Small(Archive.SECURITY, REBOOT, depends="lab-image"),
    "lab-broken": Small(Archive.BROKEN, "echo lab-broken never works; exit 1"),
}


BAITS = ("kubelet", "containerd")
"""Offered as security updates, much newer, with nothing in them: never to be touched."""


def install_old(machines: Sequence[Machine], names: Iterable[str]) -> None:
    """Their first version, whatever was there; no other ones, no archive that has newer ones, and no reboot is pending."""
    offer(machines, [Archive.OLD])
    wanted = " ".join(f"{name}={OLD}" for name in names)
    for machine in machines:
        machine.run(
            f"export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1; dpkg --purge --force-all {' '.join(SMALL)} lab-image > /dev/null 2>&1; "
            f"rm -f /run/reboot-required* {SLOW}; apt-get install -y -qq {wanted} > /dev/null",
            limit=LIMIT,
        )


def published() -> Path:
    """The folder with all archives, below that of the packages."""
    return made_once(packages.repository() / f"updates-{digest_of(Path(__file__), HERE / 'packages.py')}", _make)


def offer(machines: Sequence[Machine], archives: Iterable[Archive]) -> None:
    """From now on a machine has updates from these archives, and knows of them."""
    folder = published()
    for machine in machines:
        place = f"http://{machine.shape.gateway}:{PACKAGES}/{folder.name}"
        machine.write(SOURCES, "".join(f"deb [trusted=yes] {place}/{one}/ /\n" for one in archives), mode="644")
        machine.run("apt-get update -qq", limit=LIMIT)


def _make(root: Path) -> None:
    for archive in Archive:
        (root / archive).mkdir(parents=True)
    for name, small in SMALL.items():
        _build(name, OLD, small, root / Archive.OLD)
        _build(name, NEW, small, root / small.archive)
    _build("lab-image", NEW, Small(Archive.SECURITY), root / Archive.SECURITY)
    for name in BAITS:
        _build(name, "99.0", Small(Archive.SECURITY), root / Archive.SECURITY)
    for archive, release in RELEASES.items():
        packages.write_index(root / archive, **release)


def _build(name: str, version: str, small: Small, into: Path) -> None:
    with tempfile.TemporaryDirectory(dir=LABS) as temporary:
        tree = Path(temporary)
        depends = {"Depends": small.depends} if small.depends and version == NEW else {}
        packages.write_control(tree, name, version, f"{name} {version} for the lab", "all", **depends)
        for path, text in small.files.items():
            file = tree / path.removeprefix("/")
            file.parent.mkdir(parents=True)
            file.write_text(f"{text}\n".replace("VERSION", version))
        if configurations := [path for path in small.files if path.startswith("/etc/")]:
            (tree / "DEBIAN/conffiles").write_text("".join(f"{path}\n" for path in configurations))
        if small.postinst and version == NEW:
            script = tree / "DEBIAN/postinst"
            script.write_text(f"#!/bin/sh\nset -e\n{small.postinst.replace('NAME', name)}\n")
            script.chmod(0o755)
        packages.pack(tree, into / f"{name}_{version}_all.deb")
