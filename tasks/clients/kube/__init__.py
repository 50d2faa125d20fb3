"""Wraps the Kubernetes API: JSON in, JSON out, over any of a cluster's API servers.

Only this package imports `kubernetes`.

Objects stay JSON here and become models in `probes`: the client's own types lose answers such as an eviction's
201 with a failure inside. A server is reached by TCP or through a unix socket (an SSH tunnel's end).
"""

from tasks.clients.kube.answer import JSON, Answer, Conflicted
from tasks.clients.kube.client import KubeClient
from tasks.clients.kube.link import AT_ONCE, KubeServer, KubeUser
from tasks.clients.kube.quantity import amount_of

__all__ = ["AT_ONCE", "JSON", "Answer", "Conflicted", "KubeClient", "KubeServer", "KubeUser", "amount_of"]
