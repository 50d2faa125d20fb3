"""The etcd member of a node, as kubeadm runs it."""

from tasks.control_plane.probes.manifests import ETCD_MANIFEST
from tasks.core.shell import script


def show_manifest() -> str:
    """Prints its manifest, if there is one."""
    return script(__file__, "member_manifest", manifest=ETCD_MANIFEST)
