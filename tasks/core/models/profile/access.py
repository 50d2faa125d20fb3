"""How the worker reaches nodes and the API."""

from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field

from tasks.core.models.approval import ACCESS, Reasons
from tasks.core.models.base import Model
from tasks.core.models.profile.words import HostName, NodePath, Port, SecretRef


class SshGateway(Model):
    """A bastion between the worker and the nodes; its host key is checked as strictly as a node's."""

    LEFT_OUT: ClassVar[Reasons] = {"address port user key": ACCESS}

    address: HostName
    port: Port = 22
    user: str | None = Field(default=None, description="default: the user of the nodes")
    key: SecretRef | None = Field(default=None, description="default: the key of the nodes")


class Ssh(Model):
    """How the worker logs in to the nodes."""

    COVERED: ClassVar[Reasons] = {"gateway": "named field by field"}
    LEFT_OUT: ClassVar[Reasons] = {"user key known_hosts sudo": ACCESS}

    user: str = Field(min_length=1)
    key: SecretRef = Field(description="private key, for example file:/etc/kube-runbooks/id_ed25519")
    known_hosts: str = Field(description="path of an OpenSSH known_hosts file; a host that is not in it is refused")
    sudo: bool = Field(default=True, description="prefix privileged commands with 'sudo -n'; false when `user` is root")
    gateway: SshGateway | None = None


class Node(Model):
    """A machine of the cluster, by the name that Kubernetes knows it by."""

    COVERED: ClassVar[Reasons] = {"name address port": "the machine behind a name"}

    name: HostName
    address: HostName = Field(description="where SSH reaches it, as the worker or the gateway resolves it")
    port: Port = 22


class Kubeadm(Model):
    """How kubeadm set the control plane nodes up."""

    COVERED: ClassVar[Reasons] = {"folder": "what is rewritten lies there"}

    folder: NodePath = Field(
        default=PurePosixPath("/etc/kubernetes"), description="with `pki` and `manifests` in it, on every such node"
    )


class Kubernetes(Model):
    """How the worker reaches the API."""

    COVERED: ClassVar[Reasons] = {"kubeconfig port": "the API that is asked and changed; a reference, never the secret"}

    kubeconfig: SecretRef | None = Field(
        default=None,
        description="of an administrator, for example file:/etc/kube-runbooks/prod.conf; default: a control plane node's own "
        "admin.conf, through SSH",
    )
    port: Port = Field(default=6443, description="of the API server on a control plane node")
