"""Defines the requirements for certificates, and who else has copies of them."""

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Duration, Model
from tasks.core.models.profile.words import HostName, NodePath


class KubeconfigCopy(Model):
    """This is a copy of one of kubeadm's kubeconfigs.

    Somebody uses it on a node, and a rotation has to refresh it.
    """

    COVERED: ClassVar[Reasons] = {"path of nodes": "a file that is rewritten"}

    path: NodePath = Field(description="path on the node, for example /root/.kube/config")
    of: Literal["admin.conf", "super-admin.conf"] = "admin.conf"
    nodes: tuple[HostName, ...] = Field(
        default=(), description="nodes that have the copy; if empty, every node that has this file"
    )


class CertificateRules(Model):
    """These rules define the requirements for this cluster's certificates, and who else has copies of them."""

    COVERED: ClassVar[Reasons] = {"kubeconfigs": "files that are rewritten"}
    LEFT_OUT: ClassVar[Reasons] = {
        "warn_before warn_before_ca": "when a person is warned; the caution itself is covered"
    }

    warn_before: Duration = Field(
        default=timedelta(days=30),
        gt=timedelta(0),
        description="certificate_inventory fails if a certificate expires within this time, for example 30d",
    )
    warn_before_ca: Duration = Field(
        default=timedelta(days=365),
        gt=timedelta(0),
        description="the same for a CA, which takes long to replace",
    )
    kubeconfigs: tuple[KubeconfigCopy, ...] = Field(
        default=(), description="copies of kubeconfigs on nodes that a rotation refreshes"
    )
