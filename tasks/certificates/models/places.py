"""Says where a node has its certificates: the shape of the node, and kubeadm's folder."""

from pathlib import PurePosixPath

from tasks.core.models.base import Model
from tasks.core.models.shape import NodeShape


class Places(Model):
    """Names the folders and files of one node, as they are called on that node."""

    folder: PurePosixPath
    """It is the folder with kubeadm's kubeconfigs."""
    shape: NodeShape
