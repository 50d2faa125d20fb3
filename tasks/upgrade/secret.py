"""Reads a Secret through one API server.

A ready API server does not prove that it has the keys for encrypted data.
"""

from contextlib import closing
from datetime import timedelta

from tasks.clients.kube import KubeClient
from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.models.outside import Placed, name_of
from tasks.upgrade.models.manifests import SecretRead

ASK_LIMIT = timedelta(seconds=20)
READ_LIMIT = timedelta(minutes=1)
"""Limits the wait until an API server that has just started reads what it read before."""

SECRETS = "/api/v1/secrets"


def read_a_secret(handle: Cluster, name: str, wanted: str = "") -> SecretRead:
    """Reads a Secret through the API server of this node.

    It reads `wanted` (namespace/name), for up to a minute, else the first Secret. Nothing of its content is
    kept.
    """
    try:
        with closing(handle.kube_on(name, ASK_LIMIT)) as kube:
            secret = _awaited(kube, wanted, name) if wanted else _first(kube)
    except (NotYet, Refused) as error:
        return SecretRead(node=name, problem=error.problem)
    return SecretRead(node=name, secret=secret, problem="" if secret else "the cluster has no Secret")


def _awaited(kube: KubeClient, wanted: str, name: str) -> str:
    what = f"its API server to read the Secret {wanted}"
    return wait_for(lambda: _wanted(kube, wanted), READ_LIMIT, what=what, about=name)


def _wanted(kube: KubeClient, wanted: str) -> str:
    """Returns the Secret that was read.

    If someone has deleted it meanwhile, another one replaces it, if there is any.
    """
    namespace, _, name = wanted.partition("/")
    return wanted if kube.find(f"/api/v1/namespaces/{namespace}/secrets/{name}") else _first(kube) or wanted


def _first(kube: KubeClient) -> str:
    """Returns the namespace/name of the first Secret, once that object was read alone.

    A list may come from the server's memory, but a single object never does.
    """
    for raw in kube.get(SECRETS, limit="1").get("items") or ():
        found = Placed.read(raw, name_of("Secret", raw))
        kube.get(f"/api/v1/namespaces/{found.metadata.namespace}/secrets/{found.metadata.name}")
        return found.id
    return ""
