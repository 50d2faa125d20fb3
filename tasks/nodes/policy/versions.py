"""Compares versions of Kubernetes and etcd: which may run together, and how to upgrade from one to the next."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from tasks.core.commands import CLUSTER, run_command
from tasks.core.errors import Refused
from tasks.core.models.findings import Problem
from tasks.core.words import counted


class KubernetesVersion(NamedTuple):
    """Represents the version of a release, such as `1.37.2`. Versions compare in the order of their releases."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses a version that an operator has written, `1.37.2` or `v1.37.2`.

        Raises:
            Refused: the text is anything else, for example a pre-release.
        """
        if not (found := re.fullmatch(r"v?(\d{1,3})\.(\d{1,4})\.(\d{1,4})", text, re.ASCII)):
            raise Refused(
                f"{text!r} is not a version of Kubernetes",
                hint="write major.minor.patch of a release, for example 1.37.2 or v1.37.2",
            )
        return cls(*(int(part) for part in found.groups()))

    @classmethod
    def observed(cls, text: str) -> Self | None:
        """Parses a version that a program reports, whatever its vendor appended: `v1.36.3-eks-1`, `1.36.3+k3s1`.

        It returns None if the text is no version.
        """
        found = re.match(r"v?(\d{1,3})\.(\d{1,4})\.(\d{1,4})(?!\d)", text, re.ASCII)
        return cls(*(int(part) for part in found.groups())) if found else None

    @property
    def bare(self) -> str:
        """Returns the version without v, as in `1.37.2`."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def minor_name(self) -> str:
        """Returns the minor as repositories name it, as in `1.37`."""
        return f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        return f"v{self.bare}"


class Skew(NamedTuple):
    """Limits how many minors a component may be away from each API server."""

    newer: int
    older: int


SKEW = {
    "kube-apiserver": Skew(newer=1, older=1),
    "kubelet": Skew(newer=0, older=3),
    "kube-proxy": Skew(newer=0, older=3),
    "kube-controller-manager": Skew(newer=0, older=1),
    "kube-scheduler": Skew(newer=0, older=1),
    "cloud-controller-manager": Skew(newer=0, older=1),
    "kubectl": Skew(newer=1, older=1),
    "kubeadm": Skew(newer=1, older=0),
}
"""Maps each component to its allowed skew.

The limits come from the version-skew policy of Kubernetes, and from kubeadm's own.
"""

KUBELET_BESIDE = {"kube-proxy": Skew(newer=3, older=3), "kubeadm": Skew(newer=3, older=0)}
"""Maps each component to its allowed skew from the kubelet of the node."""


def what_is_skewed(
    component: str, version: KubernetesVersion, api_servers: Sequence[KubernetesVersion]
) -> Problem | None:
    """Explains with numbers why the component may not run beside these API servers. Returns None if it may."""
    allowed = SKEW[component]
    oldest, newest = min(api_servers), max(api_servers)
    if (ahead := minors_between(oldest, version)) > allowed.newer:
        return Problem(
            text=f"{component} {version} is {counted(ahead, 'minor')} newer than API server {oldest}, "
            f"{_at_most(allowed.newer, 'newer')}"
        )
    if (behind := minors_between(version, newest)) > allowed.older:
        return Problem(
            text=f"{component} {version} is {counted(behind, 'minor')} older than API server {newest}, "
            f"{_at_most(allowed.older, 'older')}"
        )
    return None


def what_is_skewed_beside(component: str, version: KubernetesVersion, kubelet: KubernetesVersion) -> Problem | None:
    """Explains with numbers why kube-proxy or kubeadm may not run beside this kubelet. Returns None if it may."""
    allowed, ahead = KUBELET_BESIDE[component], minors_between(kubelet, version)
    if -allowed.older <= ahead <= allowed.newer:
        return None
    word, limit = ("newer", allowed.newer) if ahead > 0 else ("older", allowed.older)
    away = f"{counted(abs(ahead), 'minor')} {word} than kubelet {kubelet}"
    return Problem(text=f"{component} {version} is {away}, {_at_most(limit, word)}")


def minors_between(older: KubernetesVersion, newer: KubernetesVersion) -> int:
    """Returns how many minors `newer` is ahead of `older`. The number is negative if it is behind."""
    return newer.minor - older.minor


def _at_most(minors: int, word: str) -> str:
    return f"at most {counted(minors, 'minor')} allowed" if minors else f"it must not be {word}"


# --- from one version to the next


def what_forbids_upgrade(
    oldest: KubernetesVersion,
    newest: KubernetesVersion,
    target: KubernetesVersion,
    *,
    allow_patch_rollback: bool = False,
) -> Problem | None:
    """Explains why kubeadm's policy forbids an upgrade. Returns None if it is allowed.

    The policy is forward only, one minor at a time. The parts of the control plane run versions from `oldest` to
    `newest`. With `allow_patch_rollback` an older patch of the same minor is allowed, too.
    """
    if target.major != newest.major:
        return Problem(
            text=f"{target} is another major version than {newest}", next_step="name a version of the same major"
        )
    if target < newest:
        return _no_rollback(oldest, newest, target, allowed=allow_patch_rollback)
    if (jump := minors_between(oldest, target)) > 1:
        return Problem(
            text=f"{oldest} to {target} is {jump} minor versions; kubeadm upgrades one at a time",
            next_step=f"add --chain, or upgrade to the newest v{oldest.major}.{oldest.minor + 1} first",
        )
    return None


