"""What certificates have to be, and who else has copies of them."""

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Duration, Model
from tasks.core.models.profile.words import HostName, NodePath


class KubeconfigCopy(Model):
    """A copy of one of kubeadm's kubeconfigs that somebody uses on a node, and that a rotation has to refresh."""

    COVERED: ClassVar[Reasons] = {"path of nodes": "a file that is rewritten"}

    path: NodePath = Field(description="for example /root/.kube/config")
    of: Literal["admin.conf", "super-admin.conf"] = "admin.conf"
    nodes: tuple[HostName, ...] = Field(default=(), description="names of entries of `nodes`; empty: all that have it")


class CertificateRules(Model):
    """What the certificates of this cluster have to be, and who else has copies of them."""

    COVERED: ClassVar[Reasons] = {"kubeconfigs": "files that are rewritten"}
    LEFT_OUT: ClassVar[Reasons] = {
        "warn_before warn_before_ca": "when a person is warned; the caution itself is covered"
    }

    warn_before: Duration = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="certificate_inventory fails while a certificate ends within it, for example 30d",
    )
    warn_before_ca: Duration = Field(
        default=timedelta(days=365),
        gt=timedelta(0),
        description="the same for an authority, which takes long to replace",
    )
    kubeconfigs: tuple[KubeconfigCopy, ...] = Field(default=(), description="copies on nodes that are kept in step")
