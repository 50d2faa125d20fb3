"""What the machine that a lab runs on has to have, and what of that is missing."""

import os
import shutil
import sys
from pathlib import Path

PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "skopeo": "skopeo",
    "docker-registry": "docker-registry",
    "haproxy": "haproxy",
    "nft": "nftables",
    "apt-ftparchive": "apt-utils",
    "dpkg-deb": "dpkg",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "gpg": "gpg",
    "gpg-agent": "gpg-agent",
}
"""Program to Debian package."""

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
CGROUPS = Path("/sys/fs/cgroup")


WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH_WATCHERS = 1024


class LabError(Exception):
    """A lab cannot do what was asked; the message has the reason and what to do."""


def what_is_missing() -> list[str]:
    """Each thing that stands in the way of a lab here, with the fix; nothing when a lab can be started."""
    if sys.platform != "linux":
        return [f"a lab needs Linux, this is {sys.platform}"]
    missing = [] if os.geteuid() == 0 else ["a lab needs root: namespaces, mounts and control groups are made"]
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_FOLDERS}"
    absent = {program: package for program, package in PACKAGES.items() if not shutil.which(program, path=path)}
    if absent:
        packages = " ".join(sorted(set(absent.values())))
        missing.append(f"not here: {', '.join(absent)}; on Debian: apt-get install --no-install-recommends {packages}")
    missing += [f"{need} does not exist: {why}" for need, why in _NEEDS if not Path(need).exists()]
    return missing


def make_room() -> None:
    """systemd, containerd and kubelet of each machine watch files: the kernel's 128 watchers of a user are one lab's."""
    if int(WATCHERS.read_text()) < ENOUGH_WATCHERS:
        WATCHERS.write_text(str(ENOUGH_WATCHERS))


def uses_cgroup_v2() -> bool:
    """One hierarchy for all controllers, or (version 1) one for each."""
    return (CGROUPS / "cgroup.controllers").exists()


_NEEDS = (
    ("/proc/self/ns/pid", "the kernel has no pid namespaces"),
    ("/proc/self/ns/net", "the kernel has no network namespaces"),
    ("/proc/self/ns/cgroup", "the kernel has no cgroup namespaces"),
    (str(CGROUPS), "mount the control groups"),
    ("/dev/kmsg", "kubelet reads the kernel's messages there"),
)
