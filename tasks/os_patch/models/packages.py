"""Packages of a machine: which of them change, and which are never touched."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model
from tasks.nodes.models.nodes import PackageManager

PROTECTED = (
    *("kubelet", "kubeadm", "kubectl", "kubernetes-cni", "cri-tools"),
    *("containerd", "containerd.io", "runc", "cri-o"),
)
"""Packages that a patch never touches: rolling_upgrade moves them, or the site does."""


class Scope(StrEnum):
    """Which updates are installed."""

    SECURITY = "security"
    """What the distribution publishes as security updates."""
    ALL = "all"
    NONE = "none"
    """No update: only reboots."""


class Change(Model):
    """What becomes of one package."""

    COVERED: ClassVar[Reasons] = {"package before after origins security": "these very versions are installed"}

    package: str
    before: str = Field(default="", description="version; empty when it is new")
    after: str
    origins: tuple[str, ...] = Field(default=(), description="for example Debian-Security:12/oldstable-security")
    security: bool = False

    @property
    def in_words(self) -> str:
        """`openssl 3.0.20-1 to 3.0.22-1`."""
        return f"{self.package} {self.before} to {self.after}" if self.before else f"{self.package} {self.after} (new)"


class Updates(Model):
    """What a package manager would do, and what is in its way."""

    manager: PackageManager = PackageManager.NONE
    changes: tuple[Change, ...] = ()
    removals: tuple[str, ...] = Field(default=(), description="packages that it would remove")
    kept_back: tuple[str, ...] = Field(default=(), description="packages that have an update and do not get it")
    held: tuple[str, ...] = Field(default=(), description="packages that an administrator has put on hold")
    broken: tuple[str, ...] = Field(default=(), description="packages that are not wholly installed")
    locked_by: str = Field(default="", description="another package manager that is at work now")
    problem: str = Field(default="", description="why its repositories could not be asked")
    protected: dict[str, str] = Field(default={}, description="package that is never touched to its version")
