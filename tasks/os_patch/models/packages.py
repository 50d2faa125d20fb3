"""Models the packages of a node: which of them change, and which are never changed."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model
from tasks.core.models.folders import PATCHES
from tasks.nodes.models.nodes import PackageManager

PROTECTED = (
    *("kubelet", "kubeadm", "kubectl", "kubernetes-cni", "cri-tools"),
    *("containerd", "containerd.io", "runc", "cri-o"),
)
"""Names the packages that a patch never changes. `rolling_upgrade` or the site moves them."""


class Scope(StrEnum):
    """This says which updates are installed."""

    SECURITY = "security"
    """It installs what the distribution publishes as security updates."""
    ALL = "all"
    NONE = "none"
    """It installs no update, so the run only reboots."""


class Change(Model):
    """This is the change of one package."""

    COVERED: ClassVar[Reasons] = {"package before after origins security": "these very versions are installed"}

    package: str
    before: str = Field(default="", description="version; empty when it is new")
    after: str
    origins: tuple[str, ...] = Field(default=(), description="for example Debian-Security:12/oldstable-security")
    security: bool = False

    @property
    def in_words(self) -> str:
        """Returns the change as text, such as `openssl 3.0.20-1 to 3.0.22-1`."""
        return f"{self.package} {self.before} to {self.after}" if self.before else f"{self.package} {self.after} (new)"


class Updates(Model):
    """This is what a package manager would do, and what prevents it."""

    manager: PackageManager = PackageManager.NONE
    changes: tuple[Change, ...] = ()
    removals: tuple[str, ...] = Field(default=(), description="packages that it would remove")
    kept_back: tuple[str, ...] = Field(default=(), description="packages that have an update and do not get it")
    held: tuple[str, ...] = Field(default=(), description="packages that an administrator has put on hold")
    broken: tuple[str, ...] = Field(default=(), description="packages that are not wholly installed")
    locked_by: str = Field(default="", description="another package manager that is at work now")
    problem: str = Field(default="", description="what its package manager did not answer, and why")
    protected: dict[str, str] = Field(default={}, description="package that is never touched to its version")

    @property
    def repair(self) -> str:
        """Returns the next step if the repositories do not answer."""
        match self.manager:
            case PackageManager.APT:
                return (
                    "run `apt-get update --error-on=any` on it until it ends with status 0, with --allow-releaseinfo-change where a release "
                    f"has another label or suite: our lists ({PATCHES}/lists) begin as a copy of the system's"
                )
            case PackageManager.DNF:
                return "run `dnf makecache` and `dnf upgrade --assumeno` on it until both answer"
            case _:
                return "run `zypper refresh` and `zypper update --dry-run` on it until both answer"
