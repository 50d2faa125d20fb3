"""Names the places on a node where an upgrade keeps the files of a version.

They are its packages, the new kubeadm, and the holds that were found.
"""

from tasks.core.models.folders import UPGRADES

KEPT_IN = f"{UPGRADES}/kubelet-server"
"""Names the file on the node that keeps two API endpoints.

They are the API server that its kubelet used before, and the endpoint that it uses meanwhile.
"""


def folder_of(version: str) -> str:
    """Returns the folder of a version, which is given without v."""
    return f"{UPGRADES}/v{version}"


def upgraded_file(version: str) -> str:
    """Returns the file in that folder that says that kubeadm has finished there.

    The manifests alone do not say so, because phases follow them.
    """
    return f"{folder_of(version)}/upgraded"
