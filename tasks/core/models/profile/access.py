"""Defines how the worker reaches nodes and the API."""

from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import ACCESS, Reasons
from tasks.core.models.base import Model
from tasks.core.models.profile.words import HostName, NodePath, Port, SecretRef, WorkerPath


class SshGateway(Model):
    """This is a bastion between the worker and the nodes; its host key is checked as strictly as a node's."""

    LEFT_OUT: ClassVar[Reasons] = {"address port user key": ACCESS}

    address: HostName
    port: Port = 22
    user: str | None = Field(default=None, description="user on the gateway; default: the user of the nodes")
    key: SecretRef | None = Field(
        default=None, description="private key for the gateway; default: the key of the nodes"
    )


class Ssh(Model):
    """These settings define how the worker logs in to the nodes."""

    COVERED: ClassVar[Reasons] = {"gateway": "named field by field"}
    LEFT_OUT: ClassVar[Reasons] = {"user key known_hosts sudo": ACCESS}

    user: str = Field(min_length=1, description="user who logs in on every node, with sudo or as root")
    key: SecretRef = Field(description="private key, for example file:/etc/kube-runbooks/id_ed25519")
    known_hosts: WorkerPath = Field(
        description="absolute path of an OpenSSH known_hosts file; unknown hosts are refused"
    )
    sudo: bool = Field(
        default=True, description="run privileged commands by 'sudo -n'; set it to false if `user` is root"
    )
    gateway: SshGateway | None = None


class Node(Model):
    """This is a node of the cluster, under its name in Kubernetes."""

    COVERED: ClassVar[Reasons] = {"name address port": "the machine behind a name"}

    name: HostName
    address: HostName = Field(description="host name or IP address for SSH, as the worker or the gateway resolves it")
    port: Port = 22


class Kubeadm(Model):
    """These settings define how kubeadm set up the control plane nodes."""

    COVERED: ClassVar[Reasons] = {"folder": "what is rewritten lies there"}

    folder: NodePath = Field(
        default=PurePosixPath("/etc/kubernetes"),
        description="kubeadm's folder on every control plane node, with `pki` and `manifests` in it",
    )


class Kubernetes(Model):
    """These settings define how the worker reaches the API."""

    COVERED: ClassVar[Reasons] = {"kubeconfig port": "the API that is asked and changed; a reference, never the secret"}

    kubeconfig: SecretRef | None = Field(
        default=None,
        description=(
            "kubeconfig of an administrator, for example file:/etc/kube-runbooks/prod.conf; default: the "
            "admin.conf of a control plane node, read over SSH"
        ),
    )
    port: Port | None = Field(
        default=None, description="port of the API server on a control plane node; default: the port in its manifest"
    )
