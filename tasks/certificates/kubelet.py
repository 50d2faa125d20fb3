"""A kubelet's own client certificate: the one signer of it, for every runbook that needs one."""

from datetime import timedelta

from tasks.certificates import scripts
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for

AT_ONCE = timedelta()


def sign_for_kubelet(
    handle: Cluster, name: str, *, signer: str, hours: int, answers_within: timedelta = AT_ONCE
) -> None:
    """Has the CA on another node sign the client certificate of a node's kubelet again, and restarts that kubelet.

    The kubelet's key stays on its node, and the CA's on its own: a request goes there, and a certificate comes back.

    Args:
        handle: of the cluster
        name: of the kubelet's node
        signer: a control plane node that has the CA and its key
        hours: that the certificate is valid for
        answers_within: how long a lost connection to the kubelet's node is tried again
    """
    node = handle.shell(name)
    sign = scripts.sign_for_kubelet(handle.profile.kubeadm.folder, name, hours)
    request = wait_for(lambda: node.ask(scripts.ask_for_kubelet(name)), answers_within)
    certificate = handle.shell(signer).ask(sign, stdin=request)
    wait_for(lambda: node.run(scripts.install_for_kubelet(), stdin=certificate), answers_within)
