"""Where an upgrade keeps what belongs to a version on a node: its packages, the new kubeadm, and the holds that were found."""

from tasks.core.models.folders import UPGRADES


def folder_of(version: str) -> str:
    """Of a version without v."""
    return f"{UPGRADES}/v{version}"


def upgraded_file(version: str) -> str:
    """In that folder: kubeadm came to its end there. Manifests alone do not say so, there are phases after them."""
    return f"{folder_of(version)}/upgraded"
