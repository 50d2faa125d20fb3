"""One run at a time where there is no API to ask: a lock on every control plane node, taken in the order of names."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta

from tasks.clients.ssh import SshNode
from tasks.cluster import Cluster
from tasks.errors import NotYet, Refused, RunbookError
from tasks.logs import log_about

PLACE = "/var/lib/kube-runbooks/lock"
STALE_SECONDS = 40
"""After which a lock that nobody renewed is taken over, by the node's own clock."""

RENEW_SECONDS = 10
CALL = timedelta(seconds=20)


@contextmanager
def node_locks(handle: Cluster, nodes: Sequence[str], run_id: str) -> Iterator[Callable[[], None]]:
    """Holds the lock on all nodes; gives what raises `Refused` when another run has taken one of them meanwhile.

    Raises `NotYet` when another run holds one: a dead run's lock is free after 40 s.
    """
    lost: list[str] = []
    taken: list[SshNode] = []
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(RENEW_SECONDS):
            for node in taken:
                try:
                    if _ask(node, run_id, take=False) != run_id:
                        lost.append(node.name)
                except RunbookError as error:  # nobody else can reach it either, or else has to wait
                    log_about(node.name).warning("the lock could not be renewed: %s", error)

    def check() -> None:
        if lost:
            raise Refused(
                f"another run has taken the lock of {', '.join(sorted(set(lost)))}",
                hint="let it end; this run has stopped where it was",
            )

    keeper = threading.Thread(target=copy_context().run, args=(renew,), name="locks", daemon=True)
    try:
        for name in sorted(nodes):
            node = handle.node(name)
            if (holder := _ask(node, run_id, take=True)) != run_id:
                raise NotYet(
                    f"{name}: run {holder} is at work on this cluster",
                    hint=f"wait for its end; if it is dead, its lock is free after {STALE_SECONDS} s",
                )
            taken.append(node)
        keeper.start()
        yield check
    finally:
        ended.set()
        for node in taken:
            _release(node, run_id)


def _ask(node: SshNode, run_id: str, *, take: bool) -> str:
    """Who holds the lock now; `run_id` when it was taken or renewed."""
    wanted = "true" if take else "false"
    script = f"""set -eu
mkdir -p "$(dirname {PLACE})"
exec 9> {PLACE}.mutex; flock 9
holder=$(cat {PLACE} 2>/dev/null || true)
if [ -n "$holder" ] && [ "$holder" != {run_id} ]; then
  age=$(($(date +%s) - $(stat -c %Y {PLACE})))
  if [ $age -lt {STALE_SECONDS} ] || ! {wanted}; then echo "$holder"; exit; fi
fi
echo {run_id} > {PLACE}; echo {run_id}
"""
    return node.run(script, timeout=CALL, sudo=True).stdout.decode().strip()


def _release(node: SshNode, run_id: str) -> None:
    try:
        node.run(f'[ "$(cat {PLACE} 2>/dev/null)" != {run_id} ] || rm -f {PLACE}', timeout=CALL, sudo=True, check=False)
    except RunbookError as error:
        log_about(node.name).warning("its lock stays until it is stale: %s", error)