def _no_rollback(
    oldest: KubernetesVersion, newest: KubernetesVersion, target: KubernetesVersion, *, allowed: bool
) -> Problem | None:
    within_minor = target.minor == newest.minor == oldest.minor
    if within_minor and allowed:
        return None
    problem = f"{target} is older than {newest}, which the control plane runs"
    if within_minor:
        return Problem(
            text=problem,
            next_step="add --allow-patch-rollback to go back to an older patch of the same minor",
        )
    if oldest.minor != newest.minor:
        return Problem(
            text=f"{problem} in part",
            next_step=f"finish that upgrade first: `{run_command('rolling_upgrade', CLUSTER, newest.bare)}`",
        )
    return Problem(
        text=f"{problem}: a downgrade over minors is not supported",
        next_step="name a newer version; the only way back is etcd_restore_from_s3 and the packages of that version",
    )


def chain_to(
    oldest: KubernetesVersion, target: KubernetesVersion, newest_patch: Mapping[str, str]
) -> tuple[KubernetesVersion, ...]:
    """Returns the versions to go through: the newest patch of each minor between, then `target`.

    `newest_patch` maps a minor (`1.37`) to its newest installable version.

    Raises:
        Refused: `newest_patch` lacks a minor.
    """
    between = [f"{oldest.major}.{minor}" for minor in range(oldest.minor + 1, target.minor)]
    return (*(_newest_of(minor, newest_patch) for minor in between), target)


def _newest_of(minor: str, newest_patch: Mapping[str, str]) -> KubernetesVersion:
    version = KubernetesVersion.observed(newest_patch.get(minor, ""))
    if version is None or version.minor_name != minor:
        raise Refused(
            f"no version of v{minor} is known that can be installed: the chain goes through its newest patch",
            hint=f"make the repository of v{minor} reachable from the nodes, or name a version of v{minor} yourself",
        )
    return version


# --- etcd


class EtcdVersion(NamedTuple):
    """Represents a version of etcd, such as `3.6.11`."""

    major: int
    minor: int
    patch: int

    @classmethod
    def observed(cls, text: str) -> Self | None:
        """Parses a version as a member or an image tag reports it: `3.6.11`, `v3.6.11`, `3.6.11-0`.

        It returns None if the text is no version.
        """
        found = re.match(r"v?(\d{1,3})\.(\d{1,4})\.(\d{1,4})(?!\d)", text, re.ASCII)
        return cls(*(int(part) for part in found.groups())) if found else None

    @property
    def minor_name(self) -> str:
        """Returns the minor, as in `3.6`."""
        return f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


ETCD_OF = {31: "3.5", 32: "3.5", 33: "3.5", 34: "3.6", 35: "3.6", 36: "3.6", 37: "3.7"}
"""Maps each minor of Kubernetes to the minor of etcd that its kubeadm installs."""

ETCD_SOURCE_MINIMUM = {"3.6": EtcdVersion(3, 5, 26), "3.7": EtcdVersion(3, 6, 11)}
"""Maps each minor of etcd to the version that every member must run before the first one moves to it.

Older versions can bring removed members back.
"""


def etcd_minor_of(version: KubernetesVersion) -> str:
    """Returns the minor of etcd that this kubeadm installs.

    It is empty if the kubeadm version is too new or too old to be known here.
    """
    return ETCD_OF.get(version.minor, "") if version.major == 1 else ""


def minor_of_etcd(version: EtcdVersion | str) -> tuple[int, ...]:
    """Returns the minor of `3.6` or `3.6.11` as numbers that compare."""
    return tuple(int(part) for part in str(version).split(".")[:2])


def what_forbids_etcd(member: EtcdVersion, to_minor: str) -> Problem | None:
    """Explains with numbers why a member of this version may not move to that minor of etcd (`3.7`).

    It returns None if the member may. Only a jump over several minors has a next step here: how to reach the minimum
    depends on the versions of Kubernetes.
    """
    here, there = minor_of_etcd(member), minor_of_etcd(to_minor)
    if there <= here:
        return None
    if there != (here[0], here[1] + 1):
        return Problem(
            text=f"etcd {member} to {to_minor} is more than one minor",
            next_step="move etcd minor by minor, with --etcd-image-tag",
        )
    minimum = ETCD_SOURCE_MINIMUM.get(to_minor)
    if minimum is None or member >= minimum:
        return None
    return Problem(text=f"etcd {member} must not go to {to_minor}: every member has to run {minimum} or newer before")
