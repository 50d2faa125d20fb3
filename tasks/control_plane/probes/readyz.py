"""Checks whether an API server reports that it is ready."""

from tasks.core.errors import NotYet
from tasks.core.models.kubeadm import API_SERVER
from tasks.core.models.shape import NodeShape
from tasks.core.shell import script


def ask_readyz(shape: NodeShape) -> str:
    """Prints 200 if the API server of this node is ready; `NotYet` if its address is unknown.

    Other scripts contain the line `. tasks/control_plane/scripts/readiness.lib.sh`.
    """
    if shape.api_server is None:
        why = "; ".join(shape.problems) or "it has no manifest of kube-apiserver"
        raise NotYet(f"{shape.name}: where its API server listens is not known: {why}", hint="correct its manifest")
    files = shape.pods[API_SERVER].files
    client, key = (str(files.get(f"kubelet-client-{kind}", "")) for kind in ("certificate", "key"))
    return script(__file__, "readyz", server=f"https://{shape.api_server.text}", client=client, key=key)
