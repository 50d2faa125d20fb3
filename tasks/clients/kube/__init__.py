"""The Kubernetes API: JSON in, JSON out, over any of a cluster's API servers. The only importer of `kubernetes`.

Objects stay JSON here and become models in `probes`: answers such as an eviction's 201 with a failure inside are
lost in the client's own types. A server is reached by TCP or through a unix socket (an SSH tunnel's end).
"""

from tasks.clients.kube.answer import JSON, Answer
from tasks.clients.kube.client import KubeClient
from tasks.clients.kube.link import KubeServer, KubeUser

__all__ = ["JSON", "Answer", "KubeClient", "KubeServer", "KubeUser"]
