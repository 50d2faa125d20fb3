"""Small packages of our own in version 1.0, and updates of them: an apt repository with a security archive beside another one."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.cache import LABS, only_one
from tests.lab.machine import Machine
from tests.lab.namespaces import finish
from tests.lab.packages import repository

STABLE, SECURITY = "stable", "security"
RELEASES = {STABLE: ("Lab", "lab"), SECURITY: ("Lab-Security", "lab-security")}
"""Archive to the label and the suite of its Release file: by these apt tells a security update."""

ASKS_FOR_REBOOT = """\
echo '*** System restart required ***' > /run/reboot-required
echo $DPKG_MAINTSCRIPT_PACKAGE >> /run/reboot-required.pkgs
"""
FAILS = "echo 'no good' >&2; exit 1\n"
SLOW = "touch /run/lab-slow; sleep 30\n"
"""Long enough to be killed in the middle of dpkg."""

FAILS_AFTER_REBOOT = """\
printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/lab-unit.service
systemctl daemon-reload; systemctl enable --quiet lab-unit
echo '*** System restart required ***' > /run/reboot-required
"""


@dataclass(frozen=True)
class Package:
    """One version of a package in one of the archives."""

    name: str
    version: str
    archive: str = STABLE
    depends: str = ""
    configuration: str = ""
    """Content of its configuration file, /etc/NAME.conf."""
    script: str = ""
    """That runs when it is configured."""


OFFERED = (
    *(Package(name, "1.0") for name in ("lab-tool", "lab-broken", "lab-slow", "lab-unit", "lab-held", "lab-other")),
    Package("lab-conf", "1.0", configuration="answer=1"),
    Package("lab-kernel", "1.0", depends="lab-image-1"),
    Package("lab-image-1", "1.0"),
    Package("lab-tool", "1.1", SECURITY),
    Package("lab-tool", "1.2"),
    Package("lab-other", "1.1"),
    Package("lab-held", "1.1", SECURITY),
    Package("lab-conf", "1.1", SECURITY, configuration="answer=2"),
    Package("lab-kernel", "1.1", SECURITY, depends="lab-image-2"),
    Package("lab-image-2", "1.1", SECURITY, script=ASKS_FOR_REBOOT),
    Package("lab-broken", "1.1", SECURITY, script=FAILS),
    Package("lab-slow", "1.1", SECURITY, script=SLOW),
    Package("lab-unit", "1.1", SECURITY, script=FAILS_AFTER_REBOOT),
    Package("containerd", "99.0", SECURITY),
    Package("kubelet", "99.0", SECURITY),
)
"""lab-kernel brings a new package and asks for a reboot; containerd and kubelet must not be touched."""


def publish(into: Path | None = None) -> None:
    """Makes the repository, unless it is there: `updates/stable` and `updates/security` beside the packages of Kubernetes."""
    folder = into or repository() / "updates"
    with only_one("updates"):
        for archive, (label, suite) in RELEASES.items():
            place = folder / archive
            if (place / "Release").exists():
                continue
            place.mkdir(parents=True, exist_ok=True)
            for package in OFFERED:
                if package.archive == archive:
                    _build(package, place)
            index = finish(["sh", "-c", 'cd "$1" && apt-ftparchive packages .', "sh", place])
            (place / "Packages").write_text(index)
            words = [f"-oAPT::FTPArchive::Release::{key}={value}" for key, value in _release(label, suite).items()]
            release = finish(["sh", "-c", 'cd "$1" && shift && apt-ftparchive "$@" release .', "sh", place, *words])
            (place / "Release").write_text(release)


def install(machine: Machine, place: str, *names: str) -> None:
    """Version 1.0 of these, on a machine that finds the repository at `place`, a URL; their updates are offered from then on."""
    lines = "".join(f"deb [trusted=yes] {place}/{archive} ./\n" for archive in RELEASES)
    machine.write("/etc/apt/sources.list.d/lab-updates.list", lines, mode="644")
    packages = " ".join(f"{name}=1.0" for name in names)
    quiet = "DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq"
    machine.run(f"{quiet} update && {quiet} -y --allow-downgrades install {packages} > /dev/null")


def _release(label: str, suite: str) -> dict[str, str]:
    return {"Origin": "Lab", "Label": label, "Suite": suite, "Codename": suite, "Version": "12"}


def _build(package: Package, into: Path) -> None:
    fields = {
        "Package": package.name,
        "Version": package.version,
        "Architecture": "all",
        "Maintainer": "lab",
        "Depends": package.depends,
        "Description": f"{package.name} for the lab",
    }
    with tempfile.TemporaryDirectory(dir=LABS) as temporary:
        tree = Path(temporary)
        tree.chmod(0o755)
        files = {f"usr/share/doc/{package.name}/version": f"{package.version}\n"}
        files["DEBIAN/control"] = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
        if package.configuration:
            files |= {
                f"etc/{package.name}.conf": f"{package.configuration}\n",
                "DEBIAN/conffiles": f"/etc/{package.name}.conf\n",
            }
        if package.script:
            files["DEBIAN/postinst"] = f"#!/bin/sh\nset -e\n{package.script}"
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        if package.script:
            (tree / "DEBIAN/postinst").chmod(0o755)
        finish(["dpkg-deb", "-Zzstd", "-z1", "--root-owner-group", "--build", tree, into])
