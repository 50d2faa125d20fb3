"""Reads how API servers and kubelets find out who asks. What does not answer is a fact with a reason."""

from tasks.access.models.logins import ApiServer, Kubelet, Logins
from tasks.access.policy.logins import flags_of
from tasks.access.probes.kubelets import configuration_of, parse_kubelet
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.models import outside

API_SERVER = "kube-apiserver"


def read_logins(handle: Cluster) -> Logins:
    """Reads the manifests of the API servers by SSH, and the running configuration of each kubelet through the API."""
    nodes = [outside.Named.read(one, "a node").metadata.name for one in handle.kube.heads("/api/v1/nodes")]
    found = [*on_all(lambda name: _kubelet(handle, name), nodes), *_servers(handle)]
    return Logins(
        servers=tuple(one for one in found if isinstance(one, ApiServer)),
        kubelets=tuple(one for one in found if isinstance(one, Kubelet)),
        unread=tuple(one for one in found if isinstance(one, str)),
    )


def _servers(handle: Cluster) -> list[ApiServer | str]:
    if not (handle.profile.ssh and handle.profile.nodes):
        return ["flags of the API servers: the profile has no ssh and nodes, so manifests were not read"]
    told = handle.who_is_control_plane()
    silent = [f"flags of {name}: {why.problem}" for name, why in told.items() if isinstance(why, RunbookError)]
    servers = [name for name, has_one in told.items() if has_one is True]
    return [*(ApiServer(node=one, flags=flags_of(handle.shape(one).pods[API_SERVER])) for one in servers), *silent]


def _kubelet(handle: Cluster, name: str) -> Kubelet | str:
    try:
        return parse_kubelet(name, handle.kube.get(configuration_of(name)))
    except RunbookError as error:
        return f"configuration of the kubelet on {name}: {error.problem}"
