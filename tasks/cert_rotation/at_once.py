"""Rotates all control plane nodes at once, for a cluster where nothing works any more: there is no quorum to keep."""

from collections.abc import Callable, Sequence
from functools import partial

from tasks.cert_rotation.models.rotation import NodeRotated
from tasks.cert_rotation.node import begin, end, prove_users, refresh_copies, renew, result
from tasks.cert_rotation.pods import prove, restart
from tasks.cert_rotation.work import Work
from tasks.core.at_once import on_all
from tasks.core.models.kubeadm import ORDER


def rotate_together(works: Sequence[Work], forget_connections: Callable[[], None]) -> tuple[NodeRotated, ...]:
    """Rotates all given control plane nodes together.

    It renews the files first. Then it restarts and proves etcd on all nodes, and continues with the other static pods in order.
    The Prefect worker's open API connections use the previous administrator certificate, so they are closed before the API is asked.
    """
    on_all(begin, works)
    on_all(renew, works)
    for pod in ORDER:
        mine = [work for work in works if pod in work.node.restarts]
        on_all(partial(_restart, pod), mine)
        on_all(partial(_prove, pod), mine)
    forget_connections()
    on_all(prove_users, works)
    on_all(refresh_copies, works)
    on_all(end, works)
    return tuple(result(work) for work in works)


def _restart(pod: str, work: Work) -> None:
    restart(work, pod, gate=False)


def _prove(pod: str, work: Work) -> None:
    prove(work, pod)
