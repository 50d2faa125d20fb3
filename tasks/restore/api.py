"""Queries the API of a restored cluster through SSH to its own API servers; a load balancer in front proves nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tasks.clients.kube import KubeClient
from tasks.clients.ssh import CALL
from tasks.cluster import Cluster
from tasks.core.errors import NotYet, Refused
from tasks.restore.models import LEADERS, OBJECT, Write
from tasks.restore.probes import recovery
from tasks.restore.probes.recovery import CONFIGMAPS, LEADER_LEASES, NAMESPACES, NODE_LEASES, NODES

WATCH_SECONDS = "3"


@contextmanager
def api_of(handle: Cluster, control_planes: Sequence[str]) -> Iterator[KubeClient]:
    """Opens a client with its own connections, and closes it afterwards."""
    kube = handle.own_kube(control_planes, CALL)
    try:
        yield kube
    finally:
        kube.close()


def take_pulse(kube: KubeClient) -> recovery.Pulse:
    """Reads the signs of life at one moment.

    It raises `NotYet` if the API does not answer or refuses access, because it may have just started.
    """
    with _starting():
        leaders = [found for name in LEADERS if (found := kube.find(f"{LEADER_LEASES}/{name}"))]
        return recovery.pulse_of(kube.items(NODES), [*kube.items(NODE_LEASES), *leaders])


def write_and_watch(kube: KubeClient, data: Mapping[str, str], old_revision: int) -> Write:
    """Writes an object, reads it, and watches it from before its write.

    It also opens a watch as a client from before the restore would.
    """
    place = f"{CONFIGMAPS}/{OBJECT}"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": OBJECT}, "data": dict(data)}
    with _starting():
        before = recovery.revision_of(kube.get(CONFIGMAPS, limit="1"))
        kube.patch(f"{place}?fieldManager=kube-runbooks&force=true", body, "apply")
        read = kube.get(place)
        watched = _watch(kube, CONFIGMAPS, before, fieldSelector=f"metadata.name={OBJECT}")
        status, old = _watch(kube, NAMESPACES, str(old_revision))
        return recovery.written_of(read, watched[1], status, old)


def _watch(kube: KubeClient, path: str, revision: str, **more: str) -> tuple[int, list[Mapping[str, object]]]:
    """Returns the HTTP status of a watch and its events of some seconds."""
    query = {"watch": "1", "timeoutSeconds": WATCH_SECONDS, "resourceVersion": revision, **more}
    answer = kube.send("GET", path, query=query)
    return answer.status, recovery.events_in(answer.body)


@contextmanager
def _starting() -> Iterator[None]:
    """Turns `Refused` into `NotYet`: the API may allow later what it refuses now, when it has read its RBAC rules."""
    try:
        yield
    except Refused as error:
        raise NotYet(error.problem, hint=error.hint) from None
