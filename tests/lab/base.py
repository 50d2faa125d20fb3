"""The root file system of a lab's machines: Debian with systemd, sshd and containerd. A machine is an overlay on it."""

import os
import shutil
from pathlib import Path

from tests.lab.cache import HERE, LABS, digest_of, made_once
from tests.lab.namespaces import finish

SUITE = "bookworm"
"""Its systemd 252 boots on cgroup v1 and v2; later ones on v2 only."""

MIRROR = os.environ.get("KUBE_RUNBOOKS_DEBIAN_MIRROR", "http://deb.debian.org/debian")
LIMIT = 900.0

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "util-linux", "mount", "sudo", "less"),
    *("openssh-server", "ca-certificates", "curl", "openssl", "gpg", "zstd", "apt-utils"),
    *("containerd", "runc", "containernetworking-plugins", "iproute2", "iptables", "nftables", "conntrack"),
    *("ethtool", "socat", "ebtables", "iputils-ping"),
    *("unattended-upgrades", "needrestart", "busybox-static"),
)
ROOTFS = HERE / "rootfs"


def base() -> Path:
    """The folder with the root file system; made in under a minute where it is missing."""
    files = [file for file in ROOTFS.rglob("*") if file.is_file()]
    recipe = digest_of(Path(__file__), *files)
    return made_once(LABS / f"base-{recipe}", _make)


def _make(root: Path) -> None:
    include = f"--include={','.join(PACKAGES)}"
    options = ["--quiet", "--mode=root", "--variant=apt", include, '--aptopt=APT::Install-Recommends "false"']
    finish(["mmdebstrap", *options, SUITE, root, MIRROR], limit=LIMIT)
    shutil.copytree(ROOTFS, root, dirs_exist_ok=True)
    (root / "etc/sudoers.d/ops").chmod(0o440)
    shutil.copytree(root / "usr/lib/cni", root / "opt/cni/bin", dirs_exist_ok=True)
    for name in ("etc/apt/sources.list", "etc/machine-id", "etc/hostname", "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    inside: list[str | Path] = ["chroot", root]
    finish([*inside, "useradd", "--create-home", "--shell=/bin/bash", "ops"])
    finish([*inside, "systemctl", "enable", "--quiet", "lab-cgroups", "lab-network", "ssh", "containerd"])
    quiet = ("systemd-networkd", "apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades")
    finish([*inside, "systemctl", "disable", "--quiet", *quiet])
