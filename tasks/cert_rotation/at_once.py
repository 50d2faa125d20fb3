"""All control planes at once, where nothing works any more: there is no quorum to keep."""

from collections.abc import Callable, Sequence
from functools import partial

from tasks.cert_rotation.models.rotation import NodeRotated
from tasks.cert_rotation.node import begin, end, prove_users, refresh_copies, renew, result
from tasks.cert_rotation.pods import prove, restart
from tasks.cert_rotation.work import Work
from tasks.core.at_once import on_all
from tasks.core.models.kubeadm import ORDER


def rotate_together(works: Sequence[Work], forget_connections: Callable[[], None]) -> tuple[NodeRotated, ...]:
    """Files first, then etcd on all, its proof, and so on in their order.

    Connections of the worker to the API know the previous administrator: they are closed before it is asked.
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
