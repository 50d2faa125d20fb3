"""Reads a cluster with only a kubeconfig, and changes nothing."""

from contextlib import closing, nullcontext
from datetime import timedelta

from tasks.clients.kube import KubeClient, KubeServer, KubeUser
from tasks.core import redaction
from tasks.core.probes.cluster_shape import CONFIGURATION
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.draft.models import Seen
from tasks.draft.probes.cluster import parse_cluster

LIMIT = timedelta(seconds=20)
"""Limits the time of one query."""

NODES, PODS = "/api/v1/nodes", "/api/v1/namespaces/kube-system/pods"


def look_at_cluster(kubeconfig: str, where: str) -> Seen:
    """Reads the cluster behind the text of a kubeconfig.

    It raises `Refused` or `NotYet` if the cluster cannot be queried.
    """
    redaction.remember_secret(kubeconfig)
    config = parse_kubeconfig(kubeconfig, where)
    user = KubeUser(
        ca=config.ca.encode(),
        certificate=config.certificate.encode(),
        key=config.key.get_secret_value().encode(),
        token=config.token.get_secret_value(),
    )
    server = KubeServer("api", lambda: nullcontext(config.server), config.tls_server_name)
    with closing(KubeClient([server], lambda: user, LIMIT)) as kube:
        pods = kube.items(PODS, labelSelector="tier=control-plane")
        return parse_cluster(config.server, kube.items(NODES), pods, kube.find(CONFIGURATION))
