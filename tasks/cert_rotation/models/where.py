"""Names the folders that a rotation changes on a control plane node."""

from pathlib import PurePosixPath

from tasks.core.models.base import Model
from tasks.core.models.shape import NodeShape


class Where(Model):
    """Names the folders of one node, as they are called on that node."""

    folder: PurePosixPath
    """It is the folder with kubeadm's kubeconfigs."""
    pki: PurePosixPath
    """It is kubeadm's certificatesDir."""
    manifests: PurePosixPath
    parked: PurePosixPath
    """It is the folder with the manifests that a runbook keeps away from the kubelet."""

    @classmethod
    def of_kubeadm(cls, folder: PurePosixPath) -> "Where":
        """Returns the default folders of kubeadm."""
        parked = folder / "kube-runbooks-parked"
        return cls(folder=folder, pki=folder / "pki", manifests=folder / "manifests", parked=parked)

    @classmethod
    def of_node(cls, shape: NodeShape, folder: PurePosixPath) -> "Where":
        """Returns the folders that the kubelet and the API server of this node use."""
        manifests, parked = shape.kubelet.manifests, shape.parked
        return cls(folder=folder, pki=shape.pki or folder / "pki", manifests=manifests, parked=parked)
