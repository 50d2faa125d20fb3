"""Sets which API server a kubelet uses while kubeadm replaces the etcd beside it.

It is the endpoint of the control plane first, and the node's own API server again afterwards.
"""

from tasks.core import redaction
from tasks.core.errors import Refused
from tasks.core.probes.addresses import address_of_text
from tasks.node_work.work import NodeWork
from tasks.upgrade import scripts
from tasks.upgrade.probes import kubelet_server
from tasks.upgrade.probes.kubelet_server import KubeletServer, with_server

API_PORT = 6443
"""This is kubeadm's default port, for the case that neither the endpoint nor the manifest names one."""


def ask_endpoint(work: NodeWork, endpoint: str) -> bool:
    """Makes the kubelet use the control plane's endpoint instead of the API server beside it.

    It returns True if this changed the kubelet's setting. A kubelet that uses its own API server starts a new
    etcd late. It first needs an answer about the mirror pod of the old one. Without etcd, the API server does
    not give that answer for 60 s (`tryReconcileMirrorPods` of the kubelet). If the endpoint does not answer,
    nothing is changed.
    """
    own = work.handle.shape(work.name).api_server
    url = f"https://{address_of_text(endpoint, own.port if own else API_PORT).text}"
    asks = _asked(work)
    if asks.server == url:
        return False
    before = asks.before if asks.is_ours else asks.server
    return _set(work, asks, url, endpoint=url, kept=f"{before} {url}")


def ask_as_before(work: NodeWork) -> bool:
    """Restores the API server that the kubelet used before `ask_endpoint`.

    kubeadm does the same at the end of an upgrade, and then nothing is left to do. The setting of an upgrade
    that died is restored only if the kubelet still uses what that upgrade set.
    """
    asks = _asked(work)
    if asks.is_ours:
        return _set(work, asks, asks.before, endpoint="", kept="")
    if asks.kept:
        work.run(scripts.forget_kubelet_server())
    return False


def _asked(work: NodeWork) -> KubeletServer:
    path = work.handle.shape(work.name).kubelet.kubeconfig
    printed = work.run(kubelet_server.look(path)).encode()
    try:
        asks = kubelet_server.parse(printed, path)
    except ValueError as error:
        raise Refused(
            f"{work.name}: {error}", hint=f"correct {path} there: `kubeadm certs check-expiration` reads it, too"
        ) from None
    redaction.remember_secret(asks.text)
    return asks


def _set(work: NodeWork, asks: KubeletServer, server: str, *, endpoint: str, kept: str) -> bool:
    path = work.handle.shape(work.name).kubelet.kubeconfig
    script = scripts.set_kubelet_server(path, endpoint=endpoint, ca=asks.ca, ca_file=asks.ca_file, kept=kept)
    return "changed" in work.run(script, stdin=with_server(asks.text, asks.server, server).encode()).split()
